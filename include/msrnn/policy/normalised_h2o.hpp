// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <string>

#include "../config.hpp"
#include "../core/loops.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// H2O divided by the lifetime: how much attention a token gets from a query, on average over the queries it met.
///
/// row[slot] = sum over the lane's query heads of weight[head][slot]; the rows of the last `window` queries of a prompt
/// are added and count as one. pooled[slot] = the largest row of the token and the `max_pool` - 1 that arrived after
/// it. rating[slot] = sum of pooled[slot], divided by the queries the token was shown to. The first `sinks` and the
/// newest `recent` tokens are protected. One lane for a layer. Needs weights. Cost: query_heads * slots additions; with
/// max_pool > 1 a sort by arrival and slots * max_pool comparisons a token; a division per slot at a choice. Source:
/// CacheEvictionAlgorithm of openvino.genai with AggregationMode NORM_SUM. Deviation: evicts single tokens, there whole
/// blocks of 32 leave, when a block more is full.
struct NormalisedH2O {
    static constexpr const char* name = "normalised-h2o";

    std::size_t sinks = 32;
    std::size_t recent = half_of_budget;
    std::size_t max_pool = 7;  ///< 1: none
    std::size_t window = 8;    ///< queries of a prompt; `unbounded` for all
    Scope scope = Scope::layer;

    template <class Tell>
    void settings(Tell tell) const {
        tell("sinks", sinks);
        tell("recent", recent);
        tell("max_pool", max_pool);
        tell("window", window);
        tell("scope", name_of(scope));
    }
    constexpr Protection protection(std::size_t budget) const {
        return {.sinks = sinks, .recent = recent_slots(recent, budget)};
    }
    constexpr std::size_t observation_window() const { return window; }
    constexpr Memory memory(const Shape&) const { return {.columns = max_pool > 1 ? 3u : 2u, .floats = 0}; }
    std::string problem() const {
        if (window == 0) return "window is 0; NormalisedH2O rates by at least one query, so give 1 or more";
        return max_pool == 0 ? "max_pool is 0; a token is pooled with itself at least, so give 1 or more"
                             : std::string();
    }

    void observe(const Attention& seen, Ratings rating) const noexcept {
        const std::span<float> met = rating.column(1);
        rating.each([&](std::size_t slot) { met[slot] += 1; });
        if (max_pool == 1) return seen.sum_into(rating.column(0), 1);
        seen.sum_into(rating.column(2), rating.generated() == 0 && rating.rows > 1 ? 1 : 0);
        if (rating.seen >= rating.prompt) add_pooled(rating);
    }
    void rate(Ratings rating) const noexcept {
        const std::span<const float> sum = rating.column(0), met = rating.column(1);
        rating.each([&](std::size_t slot) { rating[slot] = met[slot] == 0 ? 0 : sum[slot] / met[slot]; });
    }

private:
    // In the order of arrival `block` tokens at a time, and as many more as a token looks ahead: those are compared in
    // packs, whatever is farther away one by one.
    static constexpr std::size_t block = 256, ahead = 32;
    void add_pooled(const Ratings& rating) const noexcept {
        const std::span<float> sum = rating.column(0);
        const std::span<const float> row = rating.column(2);
        const std::span<const Slot> order = rating.in_order();
        const std::size_t around = (std::min)(max_pool - 1, ahead);
        alignas(64) float shown[block + ahead], pooled[block];
        float *const in_order = shown, *const largest_of = pooled;
        for (std::size_t first = 0; first < order.size(); first += block) {
            const std::size_t left = order.size() - first, count = (std::min)(block, left);
            const std::size_t seen = (std::min)(count + around, left);
            for (std::size_t i = 0; i < seen; ++i) shown[i] = row[order[first + i]];
            std::fill(shown + seen, shown + count + around, -std::numeric_limits<float>::infinity());
            detail::each_float(count, [=](auto at) {
                auto largest = at(in_order);
                for (const float* after = in_order + 1; after <= in_order + around; ++after)
                    largest = largest < at(after) ? at(after) : largest;
                at.set(largest_of, largest);
            });
            for (std::size_t i = 0; i < count; ++i) {
                float largest = pooled[i];
                for (std::size_t after = around + 1; after < max_pool && after < left - i; ++after)
                    largest = (std::max)(largest, row[order[first + i + after]]);
                sum[order[first + i]] += largest;
            }
        }
    }
};

}  // namespace msrnn::inline MSRNN_ABI
