// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../config.hpp"
#include "../rows/scalar.hpp"
#include "../rows/view.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The keys or values of one KV head that a prompt's tokens attend over: the stored rows, then those of the prompt.
template <StoredScalar Scalar = float, RowSource Stored = RowsView<Scalar>, RowSource Prompt = RowsView<Scalar>>
struct PromptRows {
    Stored stored;                ///< what the cache holds
    std::size_t stored_rows = 0;  ///< how many of them there are
    Prompt prompt;                ///< one row for each token of the prompt
};

/// Floats of several tokens and query heads: those of token i and query head g begin at
/// base + i * token_stride + g * head_stride.
template <class Float>
struct TokensView {
    Float* base = nullptr;
    std::size_t token_stride = 0;
    std::size_t head_stride = 0;

    /// Where those of this token and query head begin.
    Float* at(std::size_t token, std::size_t head) const { return base + token * token_stride + head * head_stride; }
};

}  // namespace msrnn::inline MSRNN_ABI
