#include "evaluate.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <utility>
#include <vector>

#include "scalars.hpp"
#include "window_reader.hpp"

namespace compare {
namespace {

template <class Scalar>
Outcome evaluate_as(const Reading& reading, std::size_t threads, Watch& watch, Outcome known,
                    const std::function<void(const Outcome&)>& waiting) {
    known.losses.resize(reading.windows().count());
    std::vector<std::size_t> todo;
    for (std::size_t w = 0; w < known.losses.size(); ++w)
        if (known.losses[w].empty()) todo.push_back(w);

    Ledger ledger(std::move(known));
    std::atomic<std::size_t> next = 0;
    const auto read_windows = [&](WindowReader<Scalar>& reader) {
        WindowLosses losses;
        for (std::size_t i = next++; i < todo.size() && !watch.interrupted; i = next++) {
            if (!reader.read(todo[i], losses)) return;
            if (!losses.survival.empty()) ledger.enter(std::move(losses.survival));
            ledger.enter(todo[i], std::move(losses.nll), losses.bytes);
        }
    };
    std::vector<WindowReader<Scalar>> readers;
    readers.reserve(std::min({threads, todo.size(), most_threads}));
    while (readers.size() < std::min({threads, todo.size(), most_threads})) readers.emplace_back(reading, watch);
    std::vector<std::future<void>> work;
    for (auto& reader : readers) work.push_back(std::async(std::launch::async, [&] { read_windows(reader); }));
    for (auto& part : work) {
        while (part.wait_for(std::chrono::milliseconds(250)) != std::future_status::ready) ledger.look(waiting);
        part.get();
    }
    return std::move(ledger).result();
}

}  // namespace

Outcome evaluate(const Reading& reading, std::size_t threads, Watch& watch, Outcome known,
                 const std::function<void(const Outcome&)>& waiting, const std::string& scalar) {
    return with_scalar(scalar, [&]<class Scalar>(Scalar) {
        return evaluate_as<Scalar>(reading, threads, watch, std::move(known), waiting);
    });
}

}  // namespace compare
