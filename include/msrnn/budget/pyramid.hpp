// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

#include "../base/text.hpp"
#include "../config.hpp"
#include "settings.hpp"

namespace msrnn::inline MSRNN_ABI::budget {

/// PyramidKV as kvpress computes it: early layers keep more tokens than late ones.
///
///     State<H2O> state(shape, budget::Pyramid{.tokens = 4096, .mean = 2048, .window = 64, .layers = 32});
///
/// least = mean / beta, most = 2 * mean - least; where most >= tokens - window, most = tokens - window and least = 2 *
/// mean - most. Layer l keeps round(most - l * (most - least) / (layers - 1)), halves to even, the window included. If
/// not tokens >= most >= least >= window, the pyramid is not feasible(): then each layer keeps round(mean), at least 1.
/// A callable (layer, kv_head) -> budget for a State, or for Lane::set_budget(). Scope: all heads of a layer have the
/// same budget. Needs the length of the prompt, no tokens. Throws std::invalid_argument where problem() says why.
/// Source: arXiv 2406.02069; kvpress 0.5.5, PyramidKVPress.
struct Pyramid {
    std::size_t tokens = 0;   ///< of the prompt
    double mean = 0;          ///< tokens that a layer keeps on average: kvpress has tokens * (1 - compression_ratio)
    std::size_t window = 64;  ///< newest tokens, which every layer keeps
    double beta = 20;         ///< the last layer keeps mean / beta; higher is steeper
    std::size_t layers = 0;

    /// Whether there is a pyramid; else all layers are alike.
    bool feasible() const {
        const Ends ends = ends_of();
        return static_cast<double>(tokens) >= ends.most && ends.most >= ends.least &&
               ends.least >= static_cast<double>(window);
    }
    /// The budget of this layer.
    std::size_t operator()(std::size_t layer, std::size_t /* kv_head */ = 0) const {
        refuse_settings(*this);
        if (!feasible()) return (std::max<std::size_t>)(1, static_cast<std::size_t>(std::nearbyint(mean)));
        const Ends ends = ends_of();
        const double step = layers > 1 ? (ends.most - ends.least) / static_cast<double>(layers - 1) : 0;
        return static_cast<std::size_t>(std::nearbyint(ends.most - static_cast<double>(layer) * step));
    }
    std::string problem() const {
        if (layers == 0) return "layers is 0; give the number of layers of the model";
        if (!(mean >= 0))
            return "mean is " + detail::text(static_cast<float>(mean)) +
                   "; give the tokens that a layer keeps on average";
        if (!(beta >= 1))
            return "beta is " + detail::text(static_cast<float>(beta)) +
                   "; give at least 1: the last layer keeps mean / beta tokens";
        return {};
    }

private:
    struct Ends {
        double most, least;
    };
    Ends ends_of() const {
        const double before_window = static_cast<double>(tokens) - static_cast<double>(window);
        const double least = mean / beta, most = 2 * mean - least;
        if (most >= before_window) return {before_window, 2 * mean - before_window};
        return {most, least};
    }
};

/// PyramidKV as KVCache-Factory computes it: in whole numbers.
///
/// b = capacity - window, least = b / beta, most = 2 * b - least, all divisions rounded down; where most >= tokens -
/// window, most = tokens - window and least = 2 * b - most. Layer l keeps most - l * ((most - least) / (layers - 1)) +
/// window. Of fewer than `capacity` tokens all stay, of fewer than 2 * b each layer keeps `capacity`: there the pyramid
/// is ignored. The step is rounded down, so the layers keep more than layers * capacity together: 4.6 % more at
/// capacity 128 and 32 layers. Source: KVCache-Factory, PyramidKVCluster.
struct PyramidInWholeNumbers {
    std::size_t tokens = 0;    ///< of the prompt
    std::size_t capacity = 0;  ///< that a layer keeps on average, the window included
    std::size_t window = 8;    ///< newest tokens, which every layer keeps
    std::size_t beta = 20;     ///< steepness: the last layer keeps 1 / beta of the mean
    std::size_t layers = 0;

    /// The budget of this layer.
    std::size_t operator()(std::size_t layer, std::size_t /* kv_head */ = 0) const {
        refuse_settings(*this);
        const std::size_t b = capacity - window;
        if (tokens < capacity) return tokens;
        if (tokens < 2 * b) return capacity;
        const std::size_t steepest = 2 * b - b / beta;
        const std::size_t most = (std::min)(steepest, tokens - window), least = 2 * b - most;
        const std::size_t step = layers > 1 ? (most - least) / (layers - 1) : 0;
        return most - layer * step + window;
    }
    std::string problem() const {
        if (layers == 0) return "layers is 0; give the number of layers of the model";
        if (capacity <= window)
            return "capacity " + detail::text(capacity) + " does not exceed the window of " + detail::text(window) +
                   " tokens; give a larger capacity";
        if (beta == 0) return "beta is 0; give at least 1";
        return {};
    }
};

}  // namespace msrnn::inline MSRNN_ABI::budget
