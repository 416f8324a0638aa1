// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "../core/selection.hpp"
#include "lanes.hpp"

namespace msrnn::inline MSRNN_ABI::budget {

/// Whether all lanes hold the same tokens in the same slots: they have evicted together from the start.
template <LaneRange Lanes>
bool hold_the_same(const Lanes& lanes) {
    for (std::size_t i = 1; i < lanes.size(); ++i) {
        const auto &first = lane_at(lanes, 0), &lane = lane_at(lanes, i);
        if (lane.extent() != first.extent() || lane.size() != first.size()) return false;
        for (const LaneToken token : first.tokens())
            if (!lane.live(token.slot) || lane.arrival(token.slot) != token.arrival) return false;
    }
    return true;
}

/// One decision for several lanes: all evict the same tokens, by the sum of their ratings.
///
/// The first lane's budget says how many stay. Evicted are the tokens with the lowest sum of ratings, added in the
/// order of the lanes, of equals the earliest arrival; a token that any of the lanes protects stays. So a policy of a
/// KV head decides for a layer, and one of a layer for the model. Scope: all these lanes. Needs lanes that have rated,
/// that hold the same tokens in the same slots, and have the same budget. Cost: one addition for each token and lane,
/// and a sort of the candidates where several are evicted.
template <LaneRange Lanes>
void together(Lanes&& lanes) {
    if (lanes.size() == 0) return;
    MSRNN_ASSERT(hold_the_same(lanes), "msrnn: lanes that decide together hold the same tokens in the same slots");
    auto& first = lane_at(lanes, 0);
    if (first.size() <= first.budget()) return;
    OwnVector<float> sum(first.extent());
    OwnVector<Slot> order;
    for (const LaneToken token : first.tokens()) {
        bool candidate = true;
        for (std::size_t i = 0; i < lanes.size(); ++i) {
            sum[token.slot] += lane_at(lanes, i).rating(token.slot);
            candidate = candidate && lane_at(lanes, i).candidate(token.slot);
        }
        if (candidate) order.push_back(token.slot);
    }
    const std::size_t victims = (std::min)(first.size() - first.budget(), order.size());
    std::partial_sort(
        order.begin(), order.begin() + static_cast<std::ptrdiff_t>(victims), order.end(),
        [&](Slot a, Slot b) { return leaves_before(sum[a], first.arrival(a), sum[b], first.arrival(b)); });
    order.resize(victims);
    for (std::size_t i = 0; i < lanes.size(); ++i) lane_at(lanes, i).evict(std::span<const Slot>(order));
}

}  // namespace msrnn::inline MSRNN_ABI::budget
