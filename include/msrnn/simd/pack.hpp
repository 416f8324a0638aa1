// SPDX-License-Identifier: MIT
#ifndef MSRNN_SIMD_PACK_HPP
#define MSRNN_SIMD_PACK_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "../config.hpp"
#include "target.hpp"

#if !defined(__clang__) && (!defined(__GNUC__) || __GNUC__ < 12)
#error msrnn attends with g++ 12 or clang 14, or newer; with other compilers decide.hpp and any_policy.hpp can be used
#include "compile_with_g++_12"  // there is none: the compiler stops here, before hundreds of other errors
#endif

/// Arithmetic on as many floats as one vector register holds.
///
/// A `Pack` is the vector type of g++ and clang: its operators work element by element on every processor, without
/// intrinsics. Its width is that of the instruction set compiled for; without one (or on another architecture than
/// x86) it is 16 bytes. Packs of different widths lie in different namespaces, see MSRNN_ABI.
namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET {

inline constexpr std::size_t pack_bytes = MSRNN_TARGET_BYTES;
inline constexpr std::size_t floats_per_pack = pack_bytes / sizeof(float);

typedef float Pack __attribute__((vector_size(pack_bytes)));
typedef std::int32_t IntPack __attribute__((vector_size(pack_bytes)));
typedef std::uint32_t BitPack __attribute__((vector_size(pack_bytes)));
typedef float Quad __attribute__((vector_size(16)));

/// The same bits as another type; std::bit_cast knows no vectors in every compiler.
template <class To, class From>
To bits(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(static_cast<void*>(&to), &from, sizeof to);
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
template <std::size_t... I>
IntPack numbered(std::index_sequence<I...>) {
    return IntPack{static_cast<std::int32_t>(I)...};
}
/// Calls use(pack, index) for `count` numbers, pack by pack, and stores what it returns, unless that is void. Behind
/// the last number the last pack holds `behind`. `room` numbers may be touched, which is faster where they fill packs;
/// those behind the last number stay as they are.
template <class Use>
[[gnu::always_inline]] inline void each_pack(float* numbers, std::size_t count, std::size_t room, float behind,
                                             Use use) {
    const auto take = [&](Pack pack, std::size_t at) __attribute__((always_inline)) {
        if constexpr (std::is_void_v<decltype(use(pack, at))>) {
            use(pack, at);
            return pack;
        } else {
            return use(pack, at);
        }
    };
    constexpr bool reads = std::is_void_v<decltype(use(load(numbers), count))>;
    std::size_t at = 0;
    for (; at + floats_per_pack <= count; at += floats_per_pack) {
        const Pack taken = take(load(numbers + at), at);
        if constexpr (!reads) store(numbers + at, taken);
    }
    if (at == count) return;
    if (at + floats_per_pack <= room) {
        const IntPack inside =
            numbered(std::make_index_sequence<floats_per_pack>()) < static_cast<std::int32_t>(count - at);
        const Pack whole = load(numbers + at), taken = take(inside ? whole : all(behind), at);
        if constexpr (!reads) store(numbers + at, inside ? taken : whole);
        return;
    }
    float padded[floats_per_pack];
    store(padded, all(behind));
    for (std::size_t i = at; i < count; ++i) padded[i - at] = numbers[i];
    store(padded, take(load(padded), at));
    if constexpr (!reads)
        for (std::size_t i = at; i < count; ++i) numbers[i] = padded[i - at];
}
/// Keeps in a register what g++ would else read from memory once for each use.
inline Pack pin(Pack v) {
#if defined(__x86_64__) || defined(__i386__)
    asm("" : "+v"(v));
#elif defined(__aarch64__)
    asm("" : "+w"(v));
#endif
    return v;
}
/// All of these before what follows: else g++ orders the steps of several packs as one pack after the other.
template <std::size_t N>
[[gnu::always_inline]] inline void keep_step(Pack (&v)[N]) {
#if defined(__x86_64__) || defined(__i386__)
    if constexpr (N == 4) asm("" : "+v"(v[0]), "+v"(v[1]), "+v"(v[2]), "+v"(v[3]));
    if constexpr (N == 8)
        asm("" : "+v"(v[0]), "+v"(v[1]), "+v"(v[2]), "+v"(v[3]), "+v"(v[4]), "+v"(v[5]), "+v"(v[6]), "+v"(v[7]));
#elif defined(__aarch64__)
    if constexpr (N == 4) asm("" : "+w"(v[0]), "+w"(v[1]), "+w"(v[2]), "+w"(v[3]));
#endif
}
/// Of each pair the larger; the second where one of them is NaN.
template <class Vector>
Vector larger(Vector a, Vector b) {
    return a > b ? a : b;
}

template <class Vector, std::size_t... I>
auto lower_half(Vector v, std::index_sequence<I...>) {
    return __builtin_shufflevector(v, v, I...);
}
template <class Vector, std::size_t... I>
auto upper_half(Vector v, std::index_sequence<I...>) {
    return __builtin_shufflevector(v, v, (sizeof...(I) + I)...);
}
/// op of the lower and the upper half, again and again, until four elements are left.
template <class Vector, class Op>
auto fold_to_quad(Vector v, Op op) {
    constexpr std::size_t half = sizeof v / sizeof v[0] / 2;
    if constexpr (sizeof v == sizeof(Quad))
        return v;
    else
        return fold_to_quad(
            op(lower_half(v, std::make_index_sequence<half>()), upper_half(v, std::make_index_sequence<half>())), op);
}
inline float sum(Pack v) {
    const Quad q = fold_to_quad(v, [](auto a, auto b) { return a + b; });
    return (q[0] + q[1]) + (q[2] + q[3]);
}
template <class Vector>
auto smallest(Vector v) {
    const auto smaller = [](auto a, auto b) { return a < b ? a : b; };
    auto q = fold_to_quad(v, smaller);
    q = smaller(q, __builtin_shufflevector(q, q, 2, 3, 0, 1));
    q = smaller(q, __builtin_shufflevector(q, q, 1, 0, 3, 2));
    return q[0];
}

/// Bit i: whether the numbers i of both are equal.
inline std::uint32_t equal_bits(Pack a, Pack b) {
#if MSRNN_TARGET_BYTES == 64
    return __builtin_ia32_cmpps512_mask(a, b, 0, 0xffff, 4);
#elif MSRNN_TARGET_BYTES == 32
    return static_cast<std::uint32_t>(__builtin_ia32_movmskps256(bits<Pack>(a == b)));
#elif defined(__SSE__)
    return static_cast<std::uint32_t>(__builtin_ia32_movmskps(bits<Pack>(a == b)));
#else
    const IntPack each = (a == b) & IntPack{1, 2, 4, 8};
    return static_cast<std::uint32_t>(each[0] + each[1] + each[2] + each[3]);
#endif
}

/// One number of a and one of b by turns: of the lower halves, of the upper halves.
template <class Vector, std::size_t... I>
Vector lower_by_turns(Vector a, Vector b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, (I / 2 + I % 2 * sizeof...(I))...);
}
template <class Vector, std::size_t... I>
Vector upper_by_turns(Vector a, Vector b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, (sizeof...(I) / 2 + I / 2 + I % 2 * sizeof...(I))...);
}
/// Rows become columns: a pack of each of so many rows as it has floats.
[[gnu::always_inline]] inline void transpose(Pack (&rows)[floats_per_pack]) {
    constexpr std::make_index_sequence<floats_per_pack> indices;
#pragma GCC unroll 4
    for (std::size_t done = 1; done < floats_per_pack; done *= 2) {
        Pack next[floats_per_pack];
#pragma GCC unroll 8
        for (std::size_t i = 0; i < floats_per_pack / 2; ++i) {
            next[2 * i] = lower_by_turns(rows[i], rows[i + floats_per_pack / 2], indices);
            next[2 * i + 1] = upper_by_turns(rows[i], rows[i + floats_per_pack / 2], indices);
        }
#pragma GCC unroll 16
        for (std::size_t i = 0; i < floats_per_pack; ++i) rows[i] = next[i];
    }
}

/// Four neighbours of a pack.
template <std::size_t I, class Vector>
Quad quad_of(Vector v) {
    if constexpr (sizeof v == sizeof(Quad))
        return v;
    else
        return __builtin_shufflevector(v, v, 4 * I, 4 * I + 1, 4 * I + 2, 4 * I + 3);
}

/// The four quads of a pack of sixteen numbers, `stride` floats apart. By an instruction that leaves multiply-adds
/// alone: on Zen 5 other stores take their ports.
inline void store_quads(Pack v, float* memory, std::size_t stride) {
#if MSRNN_TARGET_BYTES == 64
    typedef float Stored __attribute__((vector_size(16), aligned(alignof(float)), may_alias));
    const auto quad = [&](std::size_t i) -> Stored& { return *reinterpret_cast<Stored*>(memory + i * stride); };
    asm("vextractf32x4 $0, %4, %0\n\tvextractf32x4 $1, %4, %1\n\tvextractf32x4 $2, %4, %2\n\tvextractf32x4 $3, %4, %3"
        : "=m"(quad(0)), "=m"(quad(1)), "=m"(quad(2)), "=m"(quad(3))
        : "v"(v));
#else
    for (std::size_t i = 0; i < floats_per_pack / 4; ++i)
        for (std::size_t j = 0; j < 4; ++j) memory[i * stride + j] = v[4 * i + j];
#endif
}

// Of two packs in four, eight or sixteen bytes each: lower neighbours plus upper ones. Two shuffles an addition are
// faster than a shuffle and a blend.
template <std::size_t... I>
Pack fold_numbers(Pack a, Pack b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, (I % 2 * floats_per_pack + I / 4 * 4 + I % 4 / 2)...) +
           __builtin_shufflevector(a, b, (I % 2 * floats_per_pack + I / 4 * 4 + I % 4 / 2 + 2)...);
}
template <std::size_t... I>
Pack fold_pairs(Pack a, Pack b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, (I % 4 / 2 * floats_per_pack + I / 4 * 4 + I % 2)...) +
           __builtin_shufflevector(a, b, (I % 4 / 2 * floats_per_pack + I / 4 * 4 + I % 2 + 2)...);
}
template <std::size_t... I>
Pack fold_quads(Pack a, Pack b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, (I / 4 * 8 + I % 4)...) +
           __builtin_shufflevector(a, b, (I / 4 * 8 + I % 4 + 4)...);
}
template <std::size_t... I>
Pack repeated(Quad v, std::index_sequence<I...>) {
    return __builtin_shufflevector(v, v, (I % 4)...);
}
template <std::size_t Odd, std::size_t... I>
Pack every_second_quad(Pack a, Pack b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, (I / 4 * 8 + I % 4 + 4 * Odd)...);
}
/// Of four packs of sixteen numbers: quad i of pack j becomes quad j of pack i.
[[gnu::always_inline]] inline void transpose_quads(Pack (&packs)[4]) {
    constexpr std::make_index_sequence<floats_per_pack> indices;
    const Pack a = every_second_quad<0>(packs[0], packs[1], indices),
               b = every_second_quad<1>(packs[0], packs[1], indices),
               c = every_second_quad<0>(packs[2], packs[3], indices),
               d = every_second_quad<1>(packs[2], packs[3], indices);
    packs[0] = every_second_quad<0>(a, c, indices);
    packs[1] = every_second_quad<0>(b, d, indices);
    packs[2] = every_second_quad<1>(a, c, indices);
    packs[3] = every_second_quad<1>(b, d, indices);
}
/// Element i is the sum of packs[i]. So many at once: one at a time costs more than the products they add up. The order
/// of addition is the same for all.
[[gnu::always_inline]] inline Pack sums(const Pack* packs) {
    constexpr std::make_index_sequence<floats_per_pack> indices;
    constexpr std::size_t quads = floats_per_pack / 4;
    Pack folded[quads];
#pragma GCC unroll 4
    for (std::size_t i = 0; i < quads; ++i)
        folded[i] = fold_pairs(fold_numbers(packs[4 * i], packs[4 * i + 1], indices),
                               fold_numbers(packs[4 * i + 2], packs[4 * i + 3], indices), indices);
#pragma GCC unroll 2
    for (std::size_t left = quads; left > 1; left /= 2)
#pragma GCC unroll 2
        for (std::size_t i = 0; i < left / 2; ++i) folded[i] = fold_quads(folded[2 * i], folded[2 * i + 1], indices);
    return folded[0];
}

}  // namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET

#endif
