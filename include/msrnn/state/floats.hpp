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

namespace detail {
template <class V>
constexpr bool has_gaps() {
    if constexpr (requires { std::remove_cvref_t<V>::InnerStrideAtCompileTime; })
        return std::remove_cvref_t<V>::InnerStrideAtCompileTime != 1;
    else
        return false;
}
}  // namespace detail

/// A std::span that is also made from Eigen vectors, maps and columns, which do not model std::ranges::range.
/// `T` is float for what is written, const float for what is read. Elements lie without gaps: a row of a column-major
/// matrix does not compile.
template <class T>
class Floats : public std::span<T> {
public:
    /// Of anything that lies in one piece.
    template <FloatsOf<T> Vector>
    Floats(Vector&& vector) : std::span<T>(view(std::forward<Vector>(vector))) {}
    /// What is nothing like that is refused by the compiler in one sentence.
    template <class Other>
        requires(!FloatsOf<Other, T>)
    Floats(Other&&) {
        static_assert(
            FloatsOf<Other, T>,
            "msrnn: q, k, v and out are vectors of float: std::vector<float>, std::span, std::array, an Eigen "
            "vector, column or map. Not double, not a matrix (give a map of its memory), not a bare pointer "
            "(give std::span(pointer, size)); out is not const.");
    }

private:
    template <class Vector>
    static std::span<T> view(Vector&& vector) {
        if constexpr (EigenVector<Vector, T>) {
            static_assert(
                !detail::has_gaps<Vector>(),
                "msrnn: this Eigen vector has gaps between its numbers (a row of a column-major matrix, a map "
                "with an inner stride); store the matrix as Eigen::RowMajor, or copy the row into a VectorXf.");
            return {vector.data(), static_cast<std::size_t>(vector.size())};
        } else {
            return std::forward<Vector>(vector);
        }
    }
};

}  // namespace msrnn::inline MSRNN_ABI
