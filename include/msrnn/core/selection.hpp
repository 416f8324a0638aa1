// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "../config.hpp"
#include "loops.hpp"
#include "position.hpp"

namespace msrnn::inline MSRNN_ABI {

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

/// The slot of the candidate that leaves first; ratings.size() where there is no candidate. Bit i of candidates[j] says
/// whether slot 64 j + i is one. Stamps tell only which of equals is the earlier.
///
/// Comparisons only, no arithmetic on ratings: the answer is the same on every machine.
template <class Stamp>
std::size_t weakest(std::span<const float> ratings, const Stamp* stamps, std::span<const std::uint64_t> candidates) {
    return detail::weakest_slot(ratings.data(), stamps, candidates.data(), ratings.size());
}

}  // namespace msrnn::inline MSRNN_ABI
