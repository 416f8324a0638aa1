// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>

#include "../base/own_vector.hpp"
#include "../base/refuse.hpp"
#include "../base/text.hpp"
#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI::budget {

/// LU-KV: budgets from a curve that was measured for the model.
///
///     State<SnapKV> state(shape, budget::Curve(numbers, 32, 8, /* share to evict */ 0.5, /* tokens */ 4096), snap_kv);
///
/// curve[r][layer][kv_head], r from 0 to 98, is the share of its tokens that a head gives up where the model gives up
/// r + 1 percent. With r = round(100 * share) - 1, cut to 0 .. 98, a head is due (1 - curve[r][layer][head]) * tokens
/// slots, cut to 0 .. tokens. Each head of a layer gets these rounded down; what is missing in their sum, rounded
/// halves to even, goes one each to the largest fractions, of equals the first head. At least 1, at most `tokens`. For
/// a State: call it with (layer, kv_head) for a budget. Scope: each KV head. Needs the length of the prompt, no tokens;
/// the numbers are read at once.
/// Throws std::invalid_argument where their count is wrong. Source: arXiv 2602.08585; kvpress 0.5.5, LUKVPress.
/// Deviation: kvpress protects 4 sinks and the newest token; here that is the policy's protection, and the file of the
/// curve is for the caller to read.
class Curve {
public:
    /// Numbers: [99][layers][kv_heads]; `share` of `tokens` is evicted.
    Curve(std::span<const float> numbers, std::size_t layers, std::size_t kv_heads, double share, std::size_t tokens)
        : layers_(layers), kv_heads_(kv_heads), budgets_(layers * kv_heads, tokens) {
        if (layers == 0 || kv_heads == 0 || numbers.size() / layers / kv_heads < points ||
            numbers.size() % (layers * kv_heads) != 0)
            detail::refuse("msrnn: a budget curve has " + detail::text(numbers.size()) + " numbers; give [99][" +
                           detail::text(layers) + " layers][" + detail::text(kv_heads) + " KV heads]");
        if (!(share >= 0 && share <= 1))
            detail::refuse("msrnn: share is " + detail::text(static_cast<float>(share)) +
                           "; it is the part of the tokens that the model evicts, from 0 to 1");
        if (share == 0) return;
        const double point = std::clamp(std::nearbyint(100 * share) - 1, 0.0, points - 1.0);
        const std::span<const float> here =
            numbers.subspan(static_cast<std::size_t>(point) * budgets_.size(), budgets_.size());
        for (std::size_t layer = 0; layer < layers; ++layer)
            share_out(here.subspan(layer * kv_heads, kv_heads), std::span(budgets_).subspan(layer * kv_heads, kv_heads),
                      tokens);
    }
    /// The budget of this head.
    std::size_t operator()(std::size_t layer, std::size_t kv_head) const {
        if (layer >= layers_ || kv_head >= kv_heads_)
            detail::refuse("msrnn: layer " + detail::text(layer) + ", KV head " + detail::text(kv_head) +
                           " is not in the budget curve of " + detail::text(layers_) + " layers and " +
                           detail::text(kv_heads_) + " heads; give the curve of this model");
        return budgets_[layer * kv_heads_ + kv_head];
    }

private:
    static constexpr std::size_t points = 99;

    /// The heads of a layer.
    static void share_out(std::span<const float> evicted, std::span<std::size_t> budgets, std::size_t tokens) {
        OwnVector<float> fraction;
        OwnVector<std::size_t> heads;
        float sum = 0;
        std::size_t given = 0;
        for (std::size_t head = 0; head < budgets.size(); ++head) {
            const float gives_up = evicted[head] > 0 ? (std::min)(evicted[head], 1.0f) : 0;  // of NaN too
            const float due = (1 - gives_up) * static_cast<float>(tokens);
            budgets[head] = static_cast<std::size_t>(due);
            fraction.push_back(due - std::floor(due));
            heads.push_back(head);
            sum += due;
            given += budgets[head];
        }
        std::sort(heads.begin(), heads.end(), [&](std::size_t a, std::size_t b) {
            return fraction[a] != fraction[b] ? fraction[a] > fraction[b] : a < b;
        });
        const std::size_t total = (std::max)(budgets.size(), static_cast<std::size_t>(std::nearbyint(sum)));
        for (std::size_t i = 0; i < heads.size() && given < total; ++i, ++given) ++budgets[heads[i]];
        for (std::size_t& budget : budgets)
            budget = std::clamp<std::size_t>(budget, 1, (std::max<std::size_t>)(1, tokens));
    }

    std::size_t layers_, kv_heads_;
    OwnVector<std::size_t> budgets_;
};

}  // namespace msrnn::inline MSRNN_ABI::budget
