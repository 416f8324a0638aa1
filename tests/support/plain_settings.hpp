// Attention with every setting, by plain loops in double, over rows as they are read back.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <msrnn/attention/settings.hpp>
#include <span>
#include <vector>

#include "close.hpp"
#include "plain_attention.hpp"
#include "random.hpp"

/// Of query head `head` over n rows: keys [n][head_dim], values [n][value_dim]; sees(row) says which.
template <class Sees>
PlainAttention plain_attention(const msrnn::AttentionSettings& settings, std::size_t head, const float* query,
                               std::size_t n, std::span<const float> keys, std::span<const float> values, Sees sees) {
    const std::size_t width = settings.value_width();
    PlainAttention seen{std::vector<double>(n), std::vector<double>(width)};
    std::vector<double> logits(n);
    double top = -std::numeric_limits<double>::infinity(), sum = 0;
    for (std::size_t r = 0; r < n; ++r) {
        if (!sees(r)) continue;
        double logit = 0;
        for (std::size_t d = 0; d < settings.head_dim; ++d)
            logit += static_cast<double>(query[d]) * static_cast<double>(keys[r * settings.head_dim + d]);
        logit *= static_cast<double>(settings.scale);
        const auto cap = static_cast<double>(settings.soft_cap);
        logits[r] = cap != 0 ? cap * std::tanh(logit / cap) : logit;
        top = std::max(top, logits[r]);
    }
    if (settings.sinks != nullptr) {
        const auto sink = static_cast<double>(settings.sinks[head]);
        top = std::max(top, sink);
        sum = std::exp(sink - top);
    }
    for (std::size_t r = 0; r < n; ++r)
        if (sees(r)) sum += seen.weights[r] = std::exp(logits[r] - top);
    for (std::size_t r = 0; r < n; ++r) {
        if (!sees(r)) continue;
        seen.weights[r] /= sum;
        for (std::size_t d = 0; d < width; ++d)
            seen.out[d] += seen.weights[r] * static_cast<double>(values[r * width + d]);
    }
    return seen;
}

/// Widths of keys and values.
struct Widths {
    std::size_t key, value;
};
inline constexpr Widths every_width[] = {{64, 64}, {24, 16},  {576, 512}, {5, 7},
                                         {1, 3},   {128, 80}, {17, 129},  {48, 48}};

/// Settings by turns: each of the features, and all of them together. `sinks` is filled.
inline msrnn::AttentionSettings settings_by_turns(std::size_t turn, std::size_t group, Widths widths, Random& random,
                                                  std::vector<float>& sinks) {
    sinks.resize(group);
    for (float& sink : sinks) sink = 6 * random.unit() - 3;
    const bool everything = turn % 5 == 4;
    return {.query_heads = group,
            .head_dim = widths.key,
            .value_dim = widths.value == widths.key ? 0 : widths.value,
            .scale = 1.5f / std::sqrt(static_cast<float>(widths.key)),
            .soft_cap = everything || turn % 5 == 1 ? (turn % 2 == 0 ? 2.5f : 50.0f) : 0,
            .sinks = everything || turn % 5 == 2 ? sinks.data() : nullptr};
}
