// SPDX-License-Identifier: MIT
#pragma once

#include <Eigen/Core>
#include <cstddef>

#include "rows.hpp"

namespace msrnn {

/// Decode attention of the query heads that share one KV head.
///
/// For each query head g, over rows r in [0, n):
///     weights[g * weight_stride + r] = softmax_r(scale * q_g . k_r),      out_g = sum_r weights[g, r] * v_r
/// queries and out are [query_heads][head_dim], float; the softmax subtracts the largest logit. A row is read once for
/// each query head. Writes nothing but `weights` and `out`; allocates nothing.
inline void attend(RowsView<float> keys, RowsView<float> values, std::size_t n, std::size_t head_dim,
                   const float* queries, std::size_t query_heads, float scale, float* weights,
                   std::size_t weight_stride, float* out) {
    using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    using Vector = Eigen::VectorXf;
    const auto index = [](std::size_t count) { return static_cast<Eigen::Index>(count); };
    const auto matrix = [&](RowsView<float> rows) {
        return Eigen::Map<const Matrix, 0, Eigen::OuterStride<>>(rows.base, index(n), index(head_dim),
                                                                 Eigen::OuterStride<>(index(rows.stride)));
    };
    const auto k = matrix(keys), v = matrix(values);
    for (std::size_t head = 0; head < query_heads; ++head) {
        const Eigen::Map<const Vector> q(queries + head * head_dim, index(head_dim));
        Eigen::Map<Vector> weight(weights + head * weight_stride, index(n));
        weight.noalias() = k * q;
        weight *= scale;
        weight = (weight.array() - weight.maxCoeff()).exp();
        weight /= weight.sum();
        Eigen::Map<Vector>(out + head * head_dim, index(head_dim)).noalias() = v.transpose() * weight;
    }
}

}  // namespace msrnn
