// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "../config.hpp"
#include "../core/keys.hpp"
#include "../core/loops.hpp"
#include "../core/ratings.hpp"

namespace msrnn::inline MSRNN_ABI {

/// A number of a row that is computed at the first choice after the row was stored, and kept in `column` (0: not yet).
template <class Of>
float once(std::span<float> column, const LaneRows& rows, std::size_t slot, Of of) {
    if (column[slot] == 0) column[slot] = of(rows(slot));
    return column[slot];
}

/// The same for every live slot. Slots that may have no number yet are looked for in blocks, since few have none.
template <class Of>
void each_once(const Ratings& rating, std::span<float> column, const LaneRows& rows, Of of) {
    constexpr std::size_t block = 64;
    for (std::size_t first = 0; first < rating.size(); first += block) {
        const std::size_t end = (std::min)(first + block, rating.size());
        const auto missing = [&] {
            const float* const number = column.data() + first;
            int count = 0;
            if (end - first == block)
                for (std::size_t i = 0; i < block; ++i) count += number[i] == 0;
            return end - first < block || count > 0;
        };
        if (missing())
            for (std::size_t slot = first; slot < end; ++slot)
                if (rating.live(slot)) once(column, rows, slot, of);
    }
}
/// rating[slot] <- sign * that number, for every slot.
template <class Of>
void rate_once(const Ratings& rating, std::span<float> column, const LaneRows& rows, float sign, Of of) {
    each_once(rating, column, rows, of);
    const float* const number = column.data();
    float* const rated = rating.rating.data();
    detail::each_float(rating.size(), [=](auto at) { at.set(rated, at.all(sign) * at(number)); });
}

/// The Euclidean length of a row.
inline float norm(std::span<const float> row) {
    float sum = 0;
    for (const float x : row) sum += x * x;
    return std::sqrt(sum);
}

}  // namespace msrnn::inline MSRNN_ABI
