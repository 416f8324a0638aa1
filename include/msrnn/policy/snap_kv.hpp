// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "../base/text.hpp"
#include "../config.hpp"
#include "policy.hpp"
#include "pooling.hpp"

namespace msrnn::inline MSRNN_ABI {

/// SnapKV: keeps what the last queries of a prompt look at, and their neighbours. A selector for State::prefill().
///
/// sum[slot] = sum over the last `window` tokens' queries of the prompt, or of the chunk that the choice ends, of the
/// mean over the lane's query heads of weight[head][slot]; with `group` maximum, the largest of the sums of the heads.
/// rating[slot] = sum pooled over the `kernel` neighbours in time, of the tokens before the window: their average
/// (beyond either end a neighbour counts as 0, divided by `kernel` all the same), or their maximum. The window itself
/// is protected, so the budget holds `budget - window` chosen tokens and the window. One lane for a KV head. Needs
/// weights, `window` rows of them; by head with `group` maximum. Cost: query_heads * slots additions a row; once for
/// the choice a sort by arrival and slots * kernel additions.
///
/// With `queries`, so many of the prompt's last queries count and not `window`, `unbounded` for all: with kernel 1
/// H2O for a prompt. With `normalised`, each query counts times the tokens before it, because the more it sees, the
/// smaller its weights: Finch, with kernel 1 and the question of the prompt as window.
///
/// Source: arXiv 2404.14469 and the authors' code; of its variants for grouped queries those that reduce the group,
/// then pool (AdaKV, KVCache-Factory). TACL 00716 and FinchPress of kvpress, for `normalised`. Deviations: one choice
/// per KV head, where the authors' cache keeps a copy of the rows for each query head; a prompt is kept whole up to the
/// budget, there only below it; keys keep the rotation of their true position, where Finch rotates them anew.
struct SnapKV {
    static constexpr const char* name = "snap-kv";
    static constexpr Needs needs = {.at_observe = Attention::bit};  ///< of the default; see needs_by_settings()
    /// See msrnn::Pooling.
    using Pooling = msrnn::Pooling;
    /// How query heads that share a KV head become one score.
    enum class Group : unsigned char { mean, maximum };
    friend constexpr const char* name_of(Group by) { return by == Group::maximum ? "maximum" : "mean"; }

    std::size_t window = 32;
    std::size_t kernel = 5;              ///< odd
    Pooling pooling = Pooling::average;  ///< over neighbours in the text
    Scope scope = Scope::kv_head;
    Group group = Group::mean;  ///< over query heads
    std::size_t queries = 0;    ///< 0: those of the window
    bool normalised = false;    ///< each query counts times the tokens before it

    template <class Tell>
    void settings(Tell tell) const {
        tell("window", window);
        tell("kernel", kernel);
        tell("pooling", pooling);
        tell("scope", scope);
        // Older snapshots have none of these.
        tell("group", group, Group::mean);
        tell("queries", queries, std::size_t{0});
        tell("normalised", normalised, false);
    }
    constexpr Protection protection(std::size_t) const { return {.sinks = 0, .recent = window}; }
    constexpr std::size_t observation_window() const { return queries != 0 ? queries : window; }
    constexpr Memory memory(const Shape& lane) const {
        return {.columns = group == Group::maximum ? lane.query_heads : 1, .floats = normalised ? 1u : 0u};
    }
    constexpr Needs needs_by_settings() const {
        return {.at_observe = group == Group::maximum ? Heads::bit : Attention::bit};
    }
    std::string problem() const {
        if (window == 0) return "window is 0; SnapKV chooses by at least one query";
        if (kernel % 2 == 1) return {};
        return "kernel is " + detail::text(kernel) +
               "; it must be odd, so that a token is the middle of its neighbours";
    }

    void observe(const Seen& seen, Ratings rating) const noexcept {
        const float keep = kept_share(rating);
        if (group == Group::mean) return seen.get<Attention>().mean_into(rating.column(0), keep);
        const Heads& heads = seen.get<Heads>();
        for (std::size_t head = 0; head < heads.query_heads; ++head)
            Attention{.weights = heads(head).data(), .query_heads = 1, .slots = heads.slots, .stride = heads.stride}
                .sum_into(rating.column(head), keep);
    }
    void rate(Ratings rating) const noexcept {
        const std::span<float> sum = rating.column(0);
        const std::span<const Slot> before = before_window(rating, window);
        if (group == Group::maximum)
            for (std::size_t head = 1; head < rating.shape.query_heads; ++head)
                for (const Slot slot : before) sum[slot] = (std::max)(sum[slot], rating.column(head)[slot]);
        pool(before, kernel, pooling, sum, [&](std::size_t slot, float x) { rating[slot] = x; });
    }

private:
    /// What is left of the sums when the next row is added: nothing of what was summed before the prompt; else all. Of
    /// rows that are normalised the sums are kept as a multiple of the newest row's number.
    float kept_share(const Ratings& rating) const noexcept {
        if (!normalised) return rating.rows == 1 ? 0 : 1;
        float before = -1;
        rating.each([&](std::size_t) { before += 1; });
        const float last = std::exchange(rating.floats[0], before);
        return rating.rows == 1 || before == 0 ? 0 : last / before;
    }
};

}  // namespace msrnn::inline MSRNN_ABI
