// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI {

/// What a model's attention is like, for the query heads that share one KV head.
///
///     AttentionSettings{.query_heads = 4, .head_dim = 128, .scale = 0.088f}
///
/// The weights of a query are softmax_r(cap(scale * q . k_r)) over the rows that it sees.
struct AttentionSettings {
    std::size_t query_heads = 1;  ///< that share one KV head
    std::size_t head_dim = 0;     ///< numbers of a query and of a key
    std::size_t value_dim = 0;    ///< numbers of a value and of an output; 0 for head_dim (MLA has 576 and 512)
    float scale = 1;              ///< factor of q . k
    float soft_cap = 0;           ///< a logit becomes soft_cap * tanh(logit / soft_cap) (Gemma 2); 0: it stays

    /// A learned logit for each query head (gpt-oss), [query_heads], or for all KV heads [kv_heads * query_heads]. Its
    /// exponential joins the sum of the softmax and has no value row: the weights add up to less than 1. Neither scale
    /// nor cap apply. nullptr: none.
    const float* sinks = nullptr;

    /// In a prompt, token t sees the prompt's rows (t - window, t] alone (Mistral); 0: all up to t. In a step the rows
    /// are those that are given. Of stored rows `seen_by` says it.
    std::size_t window = 0;

    /// Of each stored row, how many tokens of the prompt see it, from the first on; a step is one token. So 0 hides a
    /// row (a vacancy, padding): its weight is 0, whatever it holds, and a stored row `ago` positions before the
    /// prompt's first one has left a window for tokens from window - ago on. nullptr: every token sees every row.
    const std::uint32_t* seen_by = nullptr;

    constexpr std::size_t value_width() const { return value_dim != 0 ? value_dim : head_dim; }
};

}  // namespace msrnn::inline MSRNN_ABI
