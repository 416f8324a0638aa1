// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI {

/// An Eigen vector, map or column whose elements are T in memory.
template <class V, class T>
concept EigenVector = requires(V& vector) {
    requires(std::remove_cvref_t<V>::IsVectorAtCompileTime != 0);
    { vector.data() } -> std::convertible_to<T*>;
    vector.innerStride();
};

template <class V, class T>
concept FloatsOf = EigenVector<V, T> || std::convertible_to<V, std::span<T>>;

/// A std::span that is also made from Eigen vectors, maps and columns, which are no ranges in the standard's eyes.
/// `T` is float for what is written, const float for what is read. Elements lie without gaps.
template <class T>
class Floats : public std::span<T> {
public:
    template <FloatsOf<T> Vector>
    Floats(Vector&& vector) : std::span<T>(view(std::forward<Vector>(vector))) {}

private:
    template <class Vector>
    static std::span<T> view(Vector&& vector) {
        if constexpr (EigenVector<Vector, T>) {
            MSRNN_ASSERT(vector.innerStride() == 1, "msrnn: an Eigen vector with gaps; copy it first");
            return {vector.data(), static_cast<std::size_t>(vector.size())};
        } else {
            return std::forward<Vector>(vector);
        }
    }
};

}  // namespace msrnn::inline MSRNN_ABI
