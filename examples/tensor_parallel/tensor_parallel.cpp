// A model on several ranks (MPI): each has some heads of every layer, with their keys and values. msrnn decides on
// every rank, and every rank forgets the same tokens as one process with all heads. The model has random weights.
// usage: mpirun -n 4 tensor_parallel [TOKENS] [BUDGET]
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <msrnn/adapt.hpp>
#include <span>
#include <stdexcept>
#include <vector>

namespace {

using Vector = std::vector<float>;
constexpr std::size_t layers = 2, heads = 12, head_dim = 16, dim = 64;

/// The same numbers on every rank, of its own for each matrix.
Vector random_matrix(std::size_t rows, std::size_t columns, std::uint64_t seed) {
    Vector matrix(rows * columns);
    for (float& x : matrix) {
        std::uint64_t z = seed += 0x9E3779B97F4A7C15u;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        x = (static_cast<float>((z ^ (z >> 31)) >> 40) * 0x1p-24f - 0.5f) / std::sqrt(static_cast<float>(columns)) * 4;
    }
    return matrix;
}
void multiply(const Vector& matrix, std::span<const float> x, std::span<float> y) {
    for (std::size_t row = 0; row < y.size(); ++row) {
        y[row] = 0;
        for (std::size_t i = 0; i < x.size(); ++i) y[row] += matrix[row * x.size() + i] * x[i];
    }
}

struct Head {
    Vector query, key, value, out;  // matrices
    Vector keys, values;            // a row for each slot

    Head(std::size_t layer, std::size_t head, std::size_t rows) : keys(rows * head_dim), values(rows * head_dim) {
        const std::uint64_t seed = 1000 * (layer * heads + head);
        query = random_matrix(head_dim, dim, seed + 1);
        key = random_matrix(head_dim, dim, seed + 2);
        value = random_matrix(head_dim, dim, seed + 3);
        out = random_matrix(dim, head_dim, seed + 4);
    }
    /// Writes the token's row, attends over all rows, and adds the result to `sum`.
    void attend(std::span<const float> x, msrnn::Slot slot, std::span<float> weights, std::span<float> sum) {
        multiply(key, x, std::span(keys).subspan(slot * head_dim, head_dim));
        multiply(value, x, std::span(values).subspan(slot * head_dim, head_dim));
        float q[head_dim], seen[head_dim] = {}, result[dim], largest = -INFINITY, total = 0;
        multiply(query, x, q);
        for (std::size_t row = 0; row < weights.size(); ++row) {
            weights[row] = 0;
            for (std::size_t i = 0; i < head_dim; ++i) weights[row] += q[i] * keys[row * head_dim + i] / 4;
            largest = std::max(largest, weights[row]);
        }
        for (float& weight : weights) total += weight = std::exp(weight - largest);
        for (float& weight : weights) weight /= total;
        for (std::size_t row = 0; row < weights.size(); ++row)
            for (std::size_t i = 0; i < head_dim; ++i) seen[i] += weights[row] * values[row * head_dim + i];
        multiply(out, seen, result);
        for (std::size_t i = 0; i < dim; ++i) sum[i] += result[i];
    }
};

/// The heads of a layer that lie together on a rank.
struct Group {
    std::vector<Head> of;

    Group(std::size_t layer, std::size_t rank, std::size_t ranks, std::size_t rows) {
        for (std::size_t head = rank * heads / ranks; head < (rank + 1) * heads / ranks; ++head)
            of.emplace_back(layer, head, rows);
    }
    msrnn::Attention attend(std::span<const float> x, msrnn::Slot slot, std::size_t rows, Vector& weights,
                            Vector& sum) {
        weights.resize(of.size() * rows);
        sum.assign(dim, 0);
        for (std::size_t i = 0; i < of.size(); ++i)
            of[i].attend(x, slot, std::span(weights).subspan(i * rows, rows), sum);
        return {.weights = weights.data(), .query_heads = of.size(), .slots = rows, .stride = rows};
    }
};

/// A sum over all ranks in place, added in the order of the ranks, so that its bits do not depend on how MPI adds. An
/// engine takes MPI_Allreduce(MPI_IN_PLACE, numbers, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD).
struct Reduce {
    std::size_t ranks;
    void operator()(float* numbers, std::size_t count) const {
        Vector all(count * ranks);
        const int each = static_cast<int>(count);
        MPI_Allgather(numbers, each, MPI_FLOAT, all.data(), each, MPI_FLOAT, MPI_COMM_WORLD);
        std::copy_n(all.data(), count, numbers);
        for (std::size_t rank = 1; rank < ranks; ++rank)
            for (std::size_t i = 0; i < count; ++i) numbers[i] += all[rank * count + i];
    }
};

/// A layer of one rank.
struct RankLayer {
    msrnn::Lane<msrnn::Tova> lane;
    Group group;
    msrnn::RankWeights sums;
    Vector weights, sum;

    void step(std::int64_t position, Vector& x, Reduce reduce) {
        const msrnn::Slot slot = lane.append(position);
        const msrnn::Attention own = group.attend(x, slot, lane.extent(), weights, sum);
        reduce(sum.data(), sum.size());       // the engine's: the output of all heads
        lane.observe(sums.sum(own, reduce));  // ours: the weights of all heads
        lane.evict();
        for (std::size_t i = 0; i < dim; ++i) x[i] += sum[i];
    }
};

/// The same layer in one process: all heads, one lane, nothing exchanged. Adds group by group, as the ranks do.
struct WholeLayer {
    msrnn::Lane<msrnn::Tova> lane;
    std::vector<Group> groups;
    msrnn::Parts parts, of_group;
    Vector weights, sum;

    void step(std::int64_t position, Vector& x) {
        const msrnn::Slot slot = lane.append(position);
        Vector all;
        parts.start(lane.extent());
        for (Group& group : groups) {
            of_group.start(lane.extent());
            of_group.add(group.attend(x, slot, lane.extent(), weights, sum));
            parts.add(of_group.whole());
            all.resize(dim, -0.0f);
            for (std::size_t i = 0; i < dim; ++i) all[i] += sum[i];
        }
        lane.observe(parts.whole());
        lane.evict();
        for (std::size_t i = 0; i < dim; ++i) x[i] += all[i];
    }
};

/// What a token is before the first layer.
Vector embedding(std::int64_t position) {
    return random_matrix(1, dim, 77000 + static_cast<std::uint64_t>(position * position % 29));
}
void normalise(Vector& x) {
    float square = 0;
    for (const float a : x) square += a * a;
    for (float& a : x) a /= std::sqrt(square / static_cast<float>(dim));
}
/// The position that a lane has just evicted, or -1.
std::int64_t victim(const msrnn::Lane<msrnn::Tova>& lane) {
    return lane.victims().empty() ? -1 : lane.position(lane.victims().front()).value();
}

int run(std::size_t rank, std::size_t ranks, std::int64_t tokens, std::size_t budget) {
    if (ranks > heads) throw std::invalid_argument("there are more ranks than heads");
    std::vector<RankLayer> here;
    std::vector<WholeLayer> whole;  // on rank 0, to compare with
    for (std::size_t layer = 0; layer < layers; ++layer) {
        here.push_back({msrnn::Lane<msrnn::Tova>(budget), {layer, rank, ranks, budget + 1}, {}, {}, {}});
        if (rank != 0) continue;
        whole.push_back({msrnn::Lane<msrnn::Tova>(budget), {}, {}, {}, {}, {}});
        for (std::size_t other = 0; other < ranks; ++other)
            whole.back().groups.emplace_back(layer, other, ranks, budget + 1);
    }
    std::size_t evicted = 0, differ = 0;
    for (std::int64_t t = 0; t < tokens; ++t) {
        Vector x = embedding(t), alone = x;
        for (std::size_t layer = 0; layer < layers; ++layer) {
            normalise(x);
            here[layer].step(t, x, {ranks});
            std::int64_t expected = 0;
            if (rank == 0) {
                normalise(alone);
                whole[layer].step(t, alone);
                expected = victim(whole[layer].lane);
            }
            MPI_Bcast(&expected, 1, MPI_INT64_T, 0, MPI_COMM_WORLD);
            differ += victim(here[layer].lane) != expected || (rank == 0 && x != alone);
            evicted += expected >= 0;
        }
    }
    unsigned long long all = differ;
    MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_UNSIGNED_LONG_LONG, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 0)
        std::printf("%zu ranks, %zu layers, %lld tokens, %zu evicted: %llu differ from one process\n", ranks, layers,
                    static_cast<long long>(tokens), evicted, all);
    return all == 0 && evicted > 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    MPI_Init(&argc, &argv);
    int rank = 0, ranks = 1;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    try {
        const int status =
            run(static_cast<std::size_t>(rank), static_cast<std::size_t>(ranks), argc > 1 ? std::atoll(argv[1]) : 500,
                argc > 2 ? static_cast<std::size_t>(std::atoll(argv[2])) : 64);
        MPI_Finalize();
        return status;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "tensor_parallel: %s\n", error.what());
        MPI_Abort(MPI_COMM_WORLD, 1);
        return 1;
    }
}
