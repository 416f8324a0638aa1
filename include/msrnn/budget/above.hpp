// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "lanes.hpp"

namespace msrnn::inline MSRNN_ABI::budget {

/// A threshold in the place of a budget, as DMS has it: each lane keeps the tokens that rate at least so high.
///
/// budget = number of tokens that are protected, pinned, or rate `threshold` or more; at least 1, and
/// what the lane's protection wants of a budget. A rating that is NaN
/// is below. The size of a lane follows from what it holds and moves with every call. Scope: each lane by itself. Needs
/// lanes that have rated; works after a prompt and while decoding. Cost: one pass over the tokens.
/// Source: arXiv 2506.05345; kvpress 0.5.5, DMSPress over any scorer, where the window is Protection::recent. The
/// trained scores of the paper are a policy's affair. A recent window that is a share of the budget moves with it.
template <LaneRange Lanes>
void above(Lanes&& lanes, float threshold) {
    OwnVector<std::size_t> budgets(lanes.size());
    for (std::size_t i = 0; i < lanes.size(); ++i) {
        const auto& lane = lane_at(lanes, i);
        std::size_t stay = 0;
        for (const LaneToken token : lane.tokens()) stay += !lane.candidate(token.slot) || token.rating >= threshold;
        budgets[i] = fitting_budget(lane, stay);
    }
    set_budgets(lanes, budgets);
}

}  // namespace msrnn::inline MSRNN_ABI::budget
