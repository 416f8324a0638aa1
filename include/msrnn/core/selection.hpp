// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <limits>
#include <span>

#include "position.hpp"

namespace msrnn {

/// A rating as selection compares it. NaN counts as the lowest; -0 and +0 are equal.
constexpr float comparable(float rating) { return rating == rating ? rating : -std::numeric_limits<float>::infinity(); }

/// The order in which tokens leave: the lower rating first, of equals the earlier arrival.
constexpr bool leaves_before(float rating, Arrival arrival, float other_rating, Arrival other_arrival) {
    const float a = comparable(rating), b = comparable(other_rating);
    return a != b ? a < b : arrival < other_arrival;
}

/// The candidates of a lane as an interval of arrival stamps, [first, end): sinks lie before it, the recent window
/// behind it, and vacant or pinned slots carry the largest stamp there is.
template <class Stamp>
struct Candidates {
    Stamp first = 0;
    Stamp end = 0;

    constexpr bool contain(Stamp stamp) const { return stamp >= first && stamp < end; }
};

namespace detail {
/// The smallest value(rating, stamp) over all slots, at most `start`.
///
/// Sixteen running minima: a compiler may not reorder one running float minimum without fast-math, but it may keep
/// sixteen of them in a vector. Measured dead ends, g++ 12, 513 slots: eight minima (not vectorised, three times
/// slower), unsigned stamps compared once after a subtraction (SSE2 has no unsigned compare, twice), value(slot) with
/// the loads inside the callable (twice), integer keys made by bit_cast (not vectorised).
template <class Number, class Stamp, class Value>
Number minimum(std::span<const float> ratings, const Stamp* stamps, Number start, Value value) {
    constexpr std::size_t block = 16;
    const float* const r = ratings.data();
    const std::size_t slots = ratings.size(), whole = slots - slots % block;
    Number low[block];
    for (Number& x : low) x = start;
    for (std::size_t first = 0; first < whole; first += block)
        for (std::size_t i = 0; i < block; ++i) {
            const Number x = value(r[first + i], stamps[first + i]);
            low[i] = x < low[i] ? x : low[i];
        }
    for (std::size_t slot = whole; slot < slots; ++slot) {
        const Number x = value(r[slot], stamps[slot]);
        low[0] = x < low[0] ? x : low[0];
    }
    Number lowest = start;
    for (const Number x : low) lowest = x < lowest ? x : lowest;
    return lowest;
}
}  // namespace detail

/// The slot of the candidate that leaves first; ratings.size() where there is no candidate.
///
/// Two scans: the lowest rating, then the earliest stamp among those that carry it. Comparisons only, no arithmetic on
/// ratings: the answer is the same on every machine.
template <class Stamp>
std::size_t weakest(std::span<const float> ratings, const Stamp* stamps, Candidates<Stamp> candidates) {
    constexpr float highest = std::numeric_limits<float>::infinity();
    constexpr Stamp none = std::numeric_limits<Stamp>::max();
    const auto [first, end] = candidates;
    // Two selects in a row are a vector; one condition of two parts is a branch.
    const float lowest = detail::minimum(ratings, stamps, highest, [f = first, e = end](float rating, Stamp stamp) {
        const float x = stamp >= f ? comparable(rating) : highest;
        return stamp < e ? x : highest;
    });
    const Stamp earliest = detail::minimum(ratings, stamps, none, [=, f = first, e = end](float rating, Stamp stamp) {
        Stamp x = comparable(rating) == lowest ? stamp : none;
        x = stamp >= f ? x : none;
        return stamp < e ? x : none;
    });
    if (earliest == none) return ratings.size();
    std::size_t slot = 0;
    while (stamps[slot] != earliest) ++slot;
    return slot;
}

}  // namespace msrnn
