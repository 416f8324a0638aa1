// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>

#include "../base/text.hpp"
#include "../config.hpp"
#include "../core/loops.hpp"
#include "dot.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// LagKV: keeps the tokens whose keys and values spread widely, measured by the range of the tokens that follow.
///
/// Behind the first `sinks` tokens come blocks of `lag` tokens. For a token of block p, and rows X of keys or values:
/// y = (x - min) / (max - min) in each channel, min and max over block p + 1; d = standard deviation of y over the
/// channels (divisor head_dim - 1); share = exp(d) / sum of exp(d) over block p; then
///     score = key_weight * share of keys + value_weight * share of values
/// and rating = score, or its rank in the block / lag with `ranks` (0 for the lowest). The sinks, the last full block
/// and what is behind it have the rating 1. With less than two blocks the newest tokens stay: ratings rise with the
/// arrival.
///
/// The sinks are protected. One lane for a KV head. Needs keys and values at a choice, as wide as head_dim in the
/// lane's Limits. Cost of a choice: every row is read twice, about 6 * head_dim operations a slot, an exp and a sort.
///
/// The authors let memory grow: when two blocks are full, each but the last is thinned to `kept_per_lag` tokens and
/// left alone from then on. For that give kept_per_lag, both weights 1, an unbounded lane, and call, after each token:
///     base = sinks + lane.floats()[0]; blocks = (lane.size() - base) / lag;
///     if (blocks >= 2) { lane.set_budget(lane.size() - (blocks - 1) * (lag - kept_per_lag)); evict; set_budget(more);
///     }
///
/// Source: arXiv 2504.04704, LagKVPress of kvpress 0.5.5 (the defaults), the authors' code (kept_per_lag). Deviations:
/// a channel without a range counts as 0, there it is no number; of equal scores the earlier ranks lower.
struct LagKV {
    static constexpr const char* name = "lag-kv";
    static constexpr Scope scope = Scope::kv_head;

    std::size_t sinks = 4;
    std::size_t lag = 128;         ///< tokens of a block
    bool ranks = true;             ///< compares within a block only
    float key_weight = 0.5f;       ///< of the keys' score
    float value_weight = 0.5f;     ///< of the values' score
    std::size_t kept_per_lag = 0;  ///< over 0: blocks that were thinned to so many tokens are left alone

    template <class Tell>
    void settings(Tell tell) const {
        tell("sinks", sinks);
        tell("lag", lag);
        tell("ranks", ranks);
        tell("key_weight", key_weight);
        tell("value_weight", value_weight);
        tell("kept_per_lag", kept_per_lag);
    }
    constexpr Protection protection(std::size_t) const { return {.sinks = sinks, .recent = 0}; }
    constexpr Memory memory(const Shape& lane) const { return {.columns = 1, .floats = 1 + 2 * lane.head_dim}; }
    std::string problem() const {
        if (lag == 0) return "lag is 0; LagKV compares blocks of tokens, so give 1 or more";
        if (kept_per_lag > lag)
            return std::string("kept_per_lag is ")
                .append(detail::text(kept_per_lag))
                .append(" and lag ")
                .append(detail::text(lag))
                .append("; a block cannot keep more tokens than it has, so give fewer");
        if (kept_per_lag > 0 && !ranks)
            return "ranks is false and kept_per_lag is given; blocks are thinned alike by rank, so set ranks = true";
        return {};
    }

    void rate(const Keys& keys, const Values& values, Ratings rating) const {
        const std::span<const Slot> all = rating.in_order();
        float& settled = rating.floats[0];
        const std::size_t base = (std::min)(sinks + static_cast<std::size_t>(settled), all.size());
        const std::size_t behind = all.size() - base, blocks = behind / lag;
        for (std::size_t i = 0; i < all.size(); ++i)
            rating[all[i]] = i < base || blocks >= 2 ? 1 : static_cast<float>(i - base) / static_cast<float>(behind);
        for (std::size_t block = 0; block + 1 < blocks; ++block) {
            const std::span<const Slot> next = all.subspan(base + (block + 1) * lag, lag);
            const std::span<Slot> here(rating.order + base + block * lag, lag);
            for (const Slot slot : here) rating[slot] = 0;
            add_shares(keys, here, next, key_weight, rating);
            add_shares(values, here, next, value_weight, rating);
            if (ranks) rank(here, rating);
            settled += static_cast<float>(kept_per_lag);
        }
    }

private:
    void add_shares(const LaneRows& rows, std::span<const Slot> block, std::span<const Slot> next, float weight,
                    const Ratings& rating) const {
        const std::size_t width = rating.shape.head_dim;
        const std::span<float> low = rating.floats.subspan(1, width), high = rating.floats.subspan(1 + width, width);
        for (std::size_t i = 0; i < next.size(); ++i) {
            const std::span<const float> row = rows(next[i]);
            MSRNN_ASSERT(row.size() == width, "msrnn: LagKV reads keys and values that are head_dim wide");
            for (std::size_t c = 0; c < width; ++c) {
                low[c] = i == 0 ? row[c] : (std::min)(low[c], row[c]);
                high[c] = i == 0 ? row[c] : (std::max)(high[c], row[c]);
            }
        }
        for (std::size_t c = 0; c < width; ++c) high[c] = high[c] > low[c] ? 1 / (high[c] - low[c]) : 0;

        const std::span<float> spread = rating.column(0);
        float largest = 0, total = 0;
        for (const Slot slot : block) {
            spread[slot] = deviation(rows(slot), low, high);
            largest = (std::max)(largest, spread[slot]);
        }
        for (const Slot slot : block) total += spread[slot] = std::exp(spread[slot] - largest);
        for (const Slot slot : block) rating[slot] += weight * spread[slot] / total;
    }
    /// The standard deviation of (row - low) * factor over the channels.
    static float deviation(std::span<const float> row, std::span<const float> low, std::span<const float> factor) {
        const float *const x = row.data(), *const from = low.data(), *const by = factor.data();
        const auto y = [=](std::size_t c) { return (x[c] - from[c]) * by[c]; };
        const float mean = detail::sum_of(row.size(), y) / static_cast<float>(row.size());
        const float squares = detail::sum_of(row.size(), [=](std::size_t c) { return (y(c) - mean) * (y(c) - mean); });
        return row.size() < 2 ? 0 : std::sqrt(squares / static_cast<float>(row.size() - 1));
    }
    /// Sorts the block, which nothing reads after this in its order of arrival.
    void rank(std::span<Slot> block, const Ratings& rating) const {
        std::sort(block.begin(), block.end(), [&](Slot a, Slot b) {
            const float x = comparable(rating[a]), y = comparable(rating[b]);
            return x != y ? x < y : rating.arrival[a] < rating.arrival[b];
        });
        for (std::size_t i = 0; i < block.size(); ++i)
            rating[block[i]] = static_cast<float>(i) / static_cast<float>(lag);
    }
};

}  // namespace msrnn::inline MSRNN_ABI
