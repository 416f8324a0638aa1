// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "../base/own_vector.hpp"
#include "../base/refuse.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "../core/protection.hpp"
#include "lanes.hpp"
#include "rated.hpp"

namespace msrnn::inline MSRNN_ABI::budget {

/// A limit on the attention that is lost, in the place of a number of tokens: lanes grow and shrink by themselves.
///
///     State<Metered<H2O>> state(shape, {.budget = 64, .slack = 1});      // and for every token, after its last layer:
///     state.share_out([](auto lanes) { budget::budget_for_loss(lanes, /* limit */ 0.01); });
///
/// From each lane the weakest candidates are evicted, one after the other, while the sum of their mass stays below
/// `limit`; the first that would reach it ends the choice, and the lane's budget is what is left, or what protection
/// wants. So no call loses `limit` or more of the newest query's attention, as Metered measures it. With a budget
/// `most` a lane does not grow beyond that, whatever it loses. Scope: each lane by itself. Needs lanes of a Metered
/// policy that have rated, slack, and the policy to have observed the newest token. Cost: a sort of the candidates.
/// Source: ours; OpenVINO's ADAPTIVE_RKV keeps a share of the mass in the same spirit.
template <LaneRange Lanes>
void budget_for_loss(Lanes&& lanes, double limit, std::size_t most = unbounded) {
    constexpr std::size_t mass_column = 0;
    if (!(limit >= 0))
        detail::refuse("msrnn: limit is " + detail::text(static_cast<float>(limit)) +
                       "; it is the share of the attention that a choice may lose, at least 0");
    OwnVector<std::size_t> budgets(lanes.size());
    OwnVector<OwnVector<Slot>> victims(lanes.size());
    for (std::size_t i = 0; i < lanes.size(); ++i) {
        const auto& lane = lane_at(lanes, i);
        MSRNN_ASSERT(lane.facts().memory.columns > mass_column, "msrnn: the policy of this lane is not Metered");
        const std::span<const float> mass = lane.column(mass_column);
        OwnVector<Rated> tokens = rated_tokens(lane, i, lane.budget());
        std::sort(tokens.begin(), tokens.end());
        double lost = 0;
        std::size_t left = tokens.size();
        for (; left > 0 && !tokens[left - 1].held; --left) {
            lost += static_cast<double>(mass[tokens[left - 1].slot]);
            if (!(lost < limit) && left <= most) break;
        }
        budgets[i] = fitting_budget(lane, left);
        for (std::size_t t = (std::min)(budgets[i], tokens.size()); t < tokens.size(); ++t)
            victims[i].push_back(tokens[t].slot);
        std::reverse(victims[i].begin(), victims[i].end());
    }
    set_budgets(lanes, budgets);
    for (std::size_t i = 0; i < lanes.size(); ++i) lane_at(lanes, i).evict(std::span<const Slot>(victims[i]));
}

}  // namespace msrnn::inline MSRNN_ABI::budget
