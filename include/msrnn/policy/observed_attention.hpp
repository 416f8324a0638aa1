// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "../config.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Accumulated attention for each query that could see the token: old tokens have no advantage.
///
/// rating[slot] = sum over queries of the mean over the lane's query heads of weight[head][slot], divided by the tokens
/// since the token arrived, itself included. The first `sinks` and the newest `recent` tokens are protected, none
/// unless given. One lane for a KV head. Needs weights. Cost: query_heads * slots additions; a division per slot at a
/// choice, and the scan. Source: ObservedAttentionPress of kvpress 0.5.5. Deviation: there a prompt is rated once; here
/// generated tokens go on adding, and a newcomer's first weight, of itself, is its whole mean.
struct ObservedAttention {
    static constexpr const char* name = "observed-attention";
    static constexpr Scope scope = Scope::kv_head;

    std::size_t recent = 0;
    std::size_t sinks = 0;

    template <class Tell>
    void settings(Tell tell) const {
        tell("recent", recent);
        tell("sinks", sinks);
    }
    constexpr Protection protection(std::size_t) const { return {.sinks = sinks, .recent = recent}; }
    constexpr Memory memory(const Shape&) const { return {.columns = 1, .floats = 0}; }

    void observe(const Attention& seen, Ratings rating) const noexcept { seen.mean_into(rating.column(0), 1); }
    void rate(Ratings rating) const noexcept {
        const std::span<const float> sum = rating.column(0);
        rating.each([&](std::size_t slot) { rating[slot] = sum[slot] / static_cast<float>(rating.age(slot)); });
    }
};

}  // namespace msrnn::inline MSRNN_ABI
