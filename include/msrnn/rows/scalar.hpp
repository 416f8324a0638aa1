// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <utility>

#include "../config.hpp"
#include "../simd/pack.hpp"
#include "sixteen_bits.hpp"
#if defined(__AVX512F__) || defined(__F16C__) || defined(__SSE4_1__)
#include <immintrin.h>
#endif

namespace msrnn::inline MSRNN_ABI {

/// What keys and values may be stored as. Arithmetic on them is float throughout.
///
/// A float is stored as the nearest number of the type, of two equally near ones as the one whose last bit is 0. A
/// finite float beyond the largest number of the type is stored as that largest number, infinities stay infinite, NaN
/// stays NaN (its payload may change). int8 has one scale for each row of each head: number = scale * q with q in
/// [-127, 127] and scale = max|row| / 127, so every number is met within scale / 2, up to rounding; a row that holds a
/// NaN or an infinity is NaN as a whole.
///
/// float, Bfloat16, Half and std::int8_t; Eigen::bfloat16 and Eigen::half are the same bits as ours.
template <class S>
concept StoredScalar = detail::format_of<S>
!= detail::Format::none;

namespace detail {

// A row into memory /////////////////////////////////////////////////////////////////////////////////////////////////

/// Rows of 16-bit numbers: blocks of a fixed length are vectorised by every compiler.
template <class Scalar, class Convert>
void narrow_each(std::span<const float> row, Scalar* stored, Convert convert) {
    constexpr std::size_t block = 16;
    const std::size_t whole = row.size() - row.size() % block;
    std::uint16_t converted[block];
    for (std::size_t i = 0; i < whole; i += block) {
        for (std::size_t j = 0; j < block; ++j) converted[j] = convert(row[i + j]);
        std::memcpy(static_cast<void*>(stored + i), converted, sizeof converted);
    }
    for (std::size_t i = whole; i < row.size(); ++i) {
        converted[0] = convert(row[i]);
        std::memcpy(static_cast<void*>(stored + i), converted, sizeof converted[0]);
    }
}
inline void narrow(std::span<const float> row, float* stored) { std::ranges::copy(row, stored); }
template <IsBfloat16 Scalar>
void narrow(std::span<const float> row, Scalar* stored) {
    narrow_each(row, stored, [](float x) { return bfloat16_bits(x); });
}
template <IsHalf Scalar>
void narrow(std::span<const float> row, Scalar* stored) {
    narrow_each(row, stored, [](float x) { return half_bits(x); });
}
/// Returns the scale of the row.
inline float narrow(std::span<const float> row, std::int8_t* stored) {
    constexpr std::size_t block = 16;
    const std::size_t whole = row.size() - row.size() % block;
    float largest[block] = {}, poison[block] = {};
    const auto look = [&](float x, std::size_t j) {
        largest[j] = std::fabs(x) > largest[j] ? std::fabs(x) : largest[j];
        poison[j] += x * 0;  // NaN where x is not finite
    };
    for (std::size_t i = 0; i < whole; i += block)
        for (std::size_t j = 0; j < block; ++j) look(row[i + j], j);
    for (std::size_t i = whole; i < row.size(); ++i) look(row[i], 0);
    for (std::size_t j = 1; j < block; ++j) {
        largest[0] = (std::max)(largest[0], largest[j]);
        poison[0] += poison[j];
    }
    // So that 127 * scale stays finite.
    const float scale = (std::min)(largest[0], 0x1.fffffap127f) / 127 + poison[0];
    const auto nearest = [scale](float x) {
        const float q = scale > 0 ? x / scale : 0, above = q > 127 ? 127 : q, within = above < -127 ? -127 : above;
        return static_cast<std::int8_t>(bits<std::int32_t>(within + 0x1.8p23f));  // the sum rounds, its low bits are q
    };
    for (std::size_t i = 0; i < whole; i += block)
        for (std::size_t j = 0; j < block; ++j) stored[i + j] = nearest(row[i + j]);
    for (std::size_t i = whole; i < row.size(); ++i) stored[i] = nearest(row[i]);
    return scale;
}

// Numbers out of memory /////////////////////////////////////////////////////////////////////////////////////////////

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

/// What widen() does, in vector types alone.
namespace portable {
template <IsHalf Scalar>
Pack widen(const Scalar* stored) {
    typedef std::uint16_t Halves __attribute__((vector_size(pack_bytes / 2)));
    return half_to_float(__builtin_convertvector(load<Halves>(stored), BitPack));
}
inline Pack widen(const std::int8_t* stored) {
    typedef std::int8_t Bytes __attribute__((vector_size(pack_bytes / 4)));
    typedef std::int16_t Shorts __attribute__((vector_size(pack_bytes / 2)));
    const auto shorts = __builtin_convertvector(load<Bytes>(stored), Shorts);
    return __builtin_convertvector(__builtin_convertvector(shorts, IntPack), Pack);
}
}  // namespace portable

inline void widen(const float* stored, Loaded<float>& out) { out[0] = load(stored); }
template <IsBfloat16 Scalar>
void widen(const Scalar* stored, Loaded<Scalar>& out) {
    const auto words = load<BitPack>(stored);
    out[0] = bits<Pack>(words << 16);
    out[1] = bits<Pack>(words & 0xffff0000u);
}
// g++ 12 makes 6 to 30 instructions of a conversion for which x86 has one. The forms with a mask are the same
// instructions; those without warn of an uninitialised variable of their own.
template <IsHalf Scalar>
void widen(const Scalar* stored, Loaded<Scalar>& out) {
#if defined(__AVX512F__)
    out[0] = bits<Pack>(_mm512_maskz_cvtph_ps(0xffff, load<__m256i>(stored)));
#elif defined(__F16C__)
    out[0] = bits<Pack>(_mm256_cvtph_ps(load<__m128i>(stored)));
#else
    out[0] = portable::widen(stored);
#endif
}
inline void widen(const std::int8_t* stored, Loaded<std::int8_t>& out) {
#if defined(__AVX512F__)
    const auto wide = _mm512_maskz_cvtepi8_epi32(0xffff, load<__m128i>(stored));
    out[0] = __builtin_convertvector(bits<IntPack>(wide), Pack);
#elif defined(__AVX2__)
    const auto wide = _mm256_cvtepi8_epi32(_mm_cvtsi64_si128(load<long long>(stored)));
    out[0] = __builtin_convertvector(bits<IntPack>(wide), Pack);
#elif defined(__SSE4_1__) && !defined(__AVX__)
    const auto wide = _mm_cvtepi8_epi32(_mm_cvtsi32_si128(load<std::int32_t>(stored)));
    out[0] = __builtin_convertvector(bits<IntPack>(wide), Pack);
#else
    out[0] = portable::widen(stored);
#endif
}

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

}  // namespace detail
}  // namespace msrnn::inline MSRNN_ABI
