// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>

#include "../base/own_vector.hpp"
#include "../base/refuse.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "lanes.hpp"
#include "together.hpp"

namespace msrnn::inline MSRNN_ABI::budget {

/// The live slots of a lane in the order of their arrival.
template <class L>
OwnVector<Slot> slots_in_order(const L& lane) {
    OwnVector<Slot> order;
    for (const LaneToken token : lane.tokens()) order.push_back(token.slot);
    std::sort(order.begin(), order.end(), [&](Slot a, Slot b) { return lane.arrival(a) < lane.arrival(b); });
    return order;
}

/// The score of each run of `chunk` tokens, in the order of arrival: the mean over its tokens of the sum of the lanes'
/// ratings. The last run may be short. A token that a lane protects counts there as the largest rating of all lanes'
/// candidates + 1. A run with a NaN has the lowest score.
template <LaneRange Lanes>
OwnVector<double> chunk_scores(const Lanes& lanes, std::size_t chunk) {
    float filler = -std::numeric_limits<float>::infinity();
    for (std::size_t i = 0; i < lanes.size(); ++i)
        for (const LaneToken token : lane_at(lanes, i).tokens())
            if (lane_at(lanes, i).candidate(token.slot)) filler = (std::max)(filler, token.rating + 1);
    const OwnVector<Slot> order = slots_in_order(lane_at(lanes, 0));
    OwnVector<double> scores;
    for (std::size_t begin = 0; begin < order.size(); begin += chunk) {
        const std::size_t end = (std::min)(begin + chunk, order.size());
        double sum = 0;
        for (std::size_t t = begin; t < end; ++t)
            for (std::size_t i = 0; i < lanes.size(); ++i)
                sum += static_cast<double>(lane_at(lanes, i).candidate(order[t]) ? lane_at(lanes, i).rating(order[t])
                                                                                 : filler);
        scores.push_back(sum == sum ? sum / static_cast<double>(end - begin)
                                    : -std::numeric_limits<double>::infinity());
    }
    return scores;
}

/// ChunkKV: whole runs of tokens stay, the same in all lanes.
///
/// Of the runs of `chunk` tokens, trunc(runs * share) stay, at least 1: those with the highest chunk_scores(), of
/// equals the latest. The others are evicted from every lane. Fewer tokens than `chunk`: each lane keeps max(1,
/// trunc(tokens * share)) of its own, by its own ratings. Budgets of whole runs do not change, so that later tokens
/// find room; lower them with set_budgets() where they shall not. Scope: the lanes of a layer. Needs lanes that have
/// rated and hold the same tokens in the same slots. Cost: two passes over the tokens and a sort of the runs. Source:
/// arXiv 2502.00299; kvpress 0.5.5, ChunkKVPress. Protected tokens are no more than a high score, as there: they leave
/// with a run that leaves.
template <LaneRange Lanes>
void chunks(Lanes&& lanes, std::size_t chunk, double share) {
    if (chunk == 0) detail::refuse("msrnn: chunk is 0; give the tokens of a run, at least 1");
    if (!(share >= 0 && share <= 1))
        detail::refuse("msrnn: share is " + detail::text(static_cast<float>(share)) +
                       "; it is the part of the runs that stays, from 0 to 1");
    if (lanes.size() == 0) return;
    MSRNN_ASSERT(hold_the_same(lanes), "msrnn: lanes that evict the same runs hold the same tokens in the same slots");
    const auto part_of = [share](std::size_t all) {
        return (std::max<std::size_t>)(1, static_cast<std::size_t>(static_cast<double>(all) * share));
    };
    const std::size_t tokens = lane_at(lanes, 0).size();
    if (tokens < chunk) {
        OwnVector<std::size_t> budgets;
        for (std::size_t i = 0; i < lanes.size(); ++i)
            budgets.push_back(fitting_budget(lane_at(lanes, i), part_of(tokens)));
        set_budgets(lanes, budgets);
        return;
    }
    const OwnVector<Slot> order = slots_in_order(lane_at(lanes, 0));
    const OwnVector<double> scores = chunk_scores(lanes, chunk);
    OwnVector<std::size_t> runs(scores.size());
    for (std::size_t run = 0; run < runs.size(); ++run) runs[run] = run;
    std::sort(runs.begin(), runs.end(),
              [&](std::size_t a, std::size_t b) { return scores[a] != scores[b] ? scores[a] < scores[b] : a < b; });
    OwnVector<Slot> victims;
    for (std::size_t i = 0; i + part_of(runs.size()) < runs.size(); ++i)
        for (std::size_t t = runs[i] * chunk; t < (std::min)((runs[i] + 1) * chunk, order.size()); ++t)
            victims.push_back(order[t]);
    for (std::size_t i = 0; i < lanes.size(); ++i) lane_at(lanes, i).evict(std::span<const Slot>(victims));
}

}  // namespace msrnn::inline MSRNN_ABI::budget
