// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

#include "../base/own_vector.hpp"
#include "../base/refuse.hpp"
#include "../config.hpp"
#include "../lane/budget_callable.hpp"
#include "../lane/lane.hpp"

/// Rules over several lanes: they read lanes that have rated, and set budgets before these evict.
///
///     for (auto& lane : lanes) lane.rate();
///     msrnn::budget::shared_by_rating(std::span(lanes), /* total */ 4096);
///     for (auto& lane : lanes) lane.evict_rated();
///
/// A State does the first and the third line: State::decide(layer, position, rule) for the lanes of a layer,
/// State::share_out(rule) for those of all layers. A rule that cannot do what it is asked for throws
/// std::invalid_argument, and no budget has changed. Rules allocate while they run.
namespace msrnn::inline MSRNN_ABI::budget {

/// A Lane of any policy, or a pointer to one.
template <class L>
concept LaneOrPointer = requires(std::remove_pointer_t<L>& lane, std::size_t number) {
    lane.set_budget(number);
    { lane.protection() } -> std::same_as<Protection>;
    { lane.id() } -> std::same_as<LaneId>;
};
/// A span, vector or array of lanes, or of pointers to lanes.
template <class R>
concept LaneRange = requires(R& lanes, std::size_t i) {
    requires LaneOrPointer<std::remove_cvref_t<decltype(lanes[i])>>;
    { lanes.size() } -> std::convertible_to<std::size_t>;
};

/// Lane i, whether the range holds lanes or pointers.
template <LaneRange Lanes>
auto& lane_at(Lanes& lanes, std::size_t i) {
    if constexpr (std::is_pointer_v<std::remove_cvref_t<decltype(lanes[i])>>)
        return *lanes[i];
    else
        return lanes[i];
}

/// What a lane's policy would protect at another budget.
template <class L>
Protection protection_at(const L& lane, std::size_t budget) {
    const Shape shape{.query_heads = lane.shape().query_heads, .head_dim = lane.shape().head_dim};
    return facts_of(lane.policy(), shape, budget).protection;
}
/// Slots that a lane cannot do without under this protection, whatever it holds: sinks, one slot behind them, the
/// recent window, pins.
template <class L>
std::size_t least_slots(const L& lane, Protection held) {
    std::size_t behind = held.recent;
    for (const LaneToken token : lane.tokens()) behind += token.arrival >= held.sinks && lane.pinned(token.slot);
    return held.sinks + (std::max<std::size_t>)(held.sinks > 0, behind);
}
/// The smallest budget from `wanted` on that fits the lane's protection, which may follow from the budget.
template <class L>
std::size_t fitting_budget(const L& lane, std::size_t wanted) {
    std::size_t budget = (std::max<std::size_t>)(1, wanted);
    for (int attempt = 0; attempt < 64; ++attempt) {
        const std::size_t least = least_slots(lane, protection_at(lane, budget));
        if (least <= budget) break;
        budget = least;
    }
    return budget;
}

/// A budget for each lane, in the order of the lanes: all of them, or none where one does not fit.
template <LaneRange Lanes>
void set_budgets(Lanes&& lanes, std::span<const std::size_t> budgets) {
    MSRNN_ASSERT(budgets.size() == lanes.size(), "msrnn: a budget for each lane");
    for (std::size_t i = 0; i < budgets.size(); ++i)
        detail::refuse(lane_at(lanes, i).problem(budgets[i], lane_at(lanes, i).capacity()));
    for (std::size_t i = 0; i < budgets.size(); ++i) lane_at(lanes, i).set_budget(budgets[i]);
}
/// What a callable (layer, kv_head) -> budget says of each lane: Pyramid, DuoAttention, Curve, or one of the caller's.
template <LaneRange Lanes, BudgetCallable BudgetOf>
void set_budgets(Lanes&& lanes, const BudgetOf& budget_of) {
    OwnVector<std::size_t> budgets(lanes.size());
    for (std::size_t i = 0; i < budgets.size(); ++i)
        budgets[i] = detail::budget_given_by(budget_of, lane_at(lanes, i).id().layer, lane_at(lanes, i).id().kv_head);
    set_budgets(lanes, std::span<const std::size_t>(budgets));
}

}  // namespace msrnn::inline MSRNN_ABI::budget
