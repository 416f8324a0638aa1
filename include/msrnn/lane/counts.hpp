// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "../config.hpp"
#include "../core/position.hpp"
#include "../core/protection.hpp"
#include "../core/selection.hpp"
#include "../core/slot.hpp"
#include "step.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The single numbers of a lane's table. Moved from, they are those of an empty table with the same protection.
struct Counts {
    std::size_t extent = 0;
    Arrival seen = 0;
    Arrival evictions = 0;
    Arrival youngest_gone = 0;  ///< no token that arrived at this time or later was evicted
    Protection protection = {};
    Slot newest = {};
    Slot unmarked = nobody;    ///< a victim whose columns say nothing of it yet, see TokenTable::drop_candidate()
    std::size_t rejected = 0;  ///< tokens evicted by name since the last append
    TokenStep step = {};

    static constexpr Slot nobody{~std::size_t{0}};

    Counts() = default;
    Counts(const Counts&) = default;
    Counts(Counts&& other) noexcept : Counts(other) { other.reset(); }
    Counts& operator=(const Counts&) = default;
    Counts& operator=(Counts&& other) noexcept {
        *this = other;
        other.reset();
        return *this;
    }
    void reset() {
        Counts empty;
        empty.protection = protection;
        *this = std::as_const(empty);
    }

    /// The live, unpinned slots of these arrivals may be evicted: behind the first `sinks` and before the recent
    /// window.
    template <class Clock>
    Candidates<Clock> candidates(std::span<const Arrival> arrivals) const {
        const Arrival end = window_begin(arrivals);
        if (protection.sinks >= end) return {};
        return {static_cast<Clock>(protection.sinks), static_cast<Clock>(end)};
    }

private:
    /// The arrival of the oldest of the newest `recent` live tokens; a scan only where one of the window was evicted.
    Arrival window_begin(std::span<const Arrival> arrivals) const {
        if (protection.recent >= seen) return 0;
        Arrival begin = seen - protection.recent;
        if (youngest_gone <= begin) return begin;
        std::size_t missing = protection.recent;
        for (const Arrival arrival : arrivals) missing -= arrival >= begin && arrival < no_arrival;
        for (; missing > 0 && begin > 0; --missing) {
            Arrival before = 0;
            for (const Arrival arrival : arrivals)
                if (arrival < begin && arrival >= before) before = arrival;
            begin = before;
        }
        return begin;
    }
};

}  // namespace msrnn::inline MSRNN_ABI
