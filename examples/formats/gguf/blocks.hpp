// What all stored types have in common: whole blocks of weights, each decoded by itself.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace gguf {

using Byte = unsigned char;

namespace detail {

template <class Number>
float number_at(const Byte* at) {
    Number number{};
    std::memcpy(&number, at, sizeof(number));
    return static_cast<float>(number);
}

inline float half_at(const Byte* at) { return number_at<Eigen::half>(at); }

/// Of numbers of `width` bits, lowest bits first.
inline unsigned bits(unsigned word, std::size_t index, unsigned width) {
    return word >> (index * width) & ((1u << width) - 1);
}

/// Block says how many weights lie in how many bytes, and decodes one block.
template <class Block>
void decode_blocks(const char* stored, std::span<float> into) {
    const auto* at = reinterpret_cast<const Byte*>(stored);
    for (std::size_t first = 0; first < into.size(); first += Block::weights, at += Block::bytes)
        Block::decode(at, into.data() + first);
}

}  // namespace detail

}  // namespace gguf
