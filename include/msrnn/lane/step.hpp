// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../config.hpp"
#include "../core/position.hpp"
#include "../core/slot.hpp"

namespace msrnn::inline MSRNN_ABI {

/// A row that changes its place.
struct Move {
    Slot from;
    Slot to;
};

/// What the newest token changed in a table, beside its counts and the policy's numbers.
struct TokenStep {
    Slot slot = {};           ///< the token's
    std::size_t place = 0;    ///< where the slot was among the vacancies, if it was
    Position position = {};   ///< of the slot before
    Arrival arrival = 0;      ///< of the slot before, as the table has it
    std::size_t dropped = 0;  ///< tokens evicted since
};

}  // namespace msrnn::inline MSRNN_ABI
