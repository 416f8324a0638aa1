// How weights are stored: every type that the format knows, and how those that are read become floats.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "blocks.hpp"
#include "blocks_of_256.hpp"
#include "blocks_of_32.hpp"
#include "plain_types.hpp"

namespace gguf {

/// `block` weights lie together in `bytes`. `decode` reads whole blocks; null where the type is known but not read.
struct TensorType {
    std::uint32_t number;
    const char* name;
    std::uint64_t block, bytes;
    void (*decode)(const char* stored, std::span<float> into) = nullptr;
};

template <class Block>
inline constexpr TensorType type_of{Block::number, Block::name, Block::weights, Block::bytes,
                                    detail::decode_blocks<Block>};

// As in ggml.h; those whose support was removed from the format are absent.
inline constexpr std::array<TensorType, 34> tensor_types{{
    type_of<F32>,
    type_of<F16>,
    type_of<BF16>,
    type_of<Q4_0>,
    type_of<Q4_1>,
    type_of<Q5_0>,
    type_of<Q5_1>,
    type_of<Q8_0>,
    type_of<Q2_K>,
    type_of<Q3_K>,
    type_of<Q4_K>,
    type_of<Q5_K>,
    type_of<Q6_K>,
    type_of<IQ4_NL>,
    {9, "Q8_1", 32, 36},
    {15, "Q8_K", 256, 292},
    {16, "IQ2_XXS", 256, 66},
    {17, "IQ2_XS", 256, 74},
    {18, "IQ3_XXS", 256, 98},
    {19, "IQ1_S", 256, 50},
    {21, "IQ3_S", 256, 110},
    {22, "IQ2_S", 256, 82},
    {23, "IQ4_XS", 256, 136},
    {24, "I8", 1, 1},
    {25, "I16", 1, 2},
    {26, "I32", 1, 4},
    {27, "I64", 1, 8},
    {28, "F64", 1, 8},
    {29, "IQ1_M", 256, 56},
    {34, "TQ1_0", 256, 54},
    {35, "TQ2_0", 256, 66},
    {39, "MXFP4", 32, 17},
    {40, "NVFP4", 64, 36},
    {41, "Q1_0", 128, 18},
}};

/// "F32, F16, ... and IQ4_NL".
inline std::string types_that_are_read() {
    std::string list, last;
    for (const TensorType& type : tensor_types) {
        if (!type.decode) continue;
        if (!last.empty()) list.append(list.empty() ? "" : ", ").append(last);
        last = type.name;
    }
    return list + " and " + last;
}

}  // namespace gguf
