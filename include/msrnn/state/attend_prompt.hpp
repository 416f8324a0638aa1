// SPDX-License-Identifier: MIT
#pragma once

#include <Eigen/Core>
#include <cstddef>

#include "../config.hpp"
#include "rows.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The keys or values that a prompt's token attends over: the stored rows, then those of the prompt.
struct PromptRows {
    RowsView<float> stored;
    std::size_t stored_rows = 0;
    RowsView<float> prompt;
};

/// Causal attention of one query head for tokens [first, first + tokens) of a prompt.
///
/// Token t attends over all stored rows and the prompt's rows [0, t]:
///     weights[i][r] = softmax_r(scale * q_i . k_r),      out_i = sum_r weights[i][r] * v_r,      i = t - first
/// for r in [0, stored_rows + t + 1), and weights[i][r] = 0 behind that, up to stored_rows + first + tokens. Strides
/// count floats from one token's row to the next. Blocks of tokens make it two matrix products instead of 2 * tokens
/// products with a vector.
inline void attend_prompt(const PromptRows& keys, const PromptRows& values, std::size_t first, std::size_t tokens,
                          std::size_t head_dim, const float* queries, std::size_t query_stride, float scale,
                          float* weights, std::size_t weight_stride, float* out, std::size_t out_stride) {
    using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    using Stride = Eigen::OuterStride<>;
    const auto index = [](std::size_t count) { return static_cast<Eigen::Index>(count); };
    const auto read = [&](const float* base, std::size_t rows, std::size_t columns, std::size_t stride) {
        return Eigen::Map<const Matrix, 0, Stride>(base, index(rows), index(columns), Stride(index(stride)));
    };
    const auto write = [&](float* base, std::size_t columns, std::size_t stride) {
        return Eigen::Map<Matrix, 0, Stride>(base, index(tokens), index(columns), Stride(index(stride)));
    };
    const std::size_t stored = keys.stored_rows, own = first + tokens;
    const auto q = read(queries, tokens, head_dim, query_stride);
    auto w = write(weights, stored + own, weight_stride);
    auto w_stored = w.leftCols(index(stored));
    auto w_own = w.rightCols(index(own));

    w_stored.noalias() = q * read(keys.stored.base, stored, head_dim, keys.stored.stride).transpose();
    w_own.noalias() = q * read(keys.prompt.base, own, head_dim, keys.prompt.stride).transpose();
    for (std::size_t i = 0; i < tokens; ++i) {
        auto row = w.row(index(i));
        auto seen = row.head(index(stored + first + i + 1));
        seen *= scale;
        seen = (seen.array() - seen.maxCoeff()).exp();
        seen /= seen.sum();
        row.tail(index(tokens - 1 - i)).setZero();
    }
    auto o = write(out, head_dim, out_stride);
    o.noalias() = w_own * read(values.prompt.base, own, head_dim, values.prompt.stride);
    if (stored > 0) o.noalias() += w_stored * read(values.stored.base, stored, head_dim, values.stored.stride);
}

}  // namespace msrnn::inline MSRNN_ABI
