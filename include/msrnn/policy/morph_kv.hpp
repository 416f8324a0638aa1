// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>

#include "../config.hpp"
#include "policy.hpp"
#include "pooling.hpp"

namespace msrnn::inline MSRNN_ABI {

/// MorphKV: each of the newest queries votes among the older tokens, and the votes are fused.
///
/// vote[query][slot] = softmax, over the tokens before the newest `window`, of the sum over the lane's query heads of
/// the logits of the query. rating[slot] = the largest vote of the newest `window` queries, or their sum. The newest
/// `window` tokens are protected. One lane for a KV head. Needs weights by head, but no logits: the logarithm of a
/// weight is the logit less a number of its row, which the softmax cancels; so a column keeps the product of the
/// weights over the heads, up to a factor of the row. Memory: `window` columns. Cost: a token, slots copies with one
/// query head, else query_heads * slots logarithms and slots exponentials; a choice, a sort by arrival and 2 * window *
/// slots multiply-adds. Source: arXiv 2503.00979, ghadiaravi13/MorphKV. Deviations: that code evicts before it attends
/// and here a choice ends a step, so its choice with C + 1 rows is the one before with C; with grouped queries its rows
/// and keys stop meaning the same tokens after a choice, here both follow the KV head.
/// Logarithms and exponentials are those of the C library: ratings may differ in the last bit from one to another.
struct MorphKV {
    static constexpr const char* name = "morph-kv";
    static constexpr Scope scope = Scope::kv_head;
    /// How the rows of the window become one rating.
    enum class Fusion : unsigned char { maximum, sum };
    friend constexpr const char* name_of(Fusion by) { return by == Fusion::maximum ? "maximum" : "sum"; }

    std::size_t window = 32;
    Fusion fusion = Fusion::maximum;  ///< how rows become a rating

    template <class Tell>
    void settings(Tell tell) const {
        tell("window", window);
        tell("fusion", fusion);
    }
    constexpr Protection protection(std::size_t) const { return {.sinks = 0, .recent = window}; }
    constexpr std::size_t observation_window() const { return window; }
    constexpr Memory memory(const Shape&) const { return {.columns = window, .floats = 0}; }
    std::string problem() const {
        return window == 0 ? "window is 0; MorphKV needs the vote of at least one query, so give 1 or more"
                           : std::string();
    }

    void observe(const Heads& seen, Ratings rating) const noexcept {
        const std::span<float> vote = rating.column(static_cast<std::size_t>(rating.seen) % window);
        if (seen.query_heads == 1) {
            rating.each([&](std::size_t slot) { vote[slot] = seen(0)[slot]; });
            return;
        }
        rating.each([&](std::size_t slot) { vote[slot] = 0; });
        for (std::size_t head = 0; head < seen.query_heads; ++head)
            rating.each([&, row = seen(head)](std::size_t slot) { vote[slot] += std::log(row[slot]); });
        // The factor of the row makes the largest vote of a token that can be a candidate 1.
        const bool some_are_older = rating.seen > window;
        float largest = lowest;
        rating.each([&](std::size_t slot) {
            if (!some_are_older || rating.age(slot) > window) largest = (std::max)(largest, vote[slot]);
        });
        if (largest == lowest) largest = 0;
        rating.each([&](std::size_t slot) { vote[slot] = std::exp((std::min)(vote[slot] - largest, most)); });
    }
    void rate(Ratings rating) const noexcept {
        const std::span<const Slot> candidates = before_window(rating, window);
        for (std::size_t row = 0; row < window; ++row) {
            const std::span<const float> vote = rating.column(row);
            float total = 0;
            for (const Slot slot : candidates) total += vote[slot];
            if (total == 0) continue;  // there were not so many queries yet
            for (const Slot slot : candidates) {
                const float share = vote[slot] / total;
                rating[slot] = fusion == Fusion::maximum ? (std::max)(rating[slot], share) : rating[slot] + share;
            }
        }
    }

private:
    static constexpr float lowest = -std::numeric_limits<float>::infinity();
    static constexpr float most = 60;  // e^60 is far from the largest float, so that totals are too
};

}  // namespace msrnn::inline MSRNN_ABI
