// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

#include "../config.hpp"
#include "../core/keys.hpp"

namespace msrnn::inline MSRNN_ABI {

/// A number of a row that is computed at the first choice after the row was stored, and kept in `column` (0: not yet).
template <class Of>
float once(std::span<float> column, const LaneRows& rows, std::size_t slot, Of of) {
    if (column[slot] == 0) column[slot] = of(rows(slot));
    return column[slot];
}

/// The Euclidean length of a row.
inline float norm(std::span<const float> row) {
    float sum = 0;
    for (const float x : row) sum += x * x;
    return std::sqrt(sum);
}

}  // namespace msrnn::inline MSRNN_ABI
