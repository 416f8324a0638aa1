// Where the tensors of a GGUF file lie, and how their bytes become floats.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "values.hpp"

namespace gguf {

/// `block` weights lie together in `bytes`.
struct TensorType {
    std::uint32_t number;
    const char* name;
    std::uint64_t block, bytes;
};

// As in ggml.h; those whose support was removed from the format are absent.
inline constexpr TensorType f32{0, "F32", 1, 4}, f16{1, "F16", 1, 2}, q8_0{8, "Q8_0", 32, 34}, bf16{30, "BF16", 1, 2};
inline constexpr std::array<TensorType, 34> tensor_types{{
    f32,
    f16,
    q8_0,
    bf16,
    {2, "Q4_0", 32, 18},
    {3, "Q4_1", 32, 20},
    {6, "Q5_0", 32, 22},
    {7, "Q5_1", 32, 24},
    {9, "Q8_1", 32, 36},
    {10, "Q2_K", 256, 84},
    {11, "Q3_K", 256, 110},
    {12, "Q4_K", 256, 144},
    {13, "Q5_K", 256, 176},
    {14, "Q6_K", 256, 210},
    {15, "Q8_K", 256, 292},
    {16, "IQ2_XXS", 256, 66},
    {17, "IQ2_XS", 256, 74},
    {18, "IQ3_XXS", 256, 98},
    {19, "IQ1_S", 256, 50},
    {20, "IQ4_NL", 32, 18},
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

using Dims = std::array<std::uint64_t, 4>;

/// [256, 32000], as GGUF orders them: the length of a row comes first. Ones at the end are left out.
inline std::string shown(const Dims& dims) {
    std::size_t count = dims.size();
    while (count > 1 && dims[count - 1] == 1) --count;
    std::string text = "[";
    for (std::size_t i = 0; i < count; ++i) text += (i == 0 ? "" : ", ") + std::to_string(dims[i]);
    return text + "]";
}

struct Tensor {
    std::string name;
    Dims dims{1, 1, 1, 1};
    TensorType type = f32;
    std::uint64_t offset = 0;  // from the first tensor; in a File, from the beginning of the file

    std::uint64_t size() const { return dims[0] * dims[1] * dims[2] * dims[3]; }
    std::uint64_t bytes() const { return size() / type.block * type.bytes; }
    std::string title() const { return "tensor " + name; }
    bool is_read() const {
        return type.number == f32.number || type.number == f16.number || type.number == bf16.number ||
               type.number == q8_0.number;
    }
};

namespace detail {

inline Dims read_dims(Cursor& cursor, const std::string& what) {
    Dims dims{1, 1, 1, 1};
    const auto count = cursor.number<std::uint32_t>(what);
    if (count == 0 || count > dims.size())
        throw cursor.refused(what + " has " + std::to_string(count) + " dimensions, expected 1 to 4");
    for (std::uint32_t i = 0; i < count; ++i) dims[i] = cursor.number<std::uint64_t>(what);

    std::uint64_t room = std::uint64_t{1} << 60;  // more weights than any file holds, and their bytes do not overflow
    for (const std::uint64_t dim : dims) {
        if (dim == 0 || dim > room)
            throw cursor.refused(what + " has the shape " + shown(dims) + ", which no file can hold");
        room /= dim;
    }
    return dims;
}

inline TensorType read_tensor_type(Cursor& cursor, const std::string& what) {
    const auto number = cursor.number<std::uint32_t>(what);
    const auto found = std::find_if(tensor_types.begin(), tensor_types.end(),
                                    [&](const TensorType& type) { return type.number == number; });
    if (found == tensor_types.end())
        throw cursor.refused(what + " has the type " + std::to_string(number) + ", which is not known");
    return *found;
}

}  // namespace detail

/// What stands about a tensor before the data.
inline Tensor read_tensor(Cursor& cursor, const std::string& what) {
    constexpr std::size_t longest_name = 64;
    Tensor tensor;
    tensor.name = cursor.name(longest_name, what);
    tensor.dims = detail::read_dims(cursor, tensor.title());
    tensor.type = detail::read_tensor_type(cursor, tensor.title());
    tensor.offset = cursor.number<std::uint64_t>(tensor.title());
    if (tensor.dims[0] % tensor.type.block != 0)
        throw cursor.refused(tensor.title() + " has rows of " + std::to_string(tensor.dims[0]) +
                             " weights, not whole blocks of " + std::to_string(tensor.type.block) + " as " +
                             tensor.type.name + " has them");
    return tensor;
}

namespace detail {

template <class Stored>
void widen(const char* stored, std::span<float> into) {
    for (std::size_t i = 0; i < into.size(); ++i)
        into[i] = static_cast<float>(load<Stored>(stored + i * sizeof(Stored)));
}

/// A block: the scale d as a half, then 32 int8 q. The weights are d * q.
inline void widen_q8_0(const char* stored, std::span<float> into) {
    for (std::size_t first = 0; first < into.size(); first += q8_0.block, stored += q8_0.bytes) {
        const auto scale = static_cast<float>(load<Eigen::half>(stored));
        for (std::size_t i = 0; i < q8_0.block; ++i)
            into[first + i] = scale * static_cast<float>(load<std::int8_t>(stored + sizeof(Eigen::half) + i));
    }
}

}  // namespace detail

/// Whole blocks of one of the types that are read.
inline void widen(const TensorType& type, const char* stored, std::span<float> into) {
    if (type.number == f32.number)
        detail::widen<float>(stored, into);
    else if (type.number == f16.number)
        detail::widen<Eigen::half>(stored, into);
    else if (type.number == bf16.number)
        detail::widen<Eigen::bfloat16>(stored, into);
    else
        detail::widen_q8_0(stored, into);
}

}  // namespace gguf
