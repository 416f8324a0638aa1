// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

#include "../config.hpp"

namespace msrnn {

/// A std::span that is also made from Eigen vectors, maps and columns, which are no ranges in the standard's eyes.
/// `T` is float for what is written, const float for what is read. Elements lie without gaps.
template <class T>
class Floats : public std::span<T> {
public:
    using std::span<T>::span;
    Floats(std::span<T> floats) : std::span<T>(floats) {}

    template <class Vector>
        requires(std::remove_cvref_t<Vector>::IsVectorAtCompileTime != 0)
    &&requires(Vector& vector) {
        { vector.data() } -> std::convertible_to<T*>;
        vector.innerStride();
    }
    Floats(Vector&& vector) : std::span<T>(vector.data(), static_cast<std::size_t>(vector.size())) {
        MSRNN_ASSERT(vector.innerStride() == 1, "msrnn: an Eigen vector with gaps; copy it first");
    }
};

}  // namespace msrnn
