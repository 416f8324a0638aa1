// The protocol: consecutive windows, each read from an empty state; the second half of each is scored. All memories
// read a window side by side.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <future>
#include <numeric>
#include <span>
#include <vector>

#include "llama/decoder.hpp"
#include "survival.hpp"

namespace compare {

using namespace llama;

/// A window of W is BOS and W - 1 tokens: W - 1 steps, of which those from W / 2 on are scored.
struct Windows {
    std::size_t window = 0, tokens = 0;

    std::size_t steps_each() const { return window - 1; }
    std::size_t first_scored() const { return window / 2; }
    std::size_t targets_each() const { return steps_each() - first_scored(); }
    std::size_t count() const { return tokens / steps_each(); }
    std::size_t steps() const { return count() * steps_each(); }
    std::size_t targets() const { return count() * targets_each(); }
    std::size_t dropped() const { return tokens - steps(); }
};

inline double mean_of(const std::vector<double>& numbers) {
    return std::accumulate(numbers.begin(), numbers.end(), 0.0) / static_cast<double>(numbers.size());
}

/// Of a mean, from the spread of what it is the mean of; 0 where there is but one.
inline double standard_error(const std::vector<double>& numbers) {
    if (numbers.size() < 2) return 0;
    const double mean = mean_of(numbers), count = static_cast<double>(numbers.size());
    double squares = 0;
    for (const double number : numbers) squares += (number - mean) * (number - mean);
    return std::sqrt(squares / (count - 1) / count);
}

struct Score {
    std::size_t targets = 0;
    std::vector<double> window_nll = {};  // mean over the targets of each window, in nats
    double microseconds = 0;              // that a token took in the state: attention and eviction in all layers
    std::size_t state_bytes = 0;

    double nll() const { return mean_of(window_nll); }
    double nll_error() const { return standard_error(window_nll); }
    double perplexity() const { return std::exp(nll()); }

    /// Of the difference to another score over the same windows, which share what makes a window hard.
    double error_against(const Score& other) const {
        std::vector<double> differences(window_nll);
        for (std::size_t i = 0; i < differences.size(); ++i) differences[i] -= other.window_nll[i];
        return standard_error(differences);
    }

    /// By how many percent the perplexity lies above another, and the error of that.
    double percent_above(const Score& other) const { return 100 * (ratio_to(other) - 1); }
    double percent_error(const Score& other) const { return 100 * ratio_to(other) * error_against(other); }

    double ratio_to(const Score& other) const { return perplexity() / other.perplexity(); }
};

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
    Token begin = 0;  // of every window: BOS
    std::size_t window = 0;
    std::vector<Memory> memories = {};
    std::size_t mapped_window = 0;  // the one whose survival times are kept

    Windows windows() const { return {.window = window, .tokens = tokens.size()}; }
    std::span<const Token> text(std::size_t w) const {
        const std::size_t steps = windows().steps_each();
        return tokens.subspan(w * steps, steps);
    }
};

/// One score and one map for each memory. Scores are empty where not a single window was finished.
struct Outcome {
    std::vector<Score> scores;
    std::vector<Survival> survival;
};

inline constexpr std::size_t most_threads = 256;  // each has memories of its own

namespace detail {

/// One thread's part: it takes windows as long as there are any.
template <class Scalar>
class Reader {
public:
    Reader(const Reading& reading, Watch& watch, std::vector<std::vector<double>>& losses, Outcome& outcome)
        : reading_(reading),
          watch_(watch),
          losses_(losses),
          outcome_(outcome),
          decoder_(reading.model, reading.memories) {}

    void read_windows(std::atomic<std::size_t>& next) {
        for (std::size_t w = next++; w < losses_.size() && !watch_.interrupted; w = next++) read_window(w);
    }

    double seconds(std::size_t memory) const { return decoder_.seconds(memory); }
    std::size_t steps() const { return steps_; }
    std::size_t bytes(std::size_t memory) const { return decoder_.state(memory).bytes(); }

private:
    void read_window(std::size_t w) {
        const auto text = reading_.text(w);
        const std::size_t first_scored = reading_.windows().first_scored();
        std::vector<double> loss(decoder_.memories(), 0);
        decoder_.reset();
        for (std::size_t position = 0; position < text.size(); ++position) {
            if (watch_.interrupted) return abandon(w);
            decoder_.read(position == 0 ? reading_.begin : text[position - 1], position);
            if (w == reading_.mapped_window)
                for (std::size_t m = 0; m < loss.size(); ++m) outcome_.survival[m].watch(decoder_.state(m), position);
            if (position >= first_scored) {
                const Columns& logits = decoder_.logits();
                for (std::size_t m = 0; m < loss.size(); ++m)
                    loss[m] += negative_log_likelihood(logits.col(static_cast<Eigen::Index>(m)), text[position]);
            }
            ++steps_;
            ++watch_.steps_done;
        }
        for (double& sum : loss) sum /= static_cast<double>(reading_.windows().targets_each());
        losses_[w] = std::move(loss);
    }

    /// Half a window says little of what survives one.
    void abandon(std::size_t w) {
        if (w == reading_.mapped_window) std::fill(outcome_.survival.begin(), outcome_.survival.end(), Survival());
    }

    const Reading& reading_;
    Watch& watch_;
    std::vector<std::vector<double>>& losses_;
    Outcome& outcome_;
    BasicDecoder<Scalar> decoder_;
    std::size_t steps_ = 0;
};

}  // namespace detail

/// The states store their rows as `Scalar`. Windows are shared out among the threads; each is computed alone and the
/// losses are added in the order of the text, so threads change no result. `waiting()` is called meanwhile, every now
/// and then. After an interrupt the scores are those of the windows finished until then, the same for every memory.
template <class Scalar = float, class Waiting>
Outcome evaluate(const Reading& reading, std::size_t threads, Watch& watch, Waiting waiting) {
    const Windows windows = reading.windows();
    std::vector<std::vector<double>> losses(windows.count());  // [window][memory]
    Outcome outcome;
    outcome.survival.assign(reading.memories.size(), Survival(windows.steps_each()));

    std::atomic<std::size_t> next = 0;
    std::vector<detail::Reader<Scalar>> readers;
    for (std::size_t i = 0; i < std::min({threads, windows.count(), most_threads}); ++i)
        readers.emplace_back(reading, watch, losses, outcome);
    std::vector<std::future<void>> work;
    for (auto& reader : readers) work.push_back(std::async(std::launch::async, [&] { reader.read_windows(next); }));
    for (auto& part : work) {
        while (part.wait_for(std::chrono::milliseconds(200)) != std::future_status::ready) waiting();
        part.get();
    }

    std::erase_if(losses, [](const auto& window) { return window.empty(); });
    for (std::size_t m = 0; m < reading.memories.size() && !losses.empty(); ++m) {
        Score& score = outcome.scores.emplace_back();
        score.targets = losses.size() * windows.targets_each();
        for (const auto& window : losses) score.window_nll.push_back(window[m]);
        double seconds = 0, steps = 0;
        for (const auto& reader : readers) {
            seconds += reader.seconds(m);
            steps += static_cast<double>(reader.steps());
        }
        score.microseconds = 1e6 * seconds / steps;
        score.state_bytes = readers.front().bytes(m);
    }
    return outcome;
}

}  // namespace compare
