// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>

#include "../config.hpp"
#include "scalar.hpp"

namespace msrnn::inline MSRNN_ABI {

/// A view of the rows of one KV head in one piece: row r begins at base + r * stride. Only int8 reads scales: its
/// numbers times scales[r * scale_stride] are the row.
template <class Scalar>
struct RowsView {
    using Number = Scalar;

    const Scalar* base = nullptr;
    std::size_t stride = 0;
    const float* scales = nullptr;
    std::size_t scale_stride = 1;

    const Scalar* row(std::size_t r) const { return base + r * stride; }
    const float* scale(std::size_t r) const { return scales + r * scale_stride; }
};

/// A view of the rows of one KV head in pages: page p holds the rows [p * page_rows, (p + 1) * page_rows), and row r
/// begins at pages[r / page_rows] + offset + r % page_rows * stride. The last page may be filled in part. Attention to
/// pages gives the bits that attention to the same rows in one piece gives.
template <class Scalar>
struct PagedRowsView {
    using Number = Scalar;

    const Scalar* const* pages = nullptr;
    std::size_t page_rows = 16;  ///< a multiple of 16
    std::size_t stride = 0;      ///< within a page
    std::size_t offset = 0;
    const float* const* scales = nullptr;  ///< of int8: where the scales of each page begin
    std::size_t scale_stride = 1;
    std::size_t scale_offset = 0;

    const Scalar* row(std::size_t r) const { return pages[r / page_rows] + offset + r % page_rows * stride; }
    const float* scale(std::size_t r) const {
        return scales[r / page_rows] + scale_offset + r % page_rows * scale_stride;
    }
};

/// A view of the rows of several KV heads, in whatever order an engine keeps them: the row of token t and head h begins
/// at base + t * token_stride + h * head_stride, and so for the scales of int8.
template <class Scalar>
struct HeadsView {
    const Scalar* base = nullptr;
    std::size_t token_stride = 0;
    std::size_t head_stride = 0;
    const float* scales = nullptr;
    std::size_t scale_token_stride = 1;
    std::size_t scale_head_stride = 0;

    RowsView<Scalar> head(std::size_t h) const {
        const float* const own_scales = scales == nullptr ? nullptr : scales + h * scale_head_stride;
        return {base + h * head_stride, token_stride, own_scales, scale_token_stride};
    }
};

/// The same in pages. An engine with a block table, whose cache is [blocks][block_size][kv_heads][head_dim] (vLLM's
/// order for FlashAttention), writes for one sequence:
///
///     std::vector<const Bfloat16*> pages;                  // once for each block that the sequence gets
///     for (std::int32_t block : block_table) pages.push_back(key_cache + block * block_size * kv_heads * head_dim);
///     PagedHeadsView<Bfloat16> keys{.pages = pages.data(),
///                                   .page_rows = block_size,  // 16, 32, ...
///                                   .token_stride = kv_heads * head_dim,
///                                   .head_stride = head_dim};
///
/// Slot s of a lane is then row s % block_size of block block_table[s / block_size].
template <class Scalar>
struct PagedHeadsView {
    const Scalar* const* pages = nullptr;
    std::size_t page_rows = 16;  ///< a multiple of 16
    std::size_t token_stride = 0;
    std::size_t head_stride = 0;
    const float* const* scales = nullptr;
    std::size_t scale_token_stride = 1;
    std::size_t scale_head_stride = 0;

    PagedRowsView<Scalar> head(std::size_t h) const {
        return {pages, page_rows, token_stride, h * head_stride, scales, scale_token_stride, h * scale_head_stride};
    }
};

/// What attention reads keys or values from. Sixteen rows from a multiple of 16 on lie `stride` apart.
template <class View>
concept RowSource = StoredScalar<typename View::Number> && requires(const View& view, std::size_t r) {
    { view.row(r) } -> std::same_as<const typename View::Number*>;
    { view.scale(r) } -> std::same_as<const float*>;
    { view.stride } -> std::convertible_to<std::size_t>;
    { view.scale_stride } -> std::convertible_to<std::size_t>;
};
template <class View>
concept HeadSource = requires(const View& view, std::size_t h) {
    { view.head(h) } -> RowSource;
};

namespace detail {
/// Whether pages, where there are some, are as long as the kernels need them.
template <RowSource View>
bool has_whole_pages(const View& view) {
    if constexpr (requires { view.page_rows; })
        return view.page_rows > 0 && view.page_rows % 16 == 0;
    else
        return true;
}
}  // namespace detail

}  // namespace msrnn::inline MSRNN_ABI
