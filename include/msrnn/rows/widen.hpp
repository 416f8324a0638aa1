// SPDX-License-Identifier: MIT
#ifndef MSRNN_ROWS_WIDEN_HPP
#define MSRNN_ROWS_WIDEN_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "../config.hpp"
#include "../simd/pack.hpp"
#include "../simd/target.hpp"
#include "scalar.hpp"
#include "sixteen_bits.hpp"

/// Numbers of rows out of memory, as floats.
namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET {

/// The packs of one load: what is read from a row at once. Two of bfloat16 make up a 32-bit word, and there a shift
/// and a mask turn the even ones and the odd ones into floats, cheaper than a conversion in order. So the packs of a
/// load may hold its numbers in an order of their own, the kernel's: to_kernel_order(), from_kernel_order().
template <class Scalar>
inline constexpr std::size_t packs_per_load = IsBfloat16<Scalar> ? 2 : 1;
template <class Scalar>
inline constexpr std::size_t floats_per_load = packs_per_load<Scalar>* floats_per_pack;
template <class Scalar>
using Loaded = Pack[packs_per_load<Scalar>];

/// So many numbers, rounded up to whole loads.
template <class Scalar>
constexpr std::size_t whole_loads(std::size_t numbers) {
    return (numbers + floats_per_load<Scalar> - 1) / floats_per_load<Scalar> * floats_per_load<Scalar>;
}

inline void widen(const float* stored, Loaded<float>& out) { out[0] = load(stored); }
template <IsBfloat16 Scalar>
void widen(const Scalar* stored, Loaded<Scalar>& out) {
    const auto words = load<BitPack>(stored);
    out[0] = bits<Pack>(words << 16);
    out[1] = bits<Pack>(words & 0xffff0000u);
}
typedef std::uint8_t Bytes16 __attribute__((vector_size(16)));
typedef std::uint16_t Words8 __attribute__((vector_size(16)));

// g++ 12 makes 6 to 30 instructions of a conversion for which a processor has one or two; clang finds them. Without
// <immintrin.h>, which has more lines than everything else that a door includes.
template <IsHalf Scalar>
void widen(const Scalar* stored, Loaded<Scalar>& out) {
#if defined(__clang__) && (MSRNN_TARGET_CONVERTS || defined(__aarch64__))
    typedef __fp16 Halves __attribute__((vector_size(pack_bytes / 2)));
    out[0] = __builtin_convertvector(load<Halves>(stored), Pack);
#elif defined(__aarch64__)
    asm("fcvtl %0.4s, %1.4h" : "=w"(out[0]) : "w"(load<std::uint64_t>(stored)));
#elif MSRNN_TARGET_BYTES == 64
    typedef std::int16_t Halves __attribute__((vector_size(32)));
    out[0] = __builtin_ia32_vcvtph2ps512_mask(load<Halves>(stored), Pack{}, -1, 4);  // 4: rounded as ever
#elif MSRNN_TARGET_CONVERTS
    typedef std::int16_t Halves __attribute__((vector_size(16)));
    out[0] = __builtin_ia32_vcvtph2ps256(load<Halves>(stored));
#elif defined(__SSE2__) && MSRNN_TARGET_BYTES == 16
    typedef long long Longs __attribute__((vector_size(16)));
    const auto halves = bits<Words8>(Longs{load<long long>(stored), 0});
    out[0] = half_to_float(bits<BitPack>(lower_by_turns(halves, Words8{}, std::make_index_sequence<8>())));
#else
    out[0] = portable::widen(stored);
#endif
}
inline void widen(const std::int8_t* stored, Loaded<std::int8_t>& out) {
#if defined(__clang__)
    typedef std::int8_t Bytes __attribute__((vector_size(pack_bytes / 4)));
    out[0] = __builtin_convertvector(load<Bytes>(stored), Pack);
#elif defined(__aarch64__)
    IntPack numbers;
    asm("sxtl %0.8h, %1.8b\n\tsxtl %0.4s, %0.4h" : "=w"(numbers) : "w"(load<std::int32_t>(stored)));
    out[0] = __builtin_convertvector(numbers, Pack);
#elif MSRNN_TARGET_BYTES == 64
    typedef char Bytes __attribute__((vector_size(16)));
    out[0] = __builtin_convertvector(__builtin_ia32_pmovsxbd512_mask(load<Bytes>(stored), IntPack{}, 0xffff), Pack);
#elif MSRNN_TARGET_CONVERTS
    typedef char Bytes __attribute__((vector_size(16)));
    typedef long long Longs __attribute__((vector_size(16)));
    const auto bytes = bits<Bytes>(Longs{load<long long>(stored), 0});
    out[0] = __builtin_convertvector(__builtin_ia32_pmovsxbd256(bytes), Pack);
#elif defined(__SSE4_1__) && MSRNN_TARGET_BYTES == 16
    typedef char Bytes __attribute__((vector_size(16)));
    const auto bytes = bits<Bytes>(IntPack{load<std::int32_t>(stored), 0, 0, 0});
    out[0] = __builtin_convertvector(__builtin_ia32_pmovsxbd128(bytes), Pack);
#elif defined(__SSE2__) && MSRNN_TARGET_BYTES == 16
    const auto bytes = bits<Bytes16>(IntPack{load<std::int32_t>(stored), 0, 0, 0});
    const auto words = bits<Words8>(lower_by_turns(Bytes16{}, bytes, std::make_index_sequence<16>()));
    const auto upper = bits<IntPack>(lower_by_turns(Words8{}, words, std::make_index_sequence<8>()));
    out[0] = __builtin_convertvector(upper >> 24, Pack);
#else
    out[0] = portable::widen(stored);
#endif
}

// Whole rows where there are no such instructions /////////////////////////////////////////////////////////////////

#if defined(__SSE2__) && !MSRNN_TARGET_CONVERTS
/// Whether a number should be widened once, and not again by each kernel that reads it.
template <class Scalar>
inline constexpr bool dear_to_widen = IsHalf<Scalar> || format_of<Scalar> == Format::int8;
/// Whether a kernel for one query head takes whole runs.
template <class Scalar>
inline constexpr bool takes_runs = dear_to_widen<Scalar>&& floats_per_pack == 4;
inline constexpr std::size_t run_numbers = 32;  // numbers of a run

template <class Scalar>
[[gnu::noinline, gnu::cold]] void widen_any_run(const Scalar* stored, float* wide) {
    for (std::size_t i = 0; i < run_numbers; i += floats_per_pack) {
        Loaded<Scalar> pack;
        widen(stored + i, pack);
        store(wide + i, pack[0]);
    }
}
/// Calls use(index, quad) for the quads of a run, as floats in their order.
///
/// Six instructions for eight halves, in words of 16 bits: three bits down, and the bias of a float. That is wrong for
/// exponents 0 and 31; three instructions ask whether the run has one, and then it goes another way. All are an
/// integer's, so a host may flush subnormal floats. (Zero and subnormal without a branch take 20.)
template <IsHalf Scalar, class Use>
[[gnu::always_inline]] inline void each_of_run(const Scalar* stored, Use use) {
    typedef std::int16_t Shorts __attribute__((vector_size(16)));
    typedef char Chars __attribute__((vector_size(16)));
    constexpr std::make_index_sequence<8> indices;
    Shorts least = Shorts{} + 0x7800;
#pragma GCC unroll 4
    for (std::size_t i = 0; i < run_numbers; i += 8) {
        const Shorts exponent = bits<Shorts>((load<Words8>(stored + i) + 0x0400) & 0x7800);  // 0 for 0 and 31
        least = exponent < least ? exponent : least;
    }
    if (__builtin_ia32_pmovmskb128(bits<Chars>(least == 0)) != 0) [[unlikely]] {
        alignas(16) float numbers[run_numbers];
        widen_any_run(stored, numbers);
#pragma GCC unroll 8
        for (std::size_t i = 0; i < run_numbers / 4; ++i) use(i, load<Quad>(numbers + 4 * i));
        return;
    }
#pragma GCC unroll 4
    for (std::size_t i = 0; i < run_numbers; i += 8) {
        const auto half = load<Words8>(stored + i);
        const Words8 upper = (bits<Words8>(bits<Shorts>(half) >> 3) & 0x8fff) + 0x3800, lower = half << 13;
        use(i / 4, bits<Quad>(lower_by_turns(lower, upper, indices)));
        use(i / 4 + 1, bits<Quad>(upper_by_turns(lower, upper, indices)));
    }
}
/// Eleven instructions for sixteen bytes: number + 128 as the last bits of 2^23 + 128 + number.
template <class Use>
[[gnu::always_inline]] inline void each_of_run(const std::int8_t* stored, Use use) {
    constexpr std::make_index_sequence<16> bytes;
    constexpr std::make_index_sequence<8> words;
    const Words8 upper = Words8{} + 0x4b00;
    const auto number = [](Words8 pairs) { return bits<Quad>(pairs) - (0x1p23f + 128); };
#pragma GCC unroll 2
    for (std::size_t i = 0; i < run_numbers; i += 16) {
        const Bytes16 positive = load<Bytes16>(stored + i) ^ 0x80;
        const auto low = bits<Words8>(lower_by_turns(positive, Bytes16{}, bytes)),
                   high = bits<Words8>(upper_by_turns(positive, Bytes16{}, bytes));
        use(i / 4, number(lower_by_turns(low, upper, words)));
        use(i / 4 + 1, number(upper_by_turns(low, upper, words)));
        use(i / 4 + 2, number(lower_by_turns(high, upper, words)));
        use(i / 4 + 3, number(upper_by_turns(high, upper, words)));
    }
}
template <class Scalar>
[[gnu::always_inline]] inline void widen_run(const Scalar* stored, float* wide) {
    each_of_run(
        stored, [wide](std::size_t i, Quad quad) __attribute__((always_inline)) { store(wide + 4 * i, quad); });
}
/// A row as floats, in its order; `wide` has room for whole runs.
template <class Scalar>
[[gnu::noinline]] void widen_row(const Scalar* row, std::size_t width, float* wide) {
    std::size_t at = 0;
    for (; at + run_numbers <= width; at += run_numbers) widen_run(row + at, wide + at);
    if (at == width) return;
    if (width > run_numbers)
        return widen_run(row + width - run_numbers, wide + width - run_numbers);  // some of them once more
    Scalar padded[run_numbers] = {};
    std::copy_n(row, width, padded);
    widen_run(padded, wide);
}
#else
template <class Scalar>
inline constexpr bool dear_to_widen = false;
template <class Scalar>
inline constexpr bool takes_runs = false;
inline constexpr std::size_t run_numbers = 1;
#endif

// In the order of the kernel //////////////////////////////////////////////////////////////////////////////////////

template <std::size_t... I>
void split_pairs(const float* numbers, float factor, float* ordered, std::index_sequence<I...>) {
    const Pack a = load(numbers) * all(factor), b = load(numbers + floats_per_pack) * all(factor);
    store(ordered, __builtin_shufflevector(a, b, (2 * I)...));
    store(ordered + floats_per_pack, __builtin_shufflevector(a, b, (2 * I + 1)...));
}
/// The numbers of a load times a factor, into the order of the kernel and out of it.
template <class Scalar>
void to_kernel_order(const float* numbers, float factor, float* ordered) {
    if constexpr (packs_per_load<Scalar> == 2)
        split_pairs(numbers, factor, ordered, std::make_index_sequence<floats_per_pack>());
    else
        store(ordered, load(numbers) * all(factor));
}
template <class Scalar>
void from_kernel_order(const float* ordered, float factor, float* numbers) {
    if constexpr (packs_per_load<Scalar> == 2) {
        constexpr std::make_index_sequence<floats_per_pack> indices;
        const Pack even = load(ordered) * all(factor), odd = load(ordered + floats_per_pack) * all(factor);
        store(numbers, lower_by_turns(even, odd, indices));
        store(numbers + floats_per_pack, upper_by_turns(even, odd, indices));
    } else
        store(numbers, load(ordered) * all(factor));
}

/// The same for a row; in the order of the kernel zeros fill the last load.
template <class Scalar>
[[gnu::always_inline]] inline void row_to_kernel_order(const float* numbers, std::size_t count, float factor,
                                                       float* ordered) {
    constexpr std::size_t step = floats_per_load<Scalar>;
    const std::size_t whole = count - count % step;
    for (std::size_t at = 0; at < whole; at += step) to_kernel_order<Scalar>(numbers + at, factor, ordered + at);
    if (whole == count) return;
    float padded[step] = {};
    std::copy_n(numbers + whole, count - whole, padded);
    to_kernel_order<Scalar>(padded, factor, ordered + whole);
}
template <class Scalar>
[[gnu::always_inline]] inline void row_from_kernel_order(const float* ordered, std::size_t count, float factor,
                                                         float* numbers) {
    constexpr std::size_t step = floats_per_load<Scalar>;
    const std::size_t whole = count - count % step;
    for (std::size_t at = 0; at < whole; at += step) from_kernel_order<Scalar>(ordered + at, factor, numbers + at);
    if (whole == count) return;
    float padded[step];
    from_kernel_order<Scalar>(ordered + whole, factor, padded);
    std::copy_n(padded, count - whole, numbers + whole);
}

}  // namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET

#endif
