// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI {

/// What a lane keeps for its policy beside the ratings.
struct Memory {
    std::size_t columns = 0;  ///< floats per slot, 0 for a new token
    std::size_t floats = 0;   ///< floats per lane, 0 in a new lane

    friend constexpr bool operator==(Memory, Memory) = default;
};

}  // namespace msrnn::inline MSRNN_ABI
