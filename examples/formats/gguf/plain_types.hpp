// Weights that are stored as floating-point numbers: blocks of one.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>

#include "blocks.hpp"

namespace gguf {

template <class Stored>
struct PlainType {
    static constexpr std::size_t weights = 1, bytes = sizeof(Stored);

    static void decode(const Byte* stored, float* weight) { *weight = detail::number_at<Stored>(stored); }
};

struct F32 : PlainType<float> {
    static constexpr std::uint32_t number = 0;
    static constexpr const char* name = "F32";
};

struct F16 : PlainType<Eigen::half> {
    static constexpr std::uint32_t number = 1;
    static constexpr const char* name = "F16";
};

struct BF16 : PlainType<Eigen::bfloat16> {
    static constexpr std::uint32_t number = 30;
    static constexpr const char* name = "BF16";
};

}  // namespace gguf
