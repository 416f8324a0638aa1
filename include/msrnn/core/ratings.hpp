// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "../config.hpp"
#include "position.hpp"
#include "slot.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Which lane of a state this is. A lane of a whole layer has `kv_head` 0; an engine may number its lanes as it likes.
struct LaneId {
    std::size_t layer = 0;
    std::size_t kv_head = 0;
};

/// What a lane remembers for its policy, one entry per slot: a view, handed to every hook.
///
/// A slot that is given out starts with rating 0 and columns 0. What stands in a vacant slot means nothing.
struct Ratings {
    std::span<float> rating;           ///< higher stays
    std::span<const Arrival> arrival;  ///< `no_arrival` or more where the slot is vacant
    float* columns = nullptr;          ///< the policy's own floats: columns() per slot, one column after the other
    std::size_t column_stride = 0;     ///< floats from one column to the next
    Slot newest;                       ///< slot of the newest token, if it has not left
    Arrival seen = 0;                  ///< tokens that came into the lane so far, the newest included
    std::size_t rows = 0;  ///< query tokens observed since the last choice or the start of a prompt, this one included
    LaneId lane;

    float& operator[](std::size_t slot) const { return rating[slot]; }
    std::size_t size() const { return rating.size(); }
    bool live(std::size_t slot) const { return arrival[slot] < no_arrival; }
    std::span<float> column(std::size_t c) const { return {columns + c * column_stride, rating.size()}; }
};

}  // namespace msrnn::inline MSRNN_ABI
