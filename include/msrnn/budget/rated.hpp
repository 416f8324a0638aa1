// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "../core/position.hpp"
#include "../core/selection.hpp"
#include "lanes.hpp"

namespace msrnn::inline MSRNN_ABI::budget {

/// A live token of one of several lanes.
struct Rated {
    float rating = 0;
    Arrival arrival = 0;
    Slot slot = {};
    std::size_t lane = 0;  ///< which of the lanes
    bool held = false;     ///< protected or pinned

    /// Held tokens first, then in the opposite order of eviction; of equals in several lanes the first lane's.
    bool stays_before(const Rated& other) const {
        if (held != other.held) return held;
        if (leaves_before(other.rating, other.arrival, rating, arrival)) return true;
        if (leaves_before(rating, arrival, other.rating, other.arrival)) return false;
        return lane < other.lane;
    }
    /// The order of stays_before().
    friend bool operator<(const Rated& a, const Rated& b) { return a.stays_before(b); }
};

/// The live tokens of a lane, in no order. What is held follows from the lane's protection at this
/// budget, which may be another than it has.
template <class L>
OwnVector<Rated> rated_tokens(const L& lane, std::size_t number, std::size_t budget) {
    const Protection held = protection_at(lane, budget);
    OwnVector<Rated> tokens;
    tokens.reserve(lane.size());
    for (const LaneToken token : lane.tokens())
        tokens.push_back({.rating = token.rating,
                          .arrival = token.arrival,
                          .slot = token.slot,
                          .lane = number,
                          .held = token.arrival < held.sinks || lane.pinned(token.slot)});
    const auto newer = [](const Rated& a, const Rated& b) { return a.arrival > b.arrival; };
    const std::size_t recent = (std::min)(held.recent, tokens.size());
    std::nth_element(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(recent), tokens.end(), newer);
    for (std::size_t i = 0; i < recent; ++i) tokens[i].held = true;
    return tokens;
}
/// How many of them are held.
inline std::size_t held_of(const OwnVector<Rated>& tokens) {
    return static_cast<std::size_t>(std::count_if(tokens.begin(), tokens.end(), [](const Rated& t) { return t.held; }));
}

/// Moves the `count` that stay longest to the front, in no order; returns where they end.
inline OwnVector<Rated>::iterator best(OwnVector<Rated>& tokens, std::size_t count) {
    const auto end = tokens.begin() + static_cast<std::ptrdiff_t>((std::min)(count, tokens.size()));
    std::nth_element(tokens.begin(), end, tokens.end());
    return end;
}

}  // namespace msrnn::inline MSRNN_ABI::budget
