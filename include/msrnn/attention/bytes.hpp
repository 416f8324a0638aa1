// SPDX-License-Identifier: MIT
#ifndef MSRNN_ATTENTION_BYTES_HPP
#define MSRNN_ATTENTION_BYTES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "../config.hpp"
#include "../rows/scalar.hpp"
#include "../rows/sixteen_bits.hpp"
#include "../rows/widen.hpp"
#include "../simd/pack.hpp"
#include "../simd/target.hpp"
#include "row_stream.hpp"

/// int8 rows where the processor multiplies bytes: four products and their sum are one element of an instruction.
/// Queries and weights become whole numbers of 16 bits times a step, each in two bytes. Sums are whole numbers and
/// exact, so the order of reading does not change a bit of them.
namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET {

#if MSRNN_TARGET_VNNI
inline constexpr bool multiplies_bytes = true;
#else
inline constexpr bool multiplies_bytes = false;
#endif
template <class Scalar>
inline constexpr bool by_bytes = multiplies_bytes&& format_of<Scalar> == Format::int8;

inline constexpr std::size_t byte_chunk = 64;  // columns that are worked on together

/// Floats that a query or an output has room for.
template <class Scalar>
constexpr std::size_t padded_width(std::size_t numbers) {
    if constexpr (by_bytes<Scalar>) return (numbers + byte_chunk - 1) / byte_chunk * byte_chunk;
    return whole_loads<Scalar>(numbers);
}

/// A query as step * (256 * upper + lower), and 128 times the sum of its numbers: keys are read as 128 more than they
/// are, without a sign.
struct ByteQuery {
    float step;
    std::int32_t bias;
};
#if MSRNN_TARGET_VNNI

typedef long long Bytes64 __attribute__((vector_size(64)));
typedef char Chars64 __attribute__((vector_size(64)));

/// `columns` bytes, at most 64; zeros behind them.
inline Bytes64 load_bytes(const std::int8_t* memory, std::size_t columns) {
    if (columns >= byte_chunk) return load<Bytes64>(memory);
    const std::uint64_t mask = (std::uint64_t{1} << columns) - 1;
#ifdef __clang__
    return bits<Bytes64>(__builtin_ia32_loaddquqi512_mask(reinterpret_cast<const Chars64*>(memory), Chars64{}, mask));
#else
    return bits<Bytes64>(__builtin_ia32_loaddquqi512_mask(reinterpret_cast<const char*>(memory), Chars64{}, mask));
#endif
}
inline IntPack nearest(Pack x) {
#ifdef __clang__
    return __builtin_ia32_cvtps2dq512_mask(x, IntPack{}, 0xffff, 4);
#else
    return __builtin_ia32_cvtps2dq512_mask(x, IntPack{}, -1, 4);
#endif
}
inline void store_bytes(void* memory, IntPack numbers) {
    typedef std::int8_t Bytes __attribute__((vector_size(16)));
    store(memory, __builtin_convertvector(numbers, Bytes));
}
/// Products of bytes without a sign and bytes with one, four in an element.
inline IntPack add_products(IntPack sum, Bytes64 without, Bytes64 with) {
#ifdef __clang__
    return __builtin_ia32_vpdpbusd512(sum, bits<IntPack>(without), bits<IntPack>(with));
#else
    return __builtin_ia32_vpdpbusd_v16si(sum, bits<IntPack>(without), bits<IntPack>(with));
#endif
}
inline Bytes64 four_everywhere(const void* bytes) {
    std::int32_t word;
    std::memcpy(&word, bytes, sizeof word);
    return bits<Bytes64>(IntPack{} + word);
}

inline std::int32_t sum_of(IntPack numbers) {
    const auto q = fold_to_quad(numbers, [](auto a, auto b) { return a + b; });
    return q[0] + q[1] + q[2] + q[3];
}
/// bytes: [2][padded_width], upper ones and lower ones. A query that holds no finite number has a step that is NaN.
[[gnu::noinline]] inline ByteQuery split_query(const float* query, std::size_t head_dim, float factor,
                                               std::int8_t* bytes) {
    const std::size_t width = padded_width<std::int8_t>(head_dim), whole = head_dim - head_dim % floats_per_pack;
    float padded[floats_per_pack] = {};
    std::copy_n(query + whole, head_dim - whole, padded);
    const auto each = [&](auto use) __attribute__((always_inline)) {
        for (std::size_t d = 0; d < whole; d += floats_per_pack) use(load(query + d), d);
        if (whole < head_dim) use(load(padded), whole);
    };
    Pack high = all(1e-30f), poison{};
    each([&](Pack x, std::size_t) {
        high = larger(bits<Pack>(bits<BitPack>(x) & 0x7fffffffu), high);
        poison += x * all(0);
    });
    const float largest = -smallest(-high);
    constexpr float most = 32512;
    if (width != head_dim) std::fill_n(bytes, 2 * width, std::int8_t{0});
    IntPack all_numbers{};
    each([&](Pack x, std::size_t d) {
        const IntPack numbers = nearest(x * all(most / largest));
        all_numbers += numbers;
        store_bytes(bytes + d, (numbers + 128) >> 8);
        store_bytes(bytes + width + d, numbers);  // the lowest byte, with a sign
    });
    return {largest / most * factor + sum(poison), 128 * sum_of(all_numbers)};
}

/// Of two packs the lower or the upper neighbours, one number, two or four at a time: which of their 32 numbers.
constexpr std::size_t neighbour(std::size_t together, bool upper, std::size_t i) {
    if (together == 1) return i % 2 * floats_per_pack + i / 4 * 4 + i % 4 / 2 + (upper ? 2 : 0);
    if (together == 2) return i % 4 / 2 * floats_per_pack + i / 4 * 4 + i % 2 + (upper ? 2 : 0);
    return i / 4 * 8 + i % 4 + (upper ? 4 : 0);
}
template <std::size_t Together, bool Upper, std::size_t... I>
Pack neighbours(Pack a, Pack b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, (neighbour(Together, Upper, I))...);
}
template <std::size_t Together>
[[gnu::always_inline]] inline void take_neighbours(Pack a, Pack b, Pack& lower, Pack& upper) {
    constexpr std::make_index_sequence<floats_per_pack> indices;
    lower = neighbours<Together, false>(a, b, indices);
    upper = neighbours<Together, true>(a, b, indices);
}
/// Words of 16 rows become columns. Faster here than transpose(), whose shuffles all cross lanes.
[[gnu::always_inline]] inline void turn(Pack (&r)[16]) {
    Pack t[16];
#pragma GCC unroll 8
    for (std::size_t i = 0; i < 16; i += 2) take_neighbours<1>(r[i], r[i + 1], t[i], t[i + 1]);
#pragma GCC unroll 4
    for (std::size_t i = 0; i < 16; i += 4) {
        take_neighbours<2>(t[i], t[i + 2], r[i], r[i + 1]);
        take_neighbours<2>(t[i + 1], t[i + 3], r[i + 2], r[i + 3]);
    }
#pragma GCC unroll 8
    for (std::size_t i = 0; i < 8; ++i) {
        const std::size_t j = i / 4 * 8 + i % 4;
        take_neighbours<4>(r[j], r[j + 4], t[j], t[j + 4]);
    }
#pragma GCC unroll 8
    for (std::size_t i = 0; i < 8; ++i) take_neighbours<4>(t[i], t[i + 8], r[i], r[i + 8]);
}

/// The same sum of the first `columns` numbers of a query.
inline std::int32_t bias_of(const std::int8_t* bytes, std::size_t width, std::size_t columns) {
    const Bytes64 ones = bits<Bytes64>(IntPack{} + 0x01010101);
    IntPack sum{};
    for (std::size_t column = 0; column < columns; column += byte_chunk)
        sum = add_products(sum, ones, load<Bytes64>(bytes + width + column)) +
              (add_products(IntPack{}, ones, load<Bytes64>(bytes + column)) << 8);
    return 128 * sum_of(sum);
}
/// Logits of a block for all query heads; bytes: [queries][2][width], first: [queries] rows, `stride` floats apart.
/// Behind the end the last row stands once more.
[[gnu::noinline]] inline void dot_bytes(const std::int8_t* block, std::size_t stride, std::size_t rows,
                                        std::size_t head_dim, Prefetch& prefetch, const std::int8_t* bytes,
                                        const ByteQuery* query, std::size_t queries, const float* scales, float* first,
                                        std::size_t logit_stride, Pack* high) {
    constexpr std::size_t most_words = 64;  // of a row, turned together
    const std::size_t width = padded_width<std::int8_t>(head_dim);
    alignas(64) std::int8_t turned[most_words][byte_chunk];
    const Bytes64 sign = bits<Bytes64>(IntPack{} + static_cast<std::int32_t>(0x80808080u));
    Prefetch ahead = prefetch;
    for (std::size_t column = 0; column < head_dim; column += 4 * most_words) {
        const std::size_t end = (std::min)(head_dim, column + 4 * most_words);
#pragma GCC unroll 1
        for (std::size_t c = column; c < end; c += byte_chunk) {
            Pack r[16];
            const std::int8_t* row = block + c;
#pragma GCC unroll 16
            for (std::size_t i = 0; i < 16; ++i) {
                r[i] = bits<Pack>(load_bytes(row, head_dim - c) ^ sign);
                row += i + 1 < rows ? stride : 0;
                if (i % 4 == 3) ahead.step();
            }
            turn(r);
#pragma GCC unroll 16
            for (std::size_t i = 0; i < 16; ++i) store(turned[(c - column) / 4 + i], r[i]);
        }
        const std::size_t words = padded_width<std::int8_t>(end - column) / 4;
        const auto add = [&]<std::size_t Q>(std::integral_constant<std::size_t, Q>, std::size_t q) {
            const std::int8_t* const at = bytes + 2 * q * width + column;
            constexpr std::size_t chains = Q == 1 ? 4 : 2;  // else each product would wait for the one before it
            IntPack sum[chains][Q][2] = {};
#pragma GCC unroll 1
            for (std::size_t j = 0; j < words; j += chains)
#pragma GCC unroll 4
                for (std::size_t chain = 0; chain < chains; ++chain) {
                    const Bytes64 keys = load<Bytes64>(turned[j + chain]);
#pragma GCC unroll 4
                    for (std::size_t i = 0; i < Q; ++i)
#pragma GCC unroll 2
                        for (std::size_t part = 0; part < 2; ++part)
                            sum[chain][i][part] =
                                add_products(sum[chain][i][part], keys,
                                             four_everywhere(at + (2 * i + part) * width + 4 * (j + chain)));
                }
#pragma GCC unroll 4
            for (std::size_t i = 0; i < Q; ++i) {
                float* const logits = first + (q + i) * logit_stride;
                IntPack whole{};
#pragma GCC unroll 4
                for (const auto& chain : sum) whole += (chain[i][0] << 8) + chain[i][1];
                // Sums of 256 columns fit 32 bits.
                whole -= head_dim <= 4 * most_words ? query[q + i].bias : bias_of(at + 2 * i * width, width, 4 * words);
                Pack logit = __builtin_convertvector(whole, Pack);
                if (column > 0) logit += load(logits);
                if (end == head_dim) logit *= load(scales) * all(query[q + i].step);
                store(logits, logit);
                if (end < head_dim) continue;
                high[q + i] = larger(logit, high[q + i]);
            }
        };
        std::size_t q = 0;
        for (; q + 4 <= queries; q += 4) add(std::integral_constant<std::size_t, 4>{}, q);
        for (; q < queries; ++q) add(std::integral_constant<std::size_t, 1>{}, q);
    }
    prefetch.go_on(ahead);
}
#else
ByteQuery split_query(const float*, std::size_t, float, std::int8_t*);
void dot_bytes(const std::int8_t*, std::size_t, std::size_t, std::size_t, Prefetch&, const std::int8_t*,
               const ByteQuery*, std::size_t, const float*, float*, std::size_t, Pack*);
#endif

}  // namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET

#endif
