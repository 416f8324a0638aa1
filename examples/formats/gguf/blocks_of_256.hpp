// The K types: blocks of 256 weights in groups of 16 or 32. A block has a scale d and in some types a scale dmin for
// what is subtracted, both halves; each group multiplies them by small whole numbers of its own.
//
// Every product here has at most 24 bits and is exact in a float: d has 11, a group's factor at most 7, q at most 5. So
// a subtraction behind it rounds once, whether or not the compiler makes one instruction of the two.
#pragma once

#include <cstddef>
#include <cstdint>

#include "blocks.hpp"

namespace gguf {

namespace detail {

/// Bit planes of weight i. Two bits: four weights in a byte, which are 32 apart, and 32 bytes for each 128 weights.
inline unsigned two_of_256(const Byte* q, std::size_t i) { return bits(q[i / 128 * 32 + i % 32], i % 128 / 32, 2); }

/// Low four bits, where those of weights 0 to 31 and 32 to 63 share 32 bytes, and so on.
inline unsigned four_of_256(const Byte* q, std::size_t i) { return bits(q[i / 64 * 32 + i % 32], i % 64 / 32, 4); }

/// One bit: 32 bytes, in which bit j belongs to the j-th 32 weights.
inline unsigned one_of_256(const Byte* q, std::size_t i) { return bits(q[i % 32], i / 32, 1); }

/// The factors of d and dmin of 8 groups, six bits each, in 12 bytes. Those of groups 0 to 3 are the low six bits of
/// bytes 0 to 3 and 4 to 7. Groups 4 to 7 have their low four bits in bytes 8 to 11, and the high two bits in what the
/// bytes 0 to 7 have left.
struct Factors {
    explicit Factors(const Byte* packed) {
        for (std::size_t group = 0; group < 4; ++group) {
            const unsigned a = packed[group], b = packed[group + 4], low = packed[group + 8];
            of_d[group] = a & 63;
            of_dmin[group] = b & 63;
            of_d[group + 4] = (low & 15) | (a >> 6) << 4;
            of_dmin[group + 4] = low >> 4 | (b >> 6) << 4;
        }
    }

    unsigned of_d[8], of_dmin[8];
};

/// weight = d * factor * q(i) - dmin * factor of dmin, in groups of 32.
template <class Q>
void scale_groups(float* weights, const Byte* d_and_dmin, const Factors& factors, Q q) {
    const float d = half_at(d_and_dmin), dmin = half_at(d_and_dmin + 2);
    for (std::size_t group = 0; group < 8; ++group) {
        const float scale = d * static_cast<float>(factors.of_d[group]);
        const float least = dmin * static_cast<float>(factors.of_dmin[group]);
        for (std::size_t i = group * 32; i < (group + 1) * 32; ++i)
            weights[i] = scale * static_cast<float>(q(i)) - least;
    }
}

/// weight = d * factor(group) * q(i), in groups of 16.
template <class Factor, class Q>
void scale_groups(float* weights, float d, Factor factor, Q q) {
    for (std::size_t group = 0; group < 16; ++group) {
        const float scale = d * static_cast<float>(factor(group));
        for (std::size_t i = group * 16; i < (group + 1) * 16; ++i) weights[i] = scale * static_cast<float>(q(i));
    }
}

}  // namespace detail

struct BlockOf256 {
    static constexpr std::size_t weights = 256;
};

/// A byte for each of 16 groups (low half: the factor of d, high half: that of dmin), 64 bytes of q, d, dmin.
/// weight = d * factor * q - dmin * factor.
struct Q2_K : BlockOf256 {
    static constexpr std::uint32_t number = 10;
    static constexpr const char* name = "Q2_K";
    static constexpr std::size_t bytes = 84;

    static void decode(const Byte* block, float* weights) {
        const Byte *factors = block, *q = block + 16;
        const float d = detail::half_at(block + 80), dmin = detail::half_at(block + 82);
        for (std::size_t group = 0; group < 16; ++group) {
            const float scale = d * static_cast<float>(factors[group] & 15);
            const float least = dmin * static_cast<float>(factors[group] >> 4);
            for (std::size_t i = group * 16; i < (group + 1) * 16; ++i)
                weights[i] = scale * static_cast<float>(detail::two_of_256(q, i)) - least;
        }
    }
};

/// 32 bytes of third bits, 64 bytes of q, 12 bytes of factors, d. weight = d * (factor - 32) * (q - 4); q has three
/// bits. The factors have six bits: the low four of groups 0 to 7 are in the low halves of 8 bytes, those of groups 8
/// to 15 in the high halves; the high two bits, four groups in a byte, which are 4 apart, are in 4 bytes.
struct Q3_K : BlockOf256 {
    static constexpr std::uint32_t number = 11;
    static constexpr const char* name = "Q3_K";
    static constexpr std::size_t bytes = 110;

    static void decode(const Byte* block, float* weights) {
        const Byte *third = block, *q = block + 32, *low = block + 96, *high = low + 8;
        detail::scale_groups(
            weights, detail::half_at(block + 108),
            [=](std::size_t group) {
                const unsigned four = detail::bits(low[group % 8], group / 8, 4);
                return static_cast<int>(four | detail::bits(high[group % 4], group / 4, 2) << 4) - 32;
            },
            [=](std::size_t i) {
                return static_cast<int>(detail::two_of_256(q, i) | detail::one_of_256(third, i) << 2) - 4;
            });
    }
};

/// d, dmin, 12 bytes of factors, 128 bytes of q. weight = d * factor * q - dmin * factor.
struct Q4_K : BlockOf256 {
    static constexpr std::uint32_t number = 12;
    static constexpr const char* name = "Q4_K";
    static constexpr std::size_t bytes = 144;

    static void decode(const Byte* block, float* weights) {
        detail::scale_groups(weights, block, detail::Factors(block + 4),
                             [q = block + 16](std::size_t i) { return detail::four_of_256(q, i); });
    }
};

/// d, dmin, 12 bytes of factors, 32 bytes of fifth bits, 128 bytes of q. weight = d * factor * q - dmin * factor.
struct Q5_K : BlockOf256 {
    static constexpr std::uint32_t number = 13;
    static constexpr const char* name = "Q5_K";
    static constexpr std::size_t bytes = 176;

    static void decode(const Byte* block, float* weights) {
        const Byte *fifth = block + 16, *q = block + 48;
        detail::scale_groups(weights, block, detail::Factors(block + 4), [=](std::size_t i) {
            return detail::four_of_256(q, i) | detail::one_of_256(fifth, i) << 4;
        });
    }
};

/// 128 bytes of low four bits, 64 bytes of high two bits, an int8 factor for each of 16 groups, d.
/// weight = d * factor * (q - 32). Of each 128 weights the first 64 are in the low halves of 64 bytes.
struct Q6_K : BlockOf256 {
    static constexpr std::uint32_t number = 14;
    static constexpr const char* name = "Q6_K";
    static constexpr std::size_t bytes = 210;

    static void decode(const Byte* block, float* weights) {
        const Byte *low = block, *high = block + 128, *factors = block + 192;
        detail::scale_groups(
            weights, detail::half_at(block + 208),
            [=](std::size_t group) { return static_cast<std::int8_t>(factors[group]); },
            [=](std::size_t i) {
                const unsigned four = detail::bits(low[i / 128 * 64 + i % 64], i % 128 / 64, 4);
                return static_cast<int>(four | detail::two_of_256(high, i) << 4) - 32;
            });
    }
};

}  // namespace gguf
