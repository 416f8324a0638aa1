// SPDX-License-Identifier: MIT
#ifndef MSRNN_ATTENTION_DOT_ALONE_HPP
#define MSRNN_ATTENTION_DOT_ALONE_HPP

#include <cstddef>
#include <utility>

#include "../config.hpp"
#include "../rows/scalar.hpp"
#include "../rows/widen.hpp"
#include "../simd/pack.hpp"
#include "blocks.hpp"
#include "row_stream.hpp"
#include "shape.hpp"

/// Keys of one query head that are in a cache at once. There a call for each block takes longer than its products.
namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET {

/// Whether dot_alone() reads these rows.
inline bool are_read_alone(const ReadShape& shape, std::size_t query_heads, std::size_t n, std::size_t head_dim) {
    constexpr std::size_t most = 16 * floats_per_pack;
    return floats_per_pack == 16 && query_heads == 1 && shape.in_cache && n < 16 * block_rows &&
           (head_dim == most || head_dim == most / 2 || head_dim == most / 4);
}

/// The logits of whole blocks for one query head, with `Loads` loads a row: all in registers, in the order of sums().
/// Of one block where rows have scales.
template <std::size_t Loads, bool Scaled, class Scalar>
[[gnu::noinline]] void dot_alone(const Scalar* row, std::size_t stride, std::size_t rows, Prefetch& prefetch,
                                 const float* query, const Logits& logits) {
    constexpr std::size_t packs = packs_per_load<Scalar>;
    constexpr std::make_index_sequence<floats_per_pack> indices;
    Prefetch ahead = prefetch;
    Pack of_query[Loads * packs], folded[4];
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Loads * packs; ++i) of_query[i] = pin(load(query + i * floats_per_pack));
    Pack high = *logits.high;
#pragma GCC unroll 1
    for (std::size_t r = 0; r < rows; r += block_rows) {
#pragma GCC unroll 4
        for (std::size_t four = 0; four < 4; ++four) {
            Pack products[4];
#pragma GCC unroll 4
            for (std::size_t i = 0; i < 4; ++i, row += stride) {
                ahead.step_row_if_any<Loads * floats_per_load<Scalar> * sizeof(Scalar) / line_bytes>();
#pragma GCC unroll 16
                for (std::size_t l = 0; l < Loads; ++l) {
                    Loaded<Scalar> key;
                    widen(row + l * floats_per_load<Scalar>, key);
#pragma GCC unroll 2
                    for (std::size_t p = 0; p < packs; ++p)
                        if (l + p == 0)
                            products[i] = pin(key[p] * of_query[0]);
                        else
                            products[i] += key[p] * of_query[l * packs + p];
                }
            }
            folded[four] = pin(fold_pairs(fold_numbers(products[0], products[1], indices),
                                          fold_numbers(products[2], products[3], indices), indices));
        }
        Pack sum =
            fold_quads(fold_quads(folded[0], folded[1], indices), fold_quads(folded[2], folded[3], indices), indices);
        if constexpr (Scaled) sum *= load(logits.scales);
        store(logits.first + r, sum);
        high = larger(sum, high);
    }
    *logits.high = high;
    prefetch.go_on(ahead);
}

}  // namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET

#endif
