// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

/// The sum of of(i) for i below `count`, in sixteen partial sums that are then added in pairs: always in this order, so
/// that every machine gets the same number, and a compiler may keep the partial sums in vectors without breaking a
/// rule.
template <class Of>
float sum_of(std::size_t count, Of of) {
    float part[16] = {};
    const std::size_t whole = count - count % 16;
    for (std::size_t first = 0; first < whole; first += 16)
        for (std::size_t i = 0; i < 16; ++i) part[i] += of(first + i);
    for (std::size_t i = whole; i < count; ++i) part[i - whole] += of(i);
    for (std::size_t half = 8; half > 0; half /= 2)
        for (std::size_t i = 0; i < half; ++i) part[i] += part[half + i];
    return part[0];
}
/// The sum of a[i] * b[i].
inline float dot(std::span<const float> a, std::span<const float> b) {
    MSRNN_ASSERT(a.size() == b.size(),
                 "msrnn: rows of different widths; the rows that a lane shows are head_dim wide, as its Limits say");
    const float *const x = a.data(), *const y = b.data();
    return sum_of(a.size(), [=](std::size_t i) { return x[i] * y[i]; });
}
/// The squared length of a row.
inline float square(std::span<const float> row) { return dot(row, row); }

/// sum[i] += factor * row[i].
inline void add_row(std::span<float> sum, float factor, std::span<const float> row) {
    MSRNN_ASSERT(sum.size() == row.size(),
                 "msrnn: rows of different widths; the rows that a lane shows are head_dim wide, as its Limits say");
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += factor * row[i];
}

}  // namespace msrnn::inline MSRNN_ABI::detail
