// SPDX-License-Identifier: MIT
#ifndef MSRNN_ATTENTION_WIDE_ROWS_HPP
#define MSRNN_ATTENTION_WIDE_ROWS_HPP

#include <algorithm>
#include <cstddef>

#include "../config.hpp"
#include "../rows/view.hpp"
#include "../rows/widen.hpp"
#include "row_stream.hpp"

/// Rows as the kernels read them: as they are stored, or, where a number is dear to widen, as floats. Those lie in a
/// part of a block, in the first-level cache, for all query heads. One query head widens what it reads in registers; by
/// way of a part it takes 1.2 to 1.3 times as long, with tiles of four rows too (SSE2, Zen 5).
namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET {

inline constexpr std::size_t least_part = 4;      // rows: whole tiles
inline constexpr std::size_t part_floats = 4096;  // 16 KiB, for 16 rows of 256 numbers, or 4 of 1,024
inline constexpr std::size_t widest_part = part_floats / least_part;

constexpr std::size_t whole_runs(std::size_t numbers) {
    return (numbers + run_numbers - 1) / run_numbers * run_numbers;
}

/// Calls use(row, stride, from, to) for all rows [first, last) of those at row r, part by part: `row` is row `from`.
template <RowSource View, class Use>
[[gnu::always_inline]] inline void each_part(const RowStream<View>& rows, std::size_t r, std::size_t first,
                                             std::size_t last, std::size_t width, float* wide, Use use) {
    const auto* const block = rows.row(r);
    if constexpr (dear_to_widen<typename View::Number>) {
        const std::size_t stride = whole_runs(width);
        const std::size_t most = std::clamp(part_floats / stride / least_part * least_part, least_part, block_rows);
        for (std::size_t from = first, to; from < last; from = to) {
            to = (std::min)(from + most, last);
            for (std::size_t row = from; row < to; ++row)
                widen_row(block + row * rows.stride(), width, wide + (row - from) * stride);
            use(static_cast<const float*>(wide), stride, from, to);
        }
    } else
        use(block + first * rows.stride(), rows.stride(), first, last);
}

}  // namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET

#endif
