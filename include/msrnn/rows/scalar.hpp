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

/// What widen() in widen.hpp does, in vector types alone.
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

}  // namespace detail
}  // namespace msrnn::inline MSRNN_ABI
