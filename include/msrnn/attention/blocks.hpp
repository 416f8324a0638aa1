// SPDX-License-Identifier: MIT
#ifndef MSRNN_ATTENTION_BLOCKS_HPP
#define MSRNN_ATTENTION_BLOCKS_HPP

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "../config.hpp"
#include "../rows/scalar.hpp"
#include "../rows/widen.hpp"
#include "../simd/pack.hpp"
#include "row_stream.hpp"

/// What a few query heads want of the keys of a block. Lanes of a product add column after column in one sum, and
/// sums() adds the lanes: so both functions here give the same bits.
namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET {

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
/// One pack of a load, in a register.
template <class Scalar>
[[gnu::always_inline]] inline Pack widened(const Scalar* row, std::size_t pack) {
    Loaded<Scalar> load;
    widen(row, load);
    return pin(load[pack]);
}

/// Rows side by side for Q query heads: so many that their sums fill a pack, four at least.
template <std::size_t Q>
inline constexpr std::size_t tile_rows = floats_per_pack / Q > 4 ? floats_per_pack / Q : 4;

/// Logits of a block: those of query q and row r stand at first[q * stride + r]. The highest are kept lane by lane.
struct Logits {
    float* first;
    std::size_t stride;
    const float* scales;  // of the rows, [block_rows]; read where the scalar has some
    Pack* high;
};

/// Products of `rows` rows, rounded up to a tile, and Q queries that lie `width` floats apart, ordered as the scalar
/// wants them. Behind the end the last row stands once more. Sums of query q are in the lanes from q * tile_rows on.
template <std::size_t Q, bool Scaled, class Scalar>
[[gnu::noinline]] void dot_tiles(const Scalar* first, std::size_t stride, std::size_t rows, std::size_t head_dim,
                                 Prefetch& prefetch, const float* queries, std::size_t width, const Logits& logits) {
    constexpr std::size_t R = tile_rows<Q>, packs = packs_per_load<Scalar>, trees = Q * R / floats_per_pack;
    const std::size_t whole = head_dim - head_dim % floats_per_load<Scalar>;
    Prefetch ahead = prefetch;
    for (std::size_t r = 0; r < rows; r += R, first += R * stride) {
        const Scalar* row[R];
        row[0] = first;
#pragma GCC unroll 8
        for (std::size_t i = 1; i < R; ++i) row[i] = row[i - 1] + (r + i < rows ? stride : 0);
        Pack products[Q * R];
#pragma GCC unroll 16
        for (std::size_t i = 0; i < Q * R; ++i) products[i] = Pack{};
#pragma GCC unroll 1
        for (std::size_t column = 0; column < whole; column += floats_per_load<Scalar>) {
            ahead.step();
#pragma GCC unroll 2
            for (std::size_t p = 0; p < packs; ++p) {
                Pack key[R];
#pragma GCC unroll 8
                for (std::size_t i = 0; i < R; ++i) key[i] = widened(row[i] + column, p);
#pragma GCC unroll 4
                for (std::size_t q = 0; q < Q; ++q) {
                    const Pack query = pin(load(queries + q * width + column + p * floats_per_pack));
#pragma GCC unroll 8
                    for (std::size_t i = 0; i < R; ++i) products[q * R + i] += key[i] * query;
                }
            }
        }
        if (whole < head_dim)
#pragma GCC unroll 8
            for (std::size_t i = 0; i < R; ++i) {
                Loaded<Scalar> key;
                widen_rest(row[i] + whole, head_dim - whole, key);
#pragma GCC unroll 2
                for (std::size_t p = 0; p < packs; ++p)
#pragma GCC unroll 4
                    for (std::size_t q = 0; q < Q; ++q)
                        products[q * R + i] += key[p] * load(queries + q * width + whole + p * floats_per_pack);
            }
#pragma GCC unroll 2
        for (std::size_t tree = 0; tree < trees; ++tree) {
            Pack sum = sums(products + tree * floats_per_pack);
            [&]<std::size_t... I>(std::index_sequence<I...>) __attribute__((always_inline)) {
                const auto place = [&](std::size_t i) { return (tree * floats_per_pack + 4 * i); };
                if constexpr (Scaled) {
                    alignas(64) float scales[floats_per_pack];
                    (store(scales + 4 * I, load<Quad>(logits.scales + r + place(I) % R)), ...);
                    sum *= load(scales);
                }
                (store(logits.first + place(I) / R * logits.stride + r + place(I) % R, quad_of<I>(sum)), ...);
            }
            (std::make_index_sequence<floats_per_pack / 4>());
            logits.high[tree] = larger(sum, logits.high[tree]);
        }
    }
    prefetch.go_on(ahead);
}
/// Rows of so few loads that a tile of four by four packs is written out: 64 numbers where packs have sixteen.
template <class Scalar>
inline constexpr std::size_t written_out = 4 / packs_per_load<Scalar>;

/// The same for a whole block, packs of sixteen floats, rows of `written_out` loads, and 4 * `fours` query heads. Keys
/// of a tile stay in registers, as floats, for all query heads; two of these by turns, so that eight sums wait for
/// nothing. The order of addition is that of sums(). 10 % faster than dot_tiles(),
/// which converts keys for each tile.
template <bool Scaled, class Scalar>
[[gnu::noinline]] void dot_narrow_tiles(const Scalar* first, std::size_t stride, Prefetch& prefetch,
                                        const float* queries, std::size_t fours, const Logits& logits) {
    constexpr std::size_t loads = written_out<Scalar>, packs = packs_per_load<Scalar>,
                          width = loads * floats_per_load<Scalar>;
    constexpr std::make_index_sequence<floats_per_pack> indices;
    Prefetch ahead = prefetch;
#pragma GCC unroll 1
    for (std::size_t tile = 0; tile < 4; ++tile, first += 4 * stride) {
        Pack key[4][4];
#pragma GCC unroll 4
        for (std::size_t i = 0; i < 4; ++i)
#pragma GCC unroll 4
            for (std::size_t c = 0; c < 4; ++c)
                key[i][c] = widened(first + i * stride + c / packs * floats_per_load<Scalar>, c % packs);
        const float* query = queries;
        float* to = logits.first + 4 * tile;
#pragma GCC unroll 1
        for (std::size_t four = 0; four < fours; ++four, query += 4 * width, to += 4 * logits.stride) {
            Pack folded[4];
#pragma GCC unroll 2
            for (std::size_t q = 0; q < 4; q += 2) {
                if constexpr (loads == 4) ahead.step();
                ahead.step();
                Pack products[8];
#pragma GCC unroll 4
                for (std::size_t c = 0; c < 4; ++c)
#pragma GCC unroll 2
                    for (std::size_t j = 0; j < 2; ++j) {
                        const Pack number = pin(load(query + (q + j) * width + c * floats_per_pack));
#pragma GCC unroll 4
                        for (std::size_t i = 0; i < 4; ++i)
                            if (c == 0)
                                products[4 * j + i] = pin(key[i][c] * number);
                            else
                                products[4 * j + i] += key[i][c] * number;
                    }
#pragma GCC unroll 2
                for (std::size_t j = 0; j < 2; ++j)
                    folded[q + j] =
                        fold_pairs(fold_numbers(products[4 * j], products[4 * j + 1], indices),
                                   fold_numbers(products[4 * j + 2], products[4 * j + 3], indices), indices);
            }
            Pack sum = fold_quads(fold_quads(folded[0], folded[1], indices), fold_quads(folded[2], folded[3], indices),
                                  indices);
            if constexpr (Scaled) sum *= repeated(load<Quad>(logits.scales + 4 * tile), indices);
            logits.high[4 * four] = larger(sum, logits.high[4 * four]);
            store_quads(sum, to, logits.stride);
        }
    }
    prefetch.go_on(ahead);
}
/// The highest logit of query q of those that dot_tiles() kept, as the largest of a quad.
template <std::size_t Q>
Quad highest_of_tile(const Pack* high, std::size_t q) {
    constexpr std::size_t R = tile_rows<Q>;
    const float* const lanes = reinterpret_cast<const float*>(high) + q * R;
    Quad highest = load<Quad>(lanes);
    if constexpr (R == 8) highest = larger(load<Quad>(lanes + 4), highest);
    return highest;
}

/// One row after the other, for Q query heads: sums of products, not yet across lanes, of rows [from, to) of a block,
/// the first of them at `row`. Loads is how many loads a row has, or 0 where the number is not known before: a known
/// one is up to 15 % faster.
template <std::size_t Q, std::size_t Loads, class Scalar>
[[gnu::noinline]] void dot_rows(const Scalar* row, std::size_t stride, std::size_t from, std::size_t to,
                                std::size_t head_dim, Prefetch& prefetch, const float* queries, std::size_t width,
                                Pack (*products)[block_rows]) {
    constexpr std::size_t packs = packs_per_load<Scalar>, step = floats_per_load<Scalar>;
    const std::size_t whole = Loads != 0 ? Loads * step : head_dim - head_dim % step;
    Prefetch ahead = prefetch;
#pragma GCC unroll 1
    for (std::size_t r = from; r < to; ++r, row += stride) {
        ahead.step_if_any();
        Pack sum[Q] = {};
        const auto add = [&](const Loaded<Scalar>& key, std::size_t column) __attribute__((always_inline)) {
#pragma GCC unroll 2
            for (std::size_t p = 0; p < packs; ++p)
#pragma GCC unroll 4
                for (std::size_t q = 0; q < Q; ++q)
                    sum[q] += key[p] * load(queries + q * width + column + p * floats_per_pack);
        };
        Loaded<Scalar> key;
        std::size_t column = 0;
        if constexpr (takes_runs<Scalar>)
            for (; column + run_numbers <= whole; column += run_numbers)
                each_of_run(
                    row + column, [&](std::size_t i, auto quad) __attribute__((always_inline)) {
                        sum[0] += quad * load(queries + column + 4 * i);
                    });
#pragma GCC unroll 16
        for (; column < whole; column += step) {
            widen(row + column, key);
            if constexpr (Q > 1)
#pragma GCC unroll 2
                for (Pack& pack : key) pack = pin(pack);
            add(key, column);
        }
        if (Loads == 0 && whole < head_dim) {
            widen_rest(row + whole, head_dim - whole, key);
            add(key, whole);
        }
#pragma GCC unroll 4
        for (std::size_t q = 0; q < Q; ++q) products[q][r] = sum[q];
    }
    prefetch.go_on(ahead);
}
/// The logits of one query head out of the products of a block. Behind the end the last row stands once more.
template <bool Scaled>
void sum_rows(Pack (&products)[block_rows], std::size_t rows, const Logits& logits) {
    for (std::size_t i = rows; i < block_rows; ++i) products[i] = products[rows - 1];
#pragma GCC unroll 4
    for (std::size_t r = 0; r < block_rows; r += floats_per_pack) {
        Pack sum = sums(products + r);
        if constexpr (Scaled) sum *= load(logits.scales + r);
        store(logits.first + r, sum);
        *logits.high = larger(sum, *logits.high);
    }
}
/// Calls use(Count) with the loads of a row, where dot_rows() has a form of its own for them, else 0.
template <class Scalar, class Use>
[[gnu::always_inline]] inline void with_loads(std::size_t head_dim, Use use) {
    constexpr std::size_t step = floats_per_load<Scalar>;
    if (head_dim == 2 * step)
        use(std::integral_constant<std::size_t, 2>{});
    else if (head_dim == 4 * step)
        use(std::integral_constant<std::size_t, 4>{});
    else if (head_dim == 8 * step)
        use(std::integral_constant<std::size_t, 8>{});
    else if (head_dim == 16 * step)
        use(std::integral_constant<std::size_t, 16>{});
    else
        use(std::integral_constant<std::size_t, 0>{});
}

}  // namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET

#endif
