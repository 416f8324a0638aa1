// The measuring: threads share out the windows, and all memories read a window side by side.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>
#include <span>
#include <utility>
#include <vector>

#include "outcome.hpp"
#include "reading.hpp"
#include "window_reader.hpp"

namespace compare {

inline constexpr std::size_t most_threads = 256;  // each has memories of its own

/// The states store their rows as `Scalar`. Goes on from `known`, reading the windows that it lacks. Each window is
/// computed alone and the losses are added in the order of the text, so neither threads nor interrupts change a result.
/// `waiting(outcome so far)` is called meanwhile, four times a second.
template <class Scalar = float, class Waiting>
Outcome evaluate(const Reading& reading, std::size_t threads, Watch& watch, Outcome known, Waiting waiting) {
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

}  // namespace compare
