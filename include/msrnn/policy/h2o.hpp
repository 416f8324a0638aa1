// SPDX-License-Identifier: MIT
#pragma once

#include "../config.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Heavy-Hitter Oracle: keeps the tokens that got the most attention so far, and a recent window.
///
/// rating[slot] = sum of weight[head][slot] over all steps since the token came and over the lane's query heads.
/// The newest `recent` tokens are protected, half the budget unless given. One lane for a KV head. Needs weights.
/// Cost: query_heads * slots additions, and the scan.
/// Source: arXiv 2306.14048, and the authors' `utils_real_drop` (drops rows for real, one decision per head).
/// Deviations: sums are float, where that code keeps half precision; it knows no grouped queries, here a group is
/// summed (the mean ranks alike). Early tokens are seen by more queries and so seldom leave: published behaviour.
struct H2O {
    static constexpr const char* name = "h2o";
    static constexpr Scope scope = Scope::kv_head;

    std::size_t recent = half_of_budget;

    template <class Tell>
    void settings(Tell tell) const {
        tell("recent", recent);
    }
    constexpr Protection protection(std::size_t budget) const {
        return {.sinks = 0, .recent = recent_slots(recent, budget)};
    }
    void observe(const Attention& seen, Ratings rating) const noexcept { seen.sum_into(rating.rating, 1); }
};

}  // namespace msrnn::inline MSRNN_ABI
