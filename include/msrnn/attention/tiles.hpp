// SPDX-License-Identifier: MIT
#ifndef MSRNN_ATTENTION_TILES_HPP
#define MSRNN_ATTENTION_TILES_HPP

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "../config.hpp"
#include "../rows/rows.hpp"
#include "../rows/scalar.hpp"
#include "../rows/widen.hpp"
#include "../simd/pack.hpp"
#include "blocks.hpp"

/// Products of many queries with many rows. A tile is a few query rows times one panel: two packs of columns, all of
/// whose sums are in registers. Rows are packed into panels first, which widens them and turns keys; what is packed
/// lies in a cache until the tiles of all query rows are through.
namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET {

inline constexpr std::size_t panel = 2 * floats_per_pack;                 // columns
inline constexpr std::size_t most_tile = floats_per_pack == 16 ? 12 : 6;  // query rows: with 32 and with 16 registers
inline constexpr std::size_t least_tile = floats_per_pack == 16 ? 4 : 2;
inline constexpr std::size_t most_query_rows = 16 * most_tile;  // query rows that packed rows serve together
inline constexpr std::size_t slab = 128;                        // values packed together
inline constexpr std::size_t share_stride = slab + 16;          // no power of two: else rows push each other out

constexpr std::size_t whole_tiles(std::size_t rows) { return (rows + most_tile - 1) / most_tile * most_tile; }
constexpr std::size_t whole_panels(std::size_t numbers) { return (numbers + panel - 1) / panel * panel; }

/// Calls use(count) for a tile of at least so many rows.
template <class Use>
[[gnu::always_inline]] inline void with_rows(std::size_t rows, Use use) {
    if (rows <= least_tile)
        use(std::integral_constant<std::size_t, least_tile>{});
    else if (rows <= 2 * least_tile)
        use(std::integral_constant<std::size_t, 2 * least_tile>{});
    else
        use(std::integral_constant<std::size_t, most_tile>{});
}

/// sums[i] += sum over k < depth of a[i * Across + k * Along] * b[k], for R rows and a panel of columns.
template <std::size_t Across, std::size_t Along, std::size_t R>
[[gnu::always_inline]] inline void add_products(Pack (&sums)[R][2], const float* a, const float* b, std::size_t depth) {
    const auto add_one = [&]() __attribute__((always_inline)) {
        const Pack first = pin(load(b)), second = pin(load(b + floats_per_pack));
#pragma GCC unroll 12
        for (std::size_t i = 0; i < R; ++i) {
            const Pack x = all(a[i * Across]);
            sums[i][0] += x * first;
            sums[i][1] += x * second;
        }
        a += Along, b += panel;
    };
#pragma GCC unroll 1
    for (; depth >= 2; depth -= 2) {  // 1 % faster than one at a time
        add_one();
        add_one();
    }
    if (depth > 0) add_one();
}

/// Logits of a tile: out[i] = sum over k < depth of a[k * R + i] * b[k], and high[i] becomes the highest so far. Not
/// inlined: among other code g++ keeps the sums in memory.
template <std::size_t R>
[[gnu::noinline]] void multiply_keys(const float* a, const float* b, std::size_t depth, float* const (&out)[R],
                                     Pack* high) {
    Pack sums[R][2] = {};
    add_products<1, R>(sums, a, b, depth);
#pragma GCC unroll 12
    for (std::size_t i = 0; i < R; ++i) {
        store(out[i], sums[i][0]);
        store(out[i] + floats_per_pack, sums[i][1]);
        high[i] = larger(sums[i][1], larger(sums[i][0], high[i]));
    }
}

/// Outputs of a tile: out[i] += sum over k < depth of a[i * share_stride + k] * b[k]; rows of out are `stride` floats
/// apart.
template <std::size_t R>
[[gnu::noinline]] void multiply_values(const float* a, const float* b, std::size_t depth, float* out,
                                       std::size_t stride) {
    Pack sums[R][2];
#pragma GCC unroll 12
    for (std::size_t i = 0; i < R; ++i) {
        sums[i][0] = load(out + i * stride);
        sums[i][1] = load(out + i * stride + floats_per_pack);
    }
    add_products<share_stride, 1>(sums, a, b, depth);
#pragma GCC unroll 12
    for (std::size_t i = 0; i < R; ++i) {
        store(out + i * stride, sums[i][0]);
        store(out + i * stride + floats_per_pack, sums[i][1]);
    }
}

/// The numbers of R rows times `factor`, transposed: [width][R]. Writes up to `floats_per_pack` floats behind that.
template <std::size_t R>
void transpose_rows(const float* const (&rows)[R], std::size_t width, float factor, float* transposed) {
    const std::size_t whole = width - width % floats_per_pack;
    // What a pack writes too much is written over by the next one, or by the rows before these.
    for (std::size_t first = (R - 1) / floats_per_pack * floats_per_pack + floats_per_pack; first > 0;) {
        first -= floats_per_pack;
        for (std::size_t column = 0; column < whole; column += floats_per_pack) {
            Pack numbers[floats_per_pack];
            for (std::size_t i = 0; i < floats_per_pack; ++i)
                numbers[i] = load(rows[(std::min)(first + i, R - 1)] + column) * all(factor);
            transpose(numbers);
            for (std::size_t i = 0; i < floats_per_pack; ++i) store(transposed + (column + i) * R + first, numbers[i]);
        }
    }
    for (std::size_t column = whole; column < width; ++column)
        for (std::size_t i = 0; i < R; ++i) transposed[column * R + i] = rows[i][column] * factor;
}

/// One row as it is stored, and what its numbers are to be multiplied by.
template <class Scalar>
struct StoredRow {
    const Scalar* numbers;
    float scale;
};

/// The columns [column, column + floats_per_load) of a row of `width` numbers; zeros behind its end.
template <class Scalar>
[[gnu::always_inline]] inline void widen_load(const StoredRow<Scalar>& row, std::size_t column, std::size_t width,
                                              Loaded<Scalar>& out) {
    if (column + floats_per_load<Scalar> <= width)
        widen(row.numbers + column, out);
    else
        widen_rest(row.numbers + column, width - column, out);
    if constexpr (Rows<Scalar>::scaled)
        for (Pack& pack : out) pack *= all(row.scale);
}
/// Where in its load this element of this pack stands.
template <class Scalar>
constexpr std::size_t place_in_load(std::size_t pack, std::size_t element) {
    return packs_per_load<Scalar> * element + pack;
}

/// Keys of `count` rows as one panel, transposed: [width][panel]. Behind the last row it stands again.
template <class Scalar, class RowAt>
void pack_keys(RowAt row_at, std::size_t count, std::size_t width, float* packed) {
    for (std::size_t half = 0; half < panel; half += floats_per_pack) {
        StoredRow<Scalar> rows[floats_per_pack];
        for (std::size_t i = 0; i < floats_per_pack; ++i) rows[i] = row_at((std::min)(half + i, count - 1));
        for (std::size_t column = 0; column < width; column += floats_per_load<Scalar>) {
            Pack transposed[packs_per_load<Scalar>][floats_per_pack];
            for (std::size_t i = 0; i < floats_per_pack; ++i) {
                Loaded<Scalar> numbers;
                widen_load(rows[i], column, width, numbers);
                for (std::size_t p = 0; p < packs_per_load<Scalar>; ++p) transposed[p][i] = numbers[p];
            }
            for (std::size_t p = 0; p < packs_per_load<Scalar>; ++p) {
                transpose(transposed[p]);
                for (std::size_t i = 0; i < floats_per_pack; ++i)
                    if (const std::size_t at = column + place_in_load<Scalar>(p, i); at < width)
                        store(packed + at * panel + half, transposed[p][i]);
            }
        }
    }
}

/// Values of `count` rows as [whole_panels(width) / panel][slab][panel]. Returns whether all numbers are finite.
template <class Scalar, class RowAt>
bool pack_values(RowAt row_at, std::size_t count, std::size_t width, float* packed) {
    Pack poison{};
    for (std::size_t r = 0; r < count; ++r) {
        const StoredRow<Scalar> row = row_at(r);
        for (std::size_t column = 0; column < width; column += panel) {
            float* const to = packed + column * slab + r * panel;
            for (std::size_t at = 0; at < panel; at += floats_per_load<Scalar>) {
                Loaded<Scalar> numbers{};
                if (column + at < width) widen_load(row, column + at, width, numbers);
                for (const Pack& pack : numbers) poison += pack * all(0);
                from_kernel_order<Scalar>(reinterpret_cast<const float*>(numbers), 1, to + at);
            }
        }
    }
    return sum(poison) == 0;
}

}  // namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET

#endif
