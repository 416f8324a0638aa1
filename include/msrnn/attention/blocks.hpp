// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include "../config.hpp"
#include "../rows/scalar.hpp"
#include "../simd/pack.hpp"
#include "row_stream.hpp"

/// What up to four query heads want of a block of rows.
namespace msrnn::inline MSRNN_ABI::detail {

inline constexpr std::size_t stripe_packs = 4;  // of columns of values, whose outputs are in registers

/// The last numbers of a row, fewer than a load; zeros fill the rest of it.
template <class Scalar>
void widen_rest(const Scalar* row, std::size_t rest, Loaded<Scalar>& out) {
    constexpr std::size_t half = floats_per_load<Scalar> / 2;
    Scalar padded[floats_per_load<Scalar>] = {};
    if (rest == half)
        std::copy_n(row, half, padded);  // of a known length: no call
    else
        std::copy_n(row, rest, padded);
    widen(padded, out);
}

/// Calls take(q, r, dots) with the products of query q and rows r to r + 3, for `rows` rows and Q queries that lie
/// `width` floats apart, ordered as the scalar wants them. Behind the end the last row stands once more.
template <std::size_t Q, class Scalar, class Take>
void dot_block(const Scalar* first, std::size_t stride, std::size_t rows, std::size_t head_dim, Prefetch& prefetch,
               const float* queries, std::size_t width, Take take) {
    constexpr std::size_t line = line_bytes / sizeof(Scalar);
    Prefetch ahead = prefetch;
    for (std::size_t r = 0; r < rows; r += tile_rows, first += tile_rows * stride) {
        const std::size_t last = rows - 1 - r,
                          behind[tile_rows] = {0, stride * (last < 1 ? last : 1), stride * (last < 2 ? last : 2),
                                               stride * (last < 3 ? last : 3)};
        Pack products[Q][tile_rows] = {};
        const auto add = [&](std::size_t column, const Loaded<Scalar>(&key)[tile_rows]) __attribute__((always_inline)) {
#pragma GCC unroll 4
            for (std::size_t q = 0; q < Q; ++q)
#pragma GCC unroll 2
                for (std::size_t u = 0; u < packs_per_load<Scalar>; ++u) {
                    const Pack query = load(queries + q * width + column + u * floats_per_pack);
#pragma GCC unroll 4
                    for (std::size_t i = 0; i < tile_rows; ++i) products[q][i] += key[i][u] * query;
                }
        };
        std::size_t column = 0;
        for (; column + floats_per_load<Scalar> <= head_dim; column += floats_per_load<Scalar>) {
            ahead.tick();
            Loaded<Scalar> key[tile_rows];
#pragma GCC unroll 4
            for (std::size_t i = 0; i < tile_rows; ++i) widen(first + behind[i] + column, key[i]);
            // Not a function: g++ takes one that only prefetches for one without effects, and drops the call.
            if (column % line == 0 && ahead.first_pass)
#pragma GCC unroll 4
                for (std::size_t i = 0; i < tile_rows; ++i)
                    __builtin_prefetch(first + near_rows * stride + behind[i] + column, 0, 3);
            add(column, key);
        }
        if (column < head_dim) {
            Loaded<Scalar> key[tile_rows];
            for (std::size_t i = 0; i < tile_rows; ++i)
                widen_rest(first + behind[i] + column, head_dim - column, key[i]);
            add(column, key);
        }
#pragma GCC unroll 4
        for (std::size_t q = 0; q < Q; ++q)
            take(q, r, sums(products[q][0], products[q][1], products[q][2], products[q][3]));
    }
    prefetch = ahead;
}

/// out[q] += sum over `rows` rows of weights[q][row] * row, for the columns of U loads that begin at `first`; rows of
/// weights are block_rows apart, rows of out `width`.
template <std::size_t Q, std::size_t U, class Scalar, class Widen>
void add_stripe(const Scalar* first, std::size_t stride, std::size_t rows, Prefetch& prefetch, const float* weights,
                float* out, std::size_t width, Widen widen_row) {
    constexpr std::size_t packs = packs_per_load<Scalar>, line = line_bytes / sizeof(Scalar);
    Pack sum[Q][U][packs];
#pragma GCC unroll 4
    for (std::size_t q = 0; q < Q; ++q)
#pragma GCC unroll 4
        for (std::size_t i = 0; i < U * packs; ++i)
            sum[q][i / packs][i % packs] = load(out + q * width + i * floats_per_pack);
    Prefetch ahead = prefetch;
    for (std::size_t r = 0; r < rows; ++r, first += stride) {
        ahead.tick();
        Loaded<Scalar> value[U];
#pragma GCC unroll 4
        for (std::size_t u = 0; u < U; ++u) widen_row(first + u * floats_per_load<Scalar>, value[u]);
        if (ahead.first_pass)
#pragma GCC unroll 4
            for (std::size_t i = 0; i < U * floats_per_load<Scalar>; i += line)
                __builtin_prefetch(first + near_rows * stride + i, 0, 3);
#pragma GCC unroll 4
        for (std::size_t q = 0; q < Q; ++q) {
            const Pack weight = all(weights[q * block_rows + r]);
#pragma GCC unroll 4
            for (std::size_t i = 0; i < U * packs; ++i)
                sum[q][i / packs][i % packs] += value[i / packs][i % packs] * weight;
        }
    }
    prefetch = ahead;
#pragma GCC unroll 4
    for (std::size_t q = 0; q < Q; ++q)
#pragma GCC unroll 4
        for (std::size_t i = 0; i < U * packs; ++i)
            store(out + q * width + i * floats_per_pack, sum[q][i / packs][i % packs]);
}

/// The same for all columns. Each caller has one of its own, by number: g++ inlines what is called once, which is up to
/// 5 % faster.
template <std::size_t Q, int Caller, class Scalar>
void add_block(const Scalar* first, std::size_t stride, std::size_t rows, std::size_t head_dim, Prefetch& prefetch,
               const float* weights, float* out, std::size_t width) {
    constexpr std::size_t loads = stripe_packs / packs_per_load<Scalar>;
    const auto whole = [](const Scalar* row, Loaded<Scalar>& value) { widen(row, value); };
    std::size_t column = 0;
    for (; column + loads * floats_per_load<Scalar> <= head_dim; column += loads * floats_per_load<Scalar>)
        add_stripe<Q, loads>(first + column, stride, rows, prefetch, weights, out + column, width, whole);
    for (; column + floats_per_load<Scalar> <= head_dim; column += floats_per_load<Scalar>)
        add_stripe<Q, 1>(first + column, stride, rows, prefetch, weights, out + column, width, whole);
    if (const std::size_t rest = head_dim - column; rest > 0)
        add_stripe<Q, 1>(first + column, stride, rows, prefetch, weights, out + column, width,
                         [=](const Scalar* row, Loaded<Scalar>& value) { widen_rest(row, rest, value); });
}

}  // namespace msrnn::inline MSRNN_ABI::detail
