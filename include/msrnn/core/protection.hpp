// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <limits>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Tokens that may not be evicted by a choice: the first `sinks` arrivals, and the newest `recent` live tokens, the
/// newest one included. A token that was evicted by name does not count in the recent window: an older one takes its
/// place.
struct Protection {
    std::size_t sinks = 0;
    std::size_t recent = 0;

    /// The larger of each.
    friend constexpr Protection operator|(Protection a, Protection b) {
        return {a.sinks > b.sinks ? a.sinks : b.sinks, a.recent > b.recent ? a.recent : b.recent};
    }
};

/// A budget that is never reached.
inline constexpr std::size_t unbounded = (std::numeric_limits<std::size_t>::max)();

/// A `recent` setting: half the budget, rounded down.
inline constexpr std::size_t half_of_budget = unbounded;

/// A `recent` setting as slots.
constexpr std::size_t recent_slots(std::size_t recent, std::size_t budget) {
    return recent == half_of_budget ? budget / 2 : recent;
}

}  // namespace msrnn::inline MSRNN_ABI
