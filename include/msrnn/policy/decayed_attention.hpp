// SPDX-License-Identifier: MIT
#pragma once

#include "../base/text.hpp"
#include "../config.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Accumulated attention that is forgotten at a steady rate: between `Tova` and `H2O`.
///
/// rating[slot] <- decay * rating[slot] + mean over the lane's query heads of weight[head][slot].
/// At decay 0 with recent 0 it decides exactly as `Tova` on the same lane. At decay 1 it decides exactly as `H2O`
/// where the number of query heads is a power of two; a division by another number may round two near ratings into
/// a tie. The newest `recent` tokens are protected, half the budget unless given: without a window an accumulating
/// rating never lets a newcomer in. Needs weights. Cost: query_heads * slots additions, slots multiply-adds, the scan.
/// Source: ours. The weighted sum, not the average (1 - decay) * weight, because the average at decay 1 is frozen.
struct DecayedAttention {
    static constexpr const char* name = "decayed";

    float decay = 0.9f;  ///< 0 to 1
    std::size_t recent = half_of_budget;
    Scope scope = Scope::kv_head;

    template <class Tell>
    void settings(Tell tell) const {
        tell("decay", decay);
        tell("recent", recent);
        tell("scope", scope);
    }
    constexpr Protection protection(std::size_t budget) const {
        return {.sinks = 0, .recent = recent_slots(recent, budget)};
    }
    void observe(const Attention& seen, Ratings rating) const noexcept { seen.mean_into(rating.rating, decay); }
    std::string problem() const {
        if (decay >= 0 && decay <= 1) return {};
        return "decay is " + detail::text(decay) + "; it must lie between 0 and 1";
    }
};

}  // namespace msrnn::inline MSRNN_ABI
