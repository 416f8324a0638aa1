// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "../config.hpp"
#include "../simd/pack.hpp"

namespace Eigen {
struct bfloat16;
struct half;
}  // namespace Eigen

namespace msrnn::inline MSRNN_ABI {
namespace detail {

inline std::uint16_t bfloat16_bits(float x) {
    const auto u = bits<std::uint32_t>(x), sign = u >> 16 & 0x8000u, magnitude = u & 0x7fffffffu;
    const std::uint32_t nearest = (magnitude + 0x7fffu + (magnitude >> 16 & 1u)) >> 16;
    const std::uint32_t finite = nearest < 0x7f7fu ? nearest : 0x7f7fu;
    const std::uint32_t special = magnitude > 0x7f800000u ? 0x7fc0u : 0x7f80u;
    return static_cast<std::uint16_t>(sign | (magnitude < 0x7f800000u ? finite : special));
}
inline std::uint16_t half_bits(float x) {
    const auto u = bits<std::uint32_t>(x), sign = u >> 16 & 0x8000u, magnitude = u & 0x7fffffffu;
    // Numbers from 2^-14 on get a smaller exponent. Below that a float adder rounds: 0.5 has the right last bit.
    const std::uint32_t normal = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
    const std::uint32_t subnormal = bits<std::uint32_t>(bits<float>(magnitude) + 0.5f) - 0x3f000000u;
    const std::uint32_t nearest = magnitude < 0x38800000u ? subnormal : normal;
    const std::uint32_t finite = nearest < 0x7bffu ? nearest : 0x7bffu;
    const std::uint32_t special = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
    return static_cast<std::uint16_t>(sign | (magnitude < 0x7f800000u ? finite : special));
}
/// Halves in the low 16 bits of each element, as floats. No step has a subnormal float: a host may flush them to zero.
inline Pack half_to_float(BitPack half) {
    const BitPack magnitude = (half & 0x7fffu) << 13;
    const BitPack normal = magnitude + (112u << 23);
    const BitPack subnormal = bits<BitPack>(bits<Pack>(magnitude + (113u << 23)) - all(0x1p-14f));
    const BitPack special = magnitude | 0x7f800000u;
    // Signed comparisons: SSE2 has no others.
    const BitPack finite = bits<IntPack>(magnitude) < 0x00800000 ? subnormal : normal;
    const BitPack number = bits<IntPack>(magnitude) >= 0x0f800000 ? special : finite;
    return bits<Pack>(number | (half & 0x8000u) << 16);
}

}  // namespace detail

/// A float cut to its upper 16 bits: sign, 8 bits of exponent, 7 of mantissa. Rounded as StoredScalar says. Its bits
/// are those of Eigen::bfloat16, __bf16 and every file format.
struct Bfloat16 {
    std::uint16_t pattern = 0;

    Bfloat16() = default;
    /// Rounded.
    explicit Bfloat16(float number) : pattern(detail::bfloat16_bits(number)) {}
    /// Exact.
    operator float() const { return detail::bits<float>(static_cast<std::uint32_t>(pattern) << 16); }
};

/// The half precision of IEEE 754: sign, 5 bits of exponent, 10 of mantissa; the bits of Eigen::half and _Float16.
struct Half {
    std::uint16_t pattern = 0;

    Half() = default;
    /// Rounded.
    explicit Half(float number) : pattern(detail::half_bits(number)) {}
    /// Exact.
    operator float() const { return detail::half_to_float(detail::BitPack{} + pattern)[0]; }
};

namespace detail {

enum class Format { none, float32, bfloat16, half, int8 };

/// How a type of rows lays out its bits. Eigen's types are known by name, without Eigen.
template <class S>
inline constexpr Format format_of = Format::none;
template <>
inline constexpr Format format_of<float> = Format::float32;
template <>
inline constexpr Format format_of<Bfloat16> = Format::bfloat16;
template <>
inline constexpr Format format_of<Eigen::bfloat16> = Format::bfloat16;
template <>
inline constexpr Format format_of<Half> = Format::half;
template <>
inline constexpr Format format_of<Eigen::half> = Format::half;
template <>
inline constexpr Format format_of<std::int8_t> = Format::int8;

template <class S>
concept IsBfloat16 = format_of<S>
== Format::bfloat16;
template <class S>
concept IsHalf = format_of<S>
== Format::half;

}  // namespace detail
}  // namespace msrnn::inline MSRNN_ABI
