// SPDX-License-Identifier: MIT
#ifndef MSRNN_SIMD_EXP_HPP
#define MSRNN_SIMD_EXP_HPP

#include <cstddef>

#include "../config.hpp"
#include "pack.hpp"

namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET {

/// e^x for x <= 0, within 2 units in the last place; 0 below -87.69, where e^x is no normal number; NaN stays NaN.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2, e^r by a polynomial of degree 6 (the coefficients of Cephes' expf), times 2^n.
/// Rounded by a conversion to integers: adding and taking away 1.5 * 2^23 is undone under -ffast-math.
inline Pack exp(Pack x) {
    const Pack lowest = all(-88.0f);
    x = x < lowest ? lowest : x;
    const auto n = __builtin_convertvector(x * all(1.44269504f) - all(0.5f), IntPack);
    const auto whole = __builtin_convertvector(n, Pack);
    const Pack r = (x - whole * all(0.693359375f)) - whole * all(-2.12194440e-4f);
    Pack p = all(1.9875691500e-4f);
    for (const float coefficient : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 0.5f})
        p = p * r + all(coefficient);
    p = p * (r * r) + r + all(1.0f);
    return p * bits<Pack>((bits<BitPack>(n) + 127) << 23);
}

#if MSRNN_TARGET_BYTES == 64
// AVX-512 rounds and multiplies by a power of two in one instruction each: 2^x takes a fifth less time.
typedef Pack Exponents;
/// packs[i] = n[i] + what is left, which is from -0.5 to 0.5.
template <std::size_t N>
[[gnu::always_inline]] inline void split_exponents(Pack (&packs)[N], Exponents (&n)[N]) {
    for (std::size_t i = 0; i < N; ++i) asm("vrndscaleps $8, %1, %0" : "=v"(n[i]) : "v"(packs[i]));
    for (std::size_t i = 0; i < N; ++i) packs[i] -= n[i];
}
/// x * 2^n; 0 where n is less than -126, whatever x is.
inline Pack times_power(Pack x, Exponents n) {
    unsigned short normal;
    asm("vcmpps $21, %2, %1, %0" : "=Yk"(normal) : "v"(n), "v"(all(-126)));  // not less, or NaN
    asm("vscalefps %2, %1, %0%{%3%}%{z%}" : "=v"(x) : "v"(x), "v"(n), "Yk"(normal));
    return x;
}
#else
typedef IntPack Exponents;
template <std::size_t N>
[[gnu::always_inline]] inline void split_exponents(Pack (&packs)[N], Exponents (&n)[N]) {
    const Pack lowest = pin(all(-127.0f));  // of a constant g++ makes two instructions
    for (Pack& x : packs) x = larger(lowest, x);
    for (std::size_t i = 0; i < N; ++i) n[i] = __builtin_convertvector(packs[i] - all(0.5f), IntPack);
    for (std::size_t i = 0; i < N; ++i) packs[i] -= __builtin_convertvector(n[i], Pack);
}
inline Pack times_power(Pack x, Exponents n) { return x * bits<Pack>((bits<BitPack>(n) + 127) << 23); }
#endif

/// 2^x for x <= 0, within 2 units in the last place; 0 below -126.5, where 2^x is no normal number; NaN stays NaN.
/// There is no range to reduce: a softmax has log2(e) in its queries already. Of several packs step by step: one after
/// the other, each waits for itself, and a processor does not look far enough ahead for the next one.
template <std::size_t N>
[[gnu::always_inline]] inline void exp2(Pack (&packs)[N]) {
    Exponents n[N];
    Pack p[N];
    split_exponents(packs, n);
    keep_step(packs);
    for (Pack& sum : p) sum = all(1.54653e-4f);
    for (const float coefficient : {1.33908e-3f, 9.618129e-3f, 5.5503324e-2f, 2.4022651e-1f, 6.9314718e-1f, 1.0f}) {
        for (std::size_t i = 0; i < N; ++i) p[i] = p[i] * packs[i] + all(coefficient);
        keep_step(p);
    }
    for (std::size_t i = 0; i < N; ++i) packs[i] = times_power(p[i], n[i]);
}
inline Pack exp2(Pack x) {
    Pack one[1] = {x};
    exp2(one);
    return one[0];
}

/// tanh x, within 3 units in the last place; NaN stays NaN.
///
/// Near zero x + x^3 times a polynomial in x^2 (the coefficients of Cephes' tanhf), else (1 - e) / (1 + e) with
/// e = e^(-2 |x|), and the sign of x.
inline Pack tanh(Pack x) {
    const Pack magnitude = bits<Pack>(bits<BitPack>(x) & 0x7fffffffu);
    const Pack e = exp(magnitude * all(-2.0f));
    const Pack beyond = (all(1.0f) - e) / (all(1.0f) + e);
    const Pack square = x * x;
    Pack p = all(-5.70498872745e-3f);
    for (const float coefficient : {2.06390887954e-2f, -5.37397155531e-2f, 1.33314422036e-1f, -3.33332819422e-1f})
        p = p * square + all(coefficient);
    const Pack within = p * square * x + x;
    const Pack far_out = bits<Pack>(bits<BitPack>(beyond) | (bits<BitPack>(x) & 0x80000000u));
    const Pack number = magnitude < all(0.625f) ? within : far_out;
    return x == x ? number : x;
}

}  // namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET

#endif
