// Blocks of 32 weights with one scale d, a half, and in some types a least weight m, a half too.
//
// Each weight has a whole number q. Its low four bits are in 16 bytes: first those of weights 0 to 15, in the low
// halves of the bytes, then those of weights 16 to 31, in the high halves. d * q has at most 24 bits and is exact in a
// float, so that an addition behind it rounds once, whether or not the compiler makes one instruction of the two.
#pragma once

#include <cstddef>
#include <cstdint>

#include "blocks.hpp"

namespace gguf {

namespace detail {

inline int low_four_of_32(const Byte* q, std::size_t i) { return static_cast<int>(bits(q[i % 16], i / 16, 4)); }

/// The fifth bits of all 32 weights are in four bytes of their own.
inline int five_of_32(const Byte* fifth, const Byte* q, std::size_t i) {
    return low_four_of_32(q, i) | static_cast<int>(bits(fifth[i / 8], i % 8, 1) << 4);
}

/// weight = d * q(i), where q is from -2^7 to 2^7.
template <class Q>
void scale_32(float* weights, float d, Q q) {
    for (std::size_t i = 0; i < 32; ++i) weights[i] = d * static_cast<float>(q(i));
}

/// weight = d * q(i) + m.
template <class Q>
void scale_32(float* weights, float d, float m, Q q) {
    for (std::size_t i = 0; i < 32; ++i) weights[i] = d * static_cast<float>(q(i)) + m;
}

}  // namespace detail

struct BlockOf32 {
    static constexpr std::size_t weights = 32;
};

/// d, 16 bytes of q. weight = d * (q - 8).
struct Q4_0 : BlockOf32 {
    static constexpr std::uint32_t number = 2;
    static constexpr const char* name = "Q4_0";
    static constexpr std::size_t bytes = 18;

    static void decode(const Byte* block, float* weights) {
        detail::scale_32(weights, detail::half_at(block),
                         [q = block + 2](std::size_t i) { return detail::low_four_of_32(q, i) - 8; });
    }
};

/// d, m, 16 bytes of q. weight = d * q + m.
struct Q4_1 : BlockOf32 {
    static constexpr std::uint32_t number = 3;
    static constexpr const char* name = "Q4_1";
    static constexpr std::size_t bytes = 20;

    static void decode(const Byte* block, float* weights) {
        detail::scale_32(weights, detail::half_at(block), detail::half_at(block + 2),
                         [q = block + 4](std::size_t i) { return detail::low_four_of_32(q, i); });
    }
};

/// d, 4 bytes of fifth bits, 16 bytes of q. weight = d * (q - 16).
struct Q5_0 : BlockOf32 {
    static constexpr std::uint32_t number = 6;
    static constexpr const char* name = "Q5_0";
    static constexpr std::size_t bytes = 22;

    static void decode(const Byte* block, float* weights) {
        const Byte *fifth = block + 2, *q = fifth + 4;
        detail::scale_32(weights, detail::half_at(block),
                         [=](std::size_t i) { return detail::five_of_32(fifth, q, i) - 16; });
    }
};

/// d, m, 4 bytes of fifth bits, 16 bytes of q. weight = d * q + m.
struct Q5_1 : BlockOf32 {
    static constexpr std::uint32_t number = 7;
    static constexpr const char* name = "Q5_1";
    static constexpr std::size_t bytes = 24;

    static void decode(const Byte* block, float* weights) {
        const Byte *fifth = block + 4, *q = fifth + 4;
        detail::scale_32(weights, detail::half_at(block), detail::half_at(block + 2),
                         [=](std::size_t i) { return detail::five_of_32(fifth, q, i); });
    }
};

/// d, 32 int8 q. weight = d * q.
struct Q8_0 : BlockOf32 {
    static constexpr std::uint32_t number = 8;
    static constexpr const char* name = "Q8_0";
    static constexpr std::size_t bytes = 34;

    static void decode(const Byte* block, float* weights) {
        detail::scale_32(weights, detail::half_at(block),
                         [q = block + 2](std::size_t i) { return static_cast<std::int8_t>(q[i]); });
    }
};

/// d, 16 bytes of q. weight = d * levels[q]: 16 levels that are closer to each other around zero.
struct IQ4_NL : BlockOf32 {
    static constexpr std::uint32_t number = 20;
    static constexpr const char* name = "IQ4_NL";
    static constexpr std::size_t bytes = 18;
    static constexpr int levels[] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

    static void decode(const Byte* block, float* weights) {
        detail::scale_32(weights, detail::half_at(block),
                         [q = block + 2](std::size_t i) { return levels[detail::low_four_of_32(q, i)]; });
    }
};

}  // namespace gguf
