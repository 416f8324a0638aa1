// The measuring: threads share out the windows, and all memories read a window side by side.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <future>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "llama/decoder.hpp"
#include "outcome.hpp"

namespace compare {

using namespace llama;

template <class Logits>
double negative_log_likelihood(const Logits& logits, Token target) {
    const float top = logits.maxCoeff();
    const double sum = (logits.array() - top).exp().template cast<double>().sum();
    return static_cast<double>(top) + std::log(sum) - static_cast<double>(logits[static_cast<Eigen::Index>(target)]);
}

/// What other threads may look at and touch while an evaluation runs.
struct Watch {
    std::atomic<std::size_t> steps_done = 0;
    const std::atomic<bool>& interrupted;
};

/// What is read, by which memories.
struct Reading {
    const Model& model;
    std::span<const Token> tokens;
    std::optional<Token> begin = {};  // of every window: BOS
    std::size_t window = 0;
    std::vector<Memory> memories = {};
    std::size_t mapped_window = 0;  // the one whose survival times are kept

    Windows windows() const { return {.window = window, .tokens = tokens.size(), .bos = begin.has_value()}; }

    /// A window from its first token, BOS maybe, to its last target.
    std::vector<Token> text(std::size_t w) const {
        std::vector<Token> text;
        if (begin) text.push_back(*begin);
        const auto part = tokens.subspan(w * windows().tokens_each(), windows().tokens_each());
        text.insert(text.end(), part.begin(), part.end());
        return text;
    }
};

inline constexpr std::size_t most_threads = 256;  // each has memories of its own

namespace detail {

/// One thread's part: it takes windows as long as there are any.
template <class Scalar>
class Reader {
public:
    Reader(const Reading& reading, Watch& watch, Ledger& ledger)
        : reading_(reading), watch_(watch), ledger_(ledger), decoder_(reading.model, reading.memories) {}

    void read_windows(std::span<const std::size_t> todo, std::atomic<std::size_t>& next) {
        for (std::size_t i = next++; i < todo.size() && !watch_.interrupted; i = next++) read_window(todo[i]);
    }

private:
    void read_window(std::size_t w) {
        const std::vector<Token> text = reading_.text(w);
        const Windows windows = reading_.windows();
        std::vector<double> loss(decoder_.memories(), 0);
        std::vector<Survival> survival;
        if (w == reading_.mapped_window) survival.assign(decoder_.memories(), Survival(windows.steps_each()));
        decoder_.reset();
        for (std::size_t position = 0; position < windows.steps_each(); ++position) {
            if (watch_.interrupted) return;
            decoder_.read(text[position], static_cast<std::int64_t>(position));
            for (std::size_t m = 0; m < survival.size(); ++m) survival[m].watch(decoder_.state(m), position);
            if (position >= windows.first_scored()) {
                const Columns& logits = decoder_.logits();
                for (std::size_t m = 0; m < loss.size(); ++m)
                    loss[m] += negative_log_likelihood(logits.col(static_cast<Eigen::Index>(m)), text[position + 1]);
            }
            ++watch_.steps_done;
        }
        for (double& sum : loss) sum /= static_cast<double>(windows.targets_each());
        if (!survival.empty()) ledger_.enter(std::move(survival));
        ledger_.enter(w, std::move(loss), bytes());
    }

    std::vector<std::size_t> bytes() const {
        std::vector<std::size_t> bytes;
        for (std::size_t m = 0; m < decoder_.memories(); ++m) bytes.push_back(decoder_.state(m).bytes());
        return bytes;
    }

    const Reading& reading_;
    Watch& watch_;
    Ledger& ledger_;
    BasicDecoder<Scalar> decoder_;
};

}  // namespace detail

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
    std::vector<detail::Reader<Scalar>> readers;
    readers.reserve(std::min({threads, todo.size(), most_threads}));
    while (readers.size() < std::min({threads, todo.size(), most_threads}))
        readers.emplace_back(reading, watch, ledger);
    std::vector<std::future<void>> work;
    for (auto& reader : readers)
        work.push_back(std::async(std::launch::async, [&] { reader.read_windows(todo, next); }));
    for (auto& part : work) {
        while (part.wait_for(std::chrono::milliseconds(250)) != std::future_status::ready) ledger.look(waiting);
        part.get();
    }
    return std::move(ledger).result();
}

}  // namespace compare
