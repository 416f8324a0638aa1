// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../config.hpp"
#include "../core/position.hpp"
#include "../core/slot.hpp"
#include "../policy/policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// A row that changes its place.
struct Move {
    Slot from;
    Slot to;
};

/// What the newest token changed in a table, ratings and columns apart: enough to undo it.
struct TokenStep {
    Slot slot = {};              ///< the token's
    bool fresh = false;          ///< true if the slot was never used
    Position position = {};      ///< of the slot before
    Arrival arrival = 0;         ///< of the slot before, as the table has it
    Slot newest = {};            ///< the newest token before
    Arrival youngest_gone = 0;   ///< see SlotTable
    std::size_t dropped = 0;     ///< tokens evicted since
    Slot victim = {};            ///< the last of them
    Arrival victim_arrival = 0;  ///< and its arrival
};

/// What undoes a lane's last step; see Lane::take_back().
struct LaneStep {
    TokenStep token = {};
    Needs shown = {};
    std::size_t rows = 0;     ///< observed since the last choice
    std::size_t dropped = 0;  ///< by the evict() before
    Slot victim = {};         ///< the first of those
};

}  // namespace msrnn::inline MSRNN_ABI
