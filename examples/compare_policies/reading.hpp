// What is read, by which memories, and what may be seen of it meanwhile.
#pragma once

#include <atomic>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "llama/memory.hpp"
#include "llama/model.hpp"
#include "windows.hpp"

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
    std::atomic<std::size_t> work_done = 0;
    const std::atomic<bool>& interrupted;
};

/// Layer by layer where that can be, or each token through the whole model: the same within rounding, many times
/// slower.
enum class Way { by_layers, by_tokens };

struct Reading {
    const Model& model;
    std::span<const Token> tokens;
    std::optional<Token> begin = {};  // of every window: BOS
    std::size_t window = 0;
    std::vector<Memory> memories = {};
    std::size_t mapped_window = 0;  // the one whose survival times are kept
    Way way = Way::by_layers;
    std::size_t prompt = 0, chunk = msrnn::unbounded;  // of each window

    Windows windows() const {
        return {.window = window, .tokens = tokens.size(), .bos = begin.has_value(), .prompt = prompt};
    }
    /// Of a window: a unit is a token in a layer of a memory. The logits count as a layer.
    std::size_t work_each() const { return windows().steps_each() * memories.size() * (model.config.layers + 1); }

    /// A window from its first token, BOS maybe, to its last target.
    std::vector<Token> text(std::size_t w) const {
        std::vector<Token> text;
        if (begin) text.push_back(*begin);
        const auto part = tokens.subspan(w * windows().tokens_each(), windows().tokens_each());
        text.insert(text.end(), part.begin(), part.end());
        return text;
    }
};

}  // namespace compare
