// The ranks of an MPI job, and what they send.
#pragma once

#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <msrnn/adapt.hpp>
#include <stdexcept>
#include <string>

namespace parallel {

class Job {
public:
    Job(int& argc, char**& argv) { MPI_Init(&argc, &argv); }
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    ~Job() { MPI_Finalize(); }

    msrnn::Ranks ranks() const {
        int own = 0, count = 1;
        MPI_Comm_rank(MPI_COMM_WORLD, &own);
        MPI_Comm_size(MPI_COMM_WORLD, &count);
        return {.own = static_cast<std::size_t>(own), .count = static_cast<std::size_t>(count)};
    }
    static unsigned long long sum_of_all(unsigned long long number) {
        MPI_Allreduce(MPI_IN_PLACE, &number, 1, MPI_UNSIGNED_LONG_LONG, MPI_SUM, MPI_COMM_WORLD);
        return number;
    }
    static double largest_of_all(double number) {
        MPI_Allreduce(MPI_IN_PLACE, &number, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
        return number;
    }
};

/// Replaces floats by their sums over all ranks, and counts them. Open MPI gives every rank the same bits.
struct Reduce {
    std::size_t* floats;
    void operator()(float* numbers, std::size_t count) const {
        MPI_Allreduce(MPI_IN_PLACE, numbers, static_cast<int>(count), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
        *floats += count;
    }
};

/// What the command line asks for: [TOKENS [BUDGET [LAST [SIGNAL]]]]; the last rank gives up at token LAST, or a signal
/// ends it there, as the system does where memory is short.
struct Request {
    std::size_t tokens = 500, budget = 64, last = msrnn::unbounded, signal = 0;

    Request(int argc, char** argv) {
        std::size_t* const numbers[] = {&tokens, &budget, &last, &signal};
        for (int i = 1; i < argc && i <= 4; ++i) *numbers[i - 1] = std::strtoul(argv[i], nullptr, 10);
        if (argc > 5 || tokens == 0 || budget == 0)
            throw std::invalid_argument(
                "usage: mpirun -n RANKS PROGRAM [TOKENS [BUDGET [LAST [SIGNAL]]]], whole numbers from 1 on");
    }
    void give_up_at(std::size_t token, msrnn::Ranks ranks) const {
        if (token != last || ranks.own + 1 != ranks.count) return;
        if (signal != 0) std::raise(static_cast<int>(signal));
        throw std::runtime_error("rank " + std::to_string(ranks.own) + " gives up at token " + std::to_string(token));
    }
};

/// The body's result; a rank that throws says why and ends the whole job.
template <class Body>
int run(int argc, char** argv, Body body) {
    Job job(argc, argv);
    try {
        return body(job, Request(argc, argv));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
        MPI_Abort(MPI_COMM_WORLD, 1);
        return 1;
    }
}

}  // namespace parallel
