// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

/// Arithmetic on as many floats as one vector register holds.
///
/// A `Pack` is the vector type of g++ and clang: its operators work element by element on every processor, without
/// intrinsics. Its width is that of the instruction set compiled for; without one (or on another architecture than
/// x86) it is 16 bytes. Code compiled for different instruction sets does not link into one program, as with Eigen.
namespace msrnn::detail {

#if defined(__AVX512F__)
inline constexpr std::size_t pack_bytes = 64;
#elif defined(__AVX__)
inline constexpr std::size_t pack_bytes = 32;
#else
inline constexpr std::size_t pack_bytes = 16;
#endif
inline constexpr std::size_t lanes = pack_bytes / sizeof(float);
inline constexpr std::size_t quad_lanes = 4;

typedef float Pack __attribute__((vector_size(pack_bytes)));
typedef std::int32_t IntPack __attribute__((vector_size(pack_bytes)));
typedef std::uint32_t BitPack __attribute__((vector_size(pack_bytes)));
typedef float Quad __attribute__((vector_size(16)));

/// The same bits as another type; std::bit_cast knows no vectors in every compiler.
template <class To, class From>
To bits(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

template <class Vector = Pack>
Vector load(const void* memory) {
    Vector v;
    std::memcpy(&v, memory, sizeof v);
    return v;
}
template <class Vector>
void store(void* memory, Vector v) {
    std::memcpy(memory, &v, sizeof v);
}
template <class Vector = Pack>
Vector all(float x) {
    return x - Vector{};
}
/// Of each pair the larger; the second where one of them is NaN.
template <class Vector>
Vector larger(Vector a, Vector b) {
    return a > b ? a : b;
}

template <class Vector>
float sum(Vector v) {
    float total = v[0];
    for (std::size_t i = 1; i < sizeof v / sizeof total; ++i) total += v[i];
    return total;
}

/// Sums of neighbours: in each 16 bytes, two from `a`, then two from `b`.
template <std::size_t... I>
Pack neighbours(Pack a, Pack b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, ((I % 4 < 2 ? 0 : lanes) + I / 4 * 4 + I % 2 * 2)...) +
           __builtin_shufflevector(a, b, ((I % 4 < 2 ? 0 : lanes) + I / 4 * 4 + I % 2 * 2 + 1)...);
}
/// The lower half of a vector plus its upper half.
template <class Vector, std::size_t... I>
auto halves(Vector v, std::index_sequence<I...>) {
    return __builtin_shufflevector(v, v, I...) + __builtin_shufflevector(v, v, (sizeof...(I) + I)...);
}
template <class Vector>
Quad quarters(Vector v) {
    if constexpr (sizeof(Vector) == sizeof(Quad))
        return bits<Quad>(v);
    else
        return quarters(halves(v, std::make_index_sequence<sizeof(Vector) / sizeof(float) / 2>()));
}
/// {sum of a, sum of b, sum of c, sum of d}. Four at once: one at a time costs more than the products they add up.
inline Quad sums(Pack a, Pack b, Pack c, Pack d) {
    constexpr std::make_index_sequence<lanes> all_lanes;
    return quarters(neighbours(neighbours(a, b, all_lanes), neighbours(c, d, all_lanes), all_lanes));
}

/// e^x for x <= 0, within 2 units in the last place; exactly 0 below -88; NaN stays NaN.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2, e^r by a polynomial of degree 6 (the coefficients of Cephes' expf), times 2^n.
/// Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits, from where it is shifted into an exponent.
inline Pack exp(Pack x) {
    const Pack lowest = all(-88.0f), round = all(0x1.8p23f);
    x = x < lowest ? lowest : x;
    const Pack shifted = x * all(1.44269504f) + round, n = shifted - round;
    const Pack r = (x - n * all(0.693359375f)) - n * all(-2.12194440e-4f);
    Pack p = all(1.9875691500e-4f);
    for (const float coefficient : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 0.5f})
        p = p * r + all(coefficient);
    p = p * (r * r) + r + all(1.0f);
    return p * bits<Pack>((bits<BitPack>(shifted) + 127) << 23);
}

}  // namespace msrnn::detail
