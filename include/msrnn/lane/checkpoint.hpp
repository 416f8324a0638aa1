// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "../core/slot.hpp"
#include "counts.hpp"
#include "observed.hpp"

namespace msrnn::inline MSRNN_ABI {

/// What undoes one step of a lane: made by Lane::checkpoint() before the step, taken by Lane::restore() after it.
struct LaneCheckpoint {
    Counts counts = {};              ///< tokens, evictions and so on, before the step
    detail::Observed observed = {};  ///< how far the policy had seen
    std::size_t victims = 0;         ///< of the choice before
    Slot first_victim = {};          ///< and the first of them
    OwnVector<float> memory = {};    ///< the policy's numbers

    std::size_t bytes() const { return sizeof *this + memory.size() * sizeof(float); }
};

}  // namespace msrnn::inline MSRNN_ABI
