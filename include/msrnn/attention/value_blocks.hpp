// SPDX-License-Identifier: MIT
#ifndef MSRNN_ATTENTION_VALUE_BLOCKS_HPP
#define MSRNN_ATTENTION_VALUE_BLOCKS_HPP

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "../config.hpp"
#include "../rows/scalar.hpp"
#include "../rows/widen.hpp"
#include "../simd/pack.hpp"
#include "blocks.hpp"
#include "row_stream.hpp"

/// What a few query heads want of the values of a block. Rows are added in ascending order, one sum for each output: so
/// every number of query heads and columns at a time gives the same bits.
namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET {

template <std::size_t N>
using Count = std::integral_constant<std::size_t, N>;

/// Calls use(count, first) for groups of `Most` query heads, then of half as many, down to one.
template <std::size_t Most, class Use>
[[gnu::always_inline]] inline void by_queries(std::size_t queries, Use use, std::size_t first = 0) {
    for (; first + Most <= queries; first += Most) use(Count<Most>{}, first);
    if constexpr (Most > 1) by_queries<Most / 2>(queries, use, first);
}

inline constexpr std::size_t share_rows = 4 * block_rows;                   // whose weights are computed together
inline constexpr std::size_t stripe_sums = floats_per_pack == 16 ? 16 : 8;  // in registers

/// out[q] += sum over `rows` rows of weights[q][row] * row, for the columns of P packs that begin at `first`; rows of
/// weights are share_rows apart, rows of out `width`. widen_row(row, load) gives one load of a row.
template <std::size_t Q, std::size_t P, class Scalar, class Widen>
void add_stripe(const Scalar* first, std::size_t stride, std::size_t rows, Prefetch& prefetch, const float* weights,
                float* out, std::size_t width, Widen widen_row) {
    constexpr std::size_t packs = packs_per_load<Scalar>, loads = P / packs;
    Pack sum[Q][P];
#pragma GCC unroll 8
    for (std::size_t q = 0; q < Q; ++q)
#pragma GCC unroll 16
        for (std::size_t i = 0; i < P; ++i) sum[q][i] = load(out + q * width + i * floats_per_pack);
    Prefetch ahead = prefetch;
#pragma GCC unroll 1
    for (std::size_t r = 0; r < rows; ++r, first += stride) {
        if constexpr (Q == 1)
            ahead.step_if_any();
        else
            ahead.step();
        if constexpr (takes_runs<Scalar> && P * floats_per_pack == run_numbers) {
            const Pack weight = all(weights[r]);
            each_of_run(
                first, [&](std::size_t i, auto quad) __attribute__((always_inline)) { sum[0][i] += quad * weight; });
            continue;
        }
        Loaded<Scalar> value[loads];
#pragma GCC unroll 16
        for (std::size_t u = 0; u < loads; ++u) {
            widen_row(first + u * floats_per_load<Scalar>, value[u]);
            if constexpr (Q > 1)
#pragma GCC unroll 2
                for (Pack& pack : value[u]) pack = pin(pack);
        }
#pragma GCC unroll 8
        for (std::size_t q = 0; q < Q; ++q) {
            const Pack weight = all(weights[q * share_rows + r]);
#pragma GCC unroll 16
            for (std::size_t i = 0; i < P; ++i) sum[q][i] += value[i / packs][i % packs] * weight;
        }
    }
    prefetch.go_on(ahead);
#pragma GCC unroll 8
    for (std::size_t q = 0; q < Q; ++q)
#pragma GCC unroll 16
        for (std::size_t i = 0; i < P; ++i) store(out + q * width + i * floats_per_pack, sum[q][i]);
}
/// The packs of the next narrower stripe: 16, 8, 4, then a load.
template <class Scalar>
constexpr std::size_t narrower(std::size_t packs) {
    return packs > 4 ? packs / 2 : packs_per_load<Scalar>;
}
template <std::size_t Q, std::size_t P, class Scalar>
void add_stripes(const Scalar* first, std::size_t stride, std::size_t rows, std::size_t columns, Prefetch& prefetch,
                 const float* weights, float* out, std::size_t width) {
    std::size_t column = 0;
    for (; column + P * floats_per_pack <= columns; column += P * floats_per_pack)
        add_stripe<Q, P>(first + column, stride, rows, prefetch, weights, out + column, width,
                         [](const Scalar* row, Loaded<Scalar>& value) { widen(row, value); });
    const std::size_t rest = columns - column;
    if (rest == 0) return;
    if constexpr (P > packs_per_load<Scalar>)
        add_stripes<Q, narrower<Scalar>(P)>(first + column, stride, rows, rest, prefetch, weights, out + column, width);
    else
        add_stripe<Q, P>(first + column, stride, rows, prefetch, weights, out + column, width,
                         [=](const Scalar* row, Loaded<Scalar>& value) { widen_rest(row, rest, value); });
}
/// out[q] += sum over `rows` rows of weights[q][row] * row, for Q query heads and all columns.
template <std::size_t Q, class Scalar>
[[gnu::noinline]] void add_block(const Scalar* first, std::size_t stride, std::size_t rows, std::size_t columns,
                                 Prefetch& prefetch, const float* weights, float* out, std::size_t width) {
    add_stripes<Q, (std::max)(stripe_sums / Q, packs_per_load<Scalar>)>(first, stride, rows, columns, prefetch, weights,
                                                                        out, width);
}
/// How many steps of a prefetch that takes, for a whole block.
template <std::size_t Q, class Scalar>
constexpr std::size_t steps_of_block(std::size_t columns) {
    constexpr std::size_t stripe = (std::max)(stripe_sums / Q, packs_per_load<Scalar>)*floats_per_pack;
    return block_rows * ((columns + stripe - 1) / stripe);
}

}  // namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET

#endif
