// The protocol: consecutive windows, each read from an empty state; the second half of each is scored.
#pragma once

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>

#include "llama2c/decoder.hpp"

namespace compare {

using namespace llama2c;

/// A window of W is BOS and W - 1 tokens: W - 1 steps, of which those from W / 2 on are scored.
struct Windows {
    std::size_t window = 0, tokens = 0;

    std::size_t steps_each() const { return window - 1; }
    std::size_t first_scored() const { return window / 2; }
    std::size_t count() const { return tokens / steps_each(); }
    std::size_t steps() const { return count() * steps_each(); }
    std::size_t targets() const { return count() * (steps_each() - first_scored()); }
    std::size_t dropped() const { return tokens - steps(); }
};

struct Score {
    std::size_t targets = 0;
    double nll = 0;           // mean over the targets, in nats
    double microseconds = 0;  // of a decoder step, mean
    std::size_t state_bytes = 0;

    double perplexity() const { return std::exp(nll); }
};

inline double negative_log_likelihood(const Vector& logits, Token target) {
    const double top = logits.maxCoeff();
    double sum = 0;
    for (const float logit : logits) sum += std::exp(logit - top);
    return top + std::log(sum) - logits[static_cast<Eigen::Index>(target)];
}

/// What other threads may look at and touch while an evaluation runs.
struct Watch {
    std::atomic<std::size_t> steps_done = 0;
    const std::atomic<bool>& interrupted;
};

/// Nothing if it was interrupted. The state stores its rows as `Scalar`.
template <class Scalar = float>
std::optional<Score> evaluate(const Model& model, std::span<const Token> tokens, std::size_t window,
                              const msrnn::AnyPolicy& policy, std::size_t budget, Watch& watch) {
    using Clock = std::chrono::steady_clock;
    const Windows windows{.window = window, .tokens = tokens.size()};
    BasicDecoder<Scalar> decoder(model, budget, policy);
    double loss = 0;
    Clock::duration time{};
    for (std::size_t w = 0; w < windows.count(); ++w) {
        const auto text = tokens.subspan(w * windows.steps_each(), windows.steps_each());
        decoder.reset();
        Token input = begin_of_text;
        for (std::size_t position = 0; position < text.size(); ++position) {
            if (watch.interrupted) return std::nullopt;
            const auto start = Clock::now();
            const Vector& logits = decoder.step(input, position);
            time += Clock::now() - start;
            if (position >= windows.first_scored()) loss += negative_log_likelihood(logits, text[position]);
            input = text[position];
            ++watch.steps_done;
        }
    }
    const double microseconds = std::chrono::duration<double, std::micro>(time).count();
    return Score{.targets = windows.targets(),
                 .nll = loss / static_cast<double>(windows.targets()),
                 .microseconds = microseconds / static_cast<double>(windows.steps()),
                 .state_bytes = decoder.state().bytes()};
}

}  // namespace compare
