// SPDX-License-Identifier: MIT
#ifndef MSRNN_ATTENTION_VALUE_BYTES_HPP
#define MSRNN_ATTENTION_VALUE_BYTES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include "../config.hpp"
#include "../simd/pack.hpp"
#include "../simd/target.hpp"
#include "bytes.hpp"
#include "row_stream.hpp"

/// What query heads want of int8 values where the processor multiplies bytes; see bytes.hpp.
namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET {

/// The weights of a block, times the scales of its rows, as step * (256 * upper + lower). They have no sign.
struct ByteShares {
    float step;
    alignas(16) std::uint8_t upper[block_rows], lower[block_rows];
};

/// Where add_bytes() has the sum of a column.
constexpr std::size_t place_of_sum(std::size_t column) {
    const std::size_t within = column % byte_chunk;
    return column - within + within / 4 % 4 * 16 + within / 16 * 4 + within % 4;
}
/// Sums of whole chunks into the order of columns, or back: that is the same.
inline void in_order(float* sums, std::size_t width) {
    for (std::size_t column = 0; column < width; ++column)
        if (const std::size_t place = place_of_sum(column); column < place) std::swap(sums[column], sums[place]);
}
/// Sums of one query head, times a factor, in the order of columns.
inline void write_in_order(const float* sums, float factor, float* out, std::size_t columns) {
    std::size_t column = 0;
    for (; column + 4 <= columns; column += 4) store(out + column, load<Quad>(sums + place_of_sum(column)) * factor);
    for (; column < columns; ++column) out[column] = sums[place_of_sum(column)] * factor;
}
/// Whether these scales are no less than zero, and finite.
inline bool are_plain(const float* scales) {
    constexpr float most = (std::numeric_limits<float>::max)();
    const IntPack plain = (load(scales) >= all(0)) & (load(scales) <= all(most));
    return smallest(~plain) == 0;
}

#if MSRNN_TARGET_VNNI

/// Weights that are no less than zero and finite.
inline ByteShares split_shares(const float* share) {
    const Pack shares = load(share);
    const Quad q = fold_to_quad(shares, [](auto a, auto b) { return larger(a, b); });
    const float largest = (std::max)((std::max)((std::max)(q[0], q[1]), (std::max)(q[2], q[3])), 1e-30f);
    ByteShares split;
    split.step = largest / 65535;
    const IntPack numbers = nearest(shares * all(65535 / largest));
    store_bytes(split.upper, numbers >> 8);
    store_bytes(split.lower, numbers);
    return split;
}

typedef std::int16_t Shorts32 __attribute__((vector_size(64)));
/// One element of a and one of b by turns, of the lower or of the upper halves of each 16 bytes.
template <class Vector, bool Upper, std::size_t... I>
Bytes64 by_turns(Bytes64 a, Bytes64 b, std::index_sequence<I...>) {
    constexpr std::size_t all = sizeof...(I), lane = all / 4;
    return bits<Bytes64>(__builtin_shufflevector(
        bits<Vector>(a), bits<Vector>(b), (I / lane * lane + (Upper ? lane / 2 : 0) + I % lane / 2 + I % 2 * all)...));
}
template <class Vector, bool Upper>
Bytes64 by_turns(Bytes64 a, Bytes64 b) {
    return by_turns<Vector, Upper>(a, b, std::make_index_sequence<sizeof(Vector) / sizeof(Vector{}[0])>());
}

/// out[q] += sum over 16 rows of weights[q][row] * row, in the order of place_of_sum(). Rows behind the
/// last one have weights of 0.
[[gnu::noinline]] inline void add_bytes(const std::int8_t* block, std::size_t stride, std::size_t rows,
                                        std::size_t columns, Prefetch& prefetch, const ByteShares* shares,
                                        std::size_t queries, float* out, std::size_t width) {
    Prefetch ahead = prefetch;
#pragma GCC unroll 1
    for (std::size_t c = 0; c < columns; c += byte_chunk) {
        Bytes64 mixed[4][4];  // of rows [4 i, 4 i + 4), column by column
        const std::int8_t* row = block + c;
#pragma GCC unroll 4
        for (std::size_t i = 0; i < 4; ++i) {
            Bytes64 x[4];
#pragma GCC unroll 4
            for (std::size_t j = 0; j < 4; ++j) {
                x[j] = load_bytes(row, columns - c);
                row += 4 * i + j + 1 < rows ? stride : 0;
            }
            ahead.step();
            const Bytes64 ab = by_turns<Chars64, false>(x[0], x[1]);
            const Bytes64 ab_upper = by_turns<Chars64, true>(x[0], x[1]);
            const Bytes64 cd = by_turns<Chars64, false>(x[2], x[3]);
            const Bytes64 cd_upper = by_turns<Chars64, true>(x[2], x[3]);
            mixed[i][0] = by_turns<Shorts32, false>(ab, cd);
            mixed[i][1] = by_turns<Shorts32, true>(ab, cd);
            mixed[i][2] = by_turns<Shorts32, false>(ab_upper, cd_upper);
            mixed[i][3] = by_turns<Shorts32, true>(ab_upper, cd_upper);
        }
#pragma GCC unroll 1
        for (std::size_t q = 0; q < queries; ++q) {
            IntPack sum[2][4] = {};
#pragma GCC unroll 4
            for (std::size_t i = 0; i < 4; ++i) {
                const Bytes64 upper = four_everywhere(shares[q].upper + 4 * i),
                              lower = four_everywhere(shares[q].lower + 4 * i);
#pragma GCC unroll 4
                for (std::size_t j = 0; j < 4; ++j) {
                    sum[0][j] = add_products(sum[0][j], upper, mixed[i][j]);
                    sum[1][j] = add_products(sum[1][j], lower, mixed[i][j]);
                }
            }
            const Pack step = all(shares[q].step);
#pragma GCC unroll 4
            for (std::size_t j = 0; j < 4; ++j) {
                float* const to = out + q * width + c + j * floats_per_pack;
                store(to, load(to) + __builtin_convertvector((sum[0][j] << 8) + sum[1][j], Pack) * step);
            }
        }
    }
    prefetch.go_on(ahead);
}
#else
ByteShares split_shares(const float*);
void add_bytes(const std::int8_t*, std::size_t, std::size_t, std::size_t, Prefetch&, const ByteShares*, std::size_t,
               float*, std::size_t);
#endif

}  // namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET

#endif
