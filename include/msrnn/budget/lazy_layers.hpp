// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "lanes.hpp"

namespace msrnn::inline MSRNN_ABI::budget {

/// SimLayerKV: a layer that looks at the first and the newest tokens only keeps no more than those.
///
///     Protect policy{Tova{.scope = Scope::kv_head}, {.sinks = 4, .recent = 1024}};
///
/// A layer is lazy where the mean over its lanes of the sum of the ratings of the protected tokens exceeds `threshold`.
/// Then the budget of each of its lanes is the number of tokens it protects; of the other layers budgets stay. The
/// ratings are the newest query's weights: the lanes hold a Tova with protection. Scope: whole layers; the lanes of a
/// layer lie side by side. Needs lanes that have rated. Cost: one pass over the tokens.
/// Source: arXiv 2410.13846; kvpress 0.5.5, SimLayerKVPress (one last query, as SimLayerKV-decode).
/// Deviations: kvpress keeps one recent token less than `recent`; it decides after the prompt alone, this rule may be
/// called while decoding too. A pinned token counts as protected.
template <LaneRange Lanes>
void lazy_layers(Lanes&& lanes, float threshold) {
    OwnVector<std::size_t> budgets(lanes.size()), held(lanes.size());
    for (std::size_t first = 0, end; first < lanes.size(); first = end) {
        float mass = 0;
        for (end = first; end < lanes.size(); ++end) {
            const auto& lane = lane_at(lanes, end);
            if (lane.id().layer != lane_at(lanes, first).id().layer) break;
            budgets[end] = lane.budget();
            for (const LaneToken token : lane.tokens()) {
                if (lane.candidate(token.slot)) continue;
                mass += token.rating;
                ++held[end];
            }
        }
        if (mass / static_cast<float>(end - first) <= threshold) continue;
        for (std::size_t i = first; i < end; ++i) budgets[i] = fitting_budget(lane_at(lanes, i), held[i]);
    }
    set_budgets(lanes, budgets);
}

}  // namespace msrnn::inline MSRNN_ABI::budget
