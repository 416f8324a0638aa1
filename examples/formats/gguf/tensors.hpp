// Where the tensors of a GGUF file lie.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "tensor_types.hpp"
#include "values.hpp"

namespace gguf {

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
    TensorType type = type_of<F32>;
    std::uint64_t offset = 0;  // from the first tensor; in a File, from the beginning of the file

    std::uint64_t size() const { return dims[0] * dims[1] * dims[2] * dims[3]; }
    std::uint64_t bytes() const { return size() / type.block * type.bytes; }
    std::string title() const { return "tensor " + name; }
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

}  // namespace gguf
