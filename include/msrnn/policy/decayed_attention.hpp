// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>

#include "../base/text.hpp"
#include "../config.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Accumulated attention that is forgotten at a steady rate: between `Tova` and `H2O`.
///
/// rating[slot] <- decay * rating[slot] + mean over the lane's query heads of weight[head][slot].
/// With `half_life`, a share of the budget, decay = 2^(-1 / (half_life * budget)): a weight counts half after so many
/// queries. A small budget then forgets soon and a large one late, as each needs; a fixed decay suits one budget.
/// (That power is of the C library: ratings may differ in the last bit from one to another.)
/// At decay 0 with recent 0 it decides exactly as `Tova` on the same lane. At decay 1 it decides exactly as `H2O`
/// where the number of query heads is a power of two; a division by another number may round two near ratings into
/// a tie. The newest `recent` tokens are protected, half the budget unless given: without a window an accumulating
/// rating never lets a newcomer in. Needs weights. Cost: query_heads * slots additions, slots multiply-adds, the scan.
/// Source: ours. The weighted sum, not the average (1 - decay) * weight, because the average at decay 1 is frozen.
struct DecayedAttention {
    static constexpr const char* name = "decayed";

    float decay = 0.9f;  ///< 0 to 1; not used where there is a half_life
    std::size_t recent = half_of_budget;
    Scope scope = Scope::kv_head;
    float half_life = 0;  ///< of the budget; 0: none

    template <class Tell>
    void settings(Tell tell) const {
        tell("decay", decay);
        tell("recent", recent);
        tell("scope", scope);
        tell("half_life", half_life, 0.0f);  // older snapshots have none
    }
    constexpr Protection protection(std::size_t budget) const {
        return {.sinks = 0, .recent = recent_slots(recent, budget)};
    }
    void observe(const Attention& seen, Ratings rating) const noexcept {
        seen.mean_into(rating.rating, decay_at(rating.budget));
    }
    /// What is left of a rating when the next query is seen.
    float decay_at(std::size_t budget) const noexcept {
        return half_life == 0 ? decay : std::exp2(-1 / (half_life * static_cast<float>(budget)));
    }
    std::string problem() const {
        if (!(half_life >= 0 && half_life <= most))
            return std::string("half_life is ")
                .append(detail::text(half_life))
                .append("; it must be a share of the budget, 0 or more, such as 0.25");
        if (decay >= 0 && decay <= 1) return {};
        return "decay is " + detail::text(decay) + "; it must lie between 0 and 1";
    }

private:
    static constexpr float most = (std::numeric_limits<float>::max)();
};

}  // namespace msrnn::inline MSRNN_ABI
