// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <span>
#include <string>

#include "../base/text.hpp"
#include "../config.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// SnapKV: keeps what the last queries of a prompt look at, and their neighbours. A selector for State::prefill().
///
/// sum[slot] = sum over the last `window` tokens' queries of the prompt, or of the chunk that the choice ends, of the
/// mean over the lane's query heads of weight[head][slot]. rating[slot] = sum pooled over the `kernel` neighbours in
/// time, of the tokens before the window: their average (beyond either end a neighbour counts as 0, divided by `kernel`
/// all the same), or their maximum. The window itself is protected, so the budget holds `budget - window` chosen tokens
/// and the window. One lane for a KV head. Needs weights, `window` rows of them. Cost: query_heads * slots additions a
/// row; once for the choice a sort by arrival and slots * kernel additions. Source: arXiv 2404.14469 and the authors'
/// code; of its variants for grouped queries the one that takes the mean over the group, then pools (AdaKV).
/// Deviations: one choice per KV head, where the authors' cache keeps a copy of the rows for each query head; a prompt
/// is kept whole up to the budget, there only below it.
struct SnapKV {
    static constexpr const char* name = "snap-kv";
    enum class Pooling : unsigned char { average, maximum };
    friend constexpr const char* name_of(Pooling by) { return by == Pooling::maximum ? "maximum" : "average"; }

    std::size_t window = 32;
    std::size_t kernel = 5;  ///< odd
    Pooling pooling = Pooling::average;
    Scope scope = Scope::kv_head;

    template <class Tell>
    void settings(Tell tell) const {
        tell("window", window);
        tell("kernel", kernel);
        tell("pooling", pooling);
        tell("scope", scope);
    }
    constexpr Protection protection(std::size_t) const { return {.sinks = 0, .recent = window}; }
    constexpr std::size_t observation_window() const { return window; }
    constexpr Memory memory(const Shape&) const { return {.columns = 1, .floats = 0}; }
    std::string problem() const {
        if (window == 0) return "window is 0; SnapKV chooses by at least one query";
        if (kernel % 2 == 1) return {};
        return "kernel is " + detail::text(kernel) +
               "; it must be odd, so that a token is the middle of its neighbours";
    }

    void observe(const Attention& seen, Ratings rating) const noexcept {
        seen.mean_into(rating.column(0), rating.rows == 1 ? 0 : 1);
    }
    void rate(Ratings rating) const noexcept {
        const std::span<const float> sum = rating.column(0);
        const std::span<const Slot> before = before_window(rating);
        const std::size_t reach = kernel / 2;
        for (std::size_t i = 0; i < before.size(); ++i) {
            const std::size_t first = i < reach ? 0 : i - reach, end = (std::min)(i + reach + 1, before.size());
            float pooled = 0;
            for (std::size_t by = first; by < end; ++by)
                pooled = pooling == Pooling::maximum ? (std::max)(pooled, sum[before[by]]) : pooled + sum[before[by]];
            rating[before[i]] = pooling == Pooling::maximum ? pooled : pooled / static_cast<float>(kernel);
        }
    }

private:
    /// The live slots whose tokens arrived before the window, in the order of their arrival.
    std::span<const Slot> before_window(const Ratings& rating) const noexcept {
        const std::span<const Slot> all = rating.in_order();
        std::size_t count = all.size();
        while (count > 0 && rating.age(all[count - 1]) <= window) --count;
        return all.first(count);
    }
};

}  // namespace msrnn::inline MSRNN_ABI
