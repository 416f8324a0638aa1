// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

#include "../base/own_vector.hpp"
#include "../base/refuse.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "lanes.hpp"
#include "rated.hpp"

namespace msrnn::inline MSRNN_ABI::budget {

/// What each of the lanes keeps of `total` slots, where each keeps `safe` of its own at least; see shared_by_rating().
/// The shares add up to `total`, or to all tokens and the slots that are left. A share may be 0 where `safe` is.
template <LaneRange Lanes>
OwnVector<std::size_t> shares_by_rating(const Lanes& lanes, std::size_t total, std::size_t safe) {
    OwnVector<std::size_t> shares(lanes.size());
    OwnVector<Rated> rest;
    std::size_t left = total;
    for (std::size_t i = 0; i < lanes.size(); ++i) {
        OwnVector<Rated> tokens = rated_tokens(lane_at(lanes, i), i, total / lanes.size());
        const std::size_t least =
            least_slots(lane_at(lanes, i), protection_at(lane_at(lanes, i), total / lanes.size()));
        shares[i] = (std::max)((std::min)((std::max)(safe, held_of(tokens)), tokens.size()), least);
        if (shares[i] > left)
            detail::refuse("msrnn: a total of " + detail::text(total) + " slots is less than what " +
                           detail::text(lanes.size()) +
                           " lanes protect or keep safe; give a larger total, or protect less");
        left -= shares[i];
        rest.insert(rest.end(), best(tokens, shares[i]), tokens.end());
    }
    const auto end = best(rest, left);
    for (auto token = rest.begin(); token != end; ++token) ++shares[token->lane];
    left -= static_cast<std::size_t>(end - rest.begin());
    for (std::size_t i = 0; i < shares.size(); ++i) shares[i] += left / shares.size() + (i < left % shares.size());
    return shares;
}

/// AdaKV: lanes with better ratings keep more tokens, out of one total.
///
/// Each lane keeps the `safe` tokens that rate best in it, safe = floor(total / lanes * safeguard), at least 1; the
/// rest of `total` goes to the tokens that rate best among those of all lanes together. Budgets add up to `total`,
/// always: slots that no token takes are dealt out evenly, one more each to the first. Protected and pinned tokens come
/// first; a recent window that is a share of the budget counts as it is at total / lanes. Scope: the lanes of a layer,
/// or of all layers where ratings compare. Needs lanes that have rated; works after a prompt and while decoding, where
/// slots move from lane to lane. Cost: a selection among all tokens of the lanes, linear in their number. Source: arXiv
/// 2407.11550, algorithm 1; kvpress 0.5.5, AdaKVPress. Deviations: kvpress masks what a lane loses, here its slots go
/// to another lane; with safeguard 0 a lane of kvpress may keep nothing, here 1 token. Ratings that are equal stay in
/// the order of arrival, the latest longest.
template <LaneRange Lanes>
void shared_by_rating(Lanes&& lanes, std::size_t total, double safeguard = 0.2) {
    if (!(safeguard >= 0 && safeguard <= 1))
        detail::refuse("msrnn: safeguard is " + detail::text(static_cast<float>(safeguard)) +
                       "; it is the share of its slots that a lane keeps, from 0 to 1");
    if (lanes.size() == 0) return;
    const double safe = static_cast<double>(total) / static_cast<double>(lanes.size()) * safeguard;
    set_budgets(lanes, shares_by_rating(lanes, total, (std::max<std::size_t>)(1, static_cast<std::size_t>(safe))));
}

/// AdaKV as its authors' code computes it: with a floor, and rounded, so that the total may be off.
///
/// Of all lanes' candidates the best lanes * each are counted, count[i] in lane i, after each lane's ratings were
/// multiplied, where `normalize` is set, by (sum of its best `each`) / (sum of all). Lane i keeps round(count[i] * (1 -
/// floor) + trunc(each * floor)) candidates, halves to even, at least 1 token in all, and what is protected or pinned
/// besides: there the authors have the window. Source: FFY0/AdaKV, AdaptiveSnapKVCluster.
template <LaneRange Lanes>
void shared_with_floor(Lanes&& lanes, std::size_t each, double floor = 0.2, bool normalize = false) {
    if (!(floor >= 0 && floor <= 1))
        detail::refuse("msrnn: floor is " + detail::text(static_cast<float>(floor)) +
                       "; it is the share of its slots that a lane keeps, from 0 to 1");
    OwnVector<Rated> together;
    OwnVector<std::size_t> budgets(lanes.size());
    for (std::size_t i = 0; i < lanes.size(); ++i) {
        OwnVector<Rated> tokens = rated_tokens(lane_at(lanes, i), i, each);
        std::erase_if(tokens, [](const Rated& token) { return token.held; });
        budgets[i] = lane_at(lanes, i).size() - tokens.size();
        std::sort(tokens.begin(), tokens.end());
        float top = 0, sum = 0;
        for (std::size_t t = 0; t < tokens.size(); ++t) {
            sum += tokens[t].rating;
            if (t < each) top += tokens[t].rating;
        }
        if (normalize)
            for (Rated& token : tokens) token.rating *= top / sum;
        together.insert(together.end(), tokens.begin(), tokens.end());
    }
    const auto end = best(together, lanes.size() * each);
    OwnVector<std::size_t> counts(lanes.size());
    for (auto token = together.begin(); token != end; ++token) ++counts[token->lane];
    const double fixed = std::trunc(static_cast<double>(each) * floor);
    for (std::size_t i = 0; i < lanes.size(); ++i) {
        const double share = std::nearbyint(static_cast<double>(counts[i]) * (1 - floor) + fixed);
        budgets[i] = fitting_budget(lane_at(lanes, i), budgets[i] + static_cast<std::size_t>(share));
    }
    set_budgets(lanes, budgets);
}

}  // namespace msrnn::inline MSRNN_ABI::budget
