// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../config.hpp"
#include "../rows/view.hpp"
#include "kernels.hpp"
#include "packed_rows.hpp"
#include "prompt_rows.hpp"
#include "settings.hpp"
#include "shape.hpp"
#include "targets.hpp"

/// One call, attend(keys, values, how many, settings, queries, weights, out), in three forms: a step of one KV head, a
/// step of all KV heads of a layer, the tokens of a prompt.
///
/// Behind it are two shapes of loops, which share settings, views, soft cap, mask and softmax. Each is the slower one
/// in the other's place (Zen 5, AVX-512, float, D = 128; 1, 4 and 8 query heads): the loops of a prompt take 1.9 to 2.2
/// times as long for a step over 256 to 4,096 rows, for they pack rows that one token reads once; the loops of a step
/// take 4.6, 1.7 and 1.5 times as long for a prompt of 512 tokens, 1.9, 1.3 and 1.2 times for 32. (For 8 tokens 0.7,
/// 0.6 and 0.6 times: a prompt of few tokens may as well go in steps.) Their logits are not the same bits: sums over
/// the numbers of a key have another order.
namespace msrnn::inline MSRNN_ABI {

/// Decode attention of the query heads that share one KV head, as the settings say.
///
/// For each query head g, over rows r in [0, n):
///     weights[g * weight_stride + r] = softmax_r(scale * q_g . k_r),      out_g = sum_r weights[g, r] * v_r
/// queries are [query_heads][head_dim], out is [query_heads][value_dim], float; the softmax subtracts the largest
/// logit. Any width, fast for multiples of 16; keys and values may be of different scalars. Arithmetic is float, in an
/// order that depends on n and the widths alone (and on the processor, see MSRNN_TARGETS), so the same rows give the
/// same bits in one build. Others may have other last bits: below -O2 g++ joins no multiplication with an addition
/// (FMA). Where the processor multiplies bytes (AVX-512 VNNI) and MSRNN_TARGETS has MSRNN_VNNI, or the unit is compiled
/// for such a one, int8 rows meet queries and weights as whole numbers of 16 bits: a logit is off by at most scale *
/// (largest |q|) * (sum of |k|) / 65024, for widths up to 492, and a weight of 16 rows by 1/131070 of the largest of
/// them before it meets a value. There a query that holds no finite number has weights that are NaN.
///
/// A logit that is NaN or plus infinity makes all weights of its query head NaN. Where all logits are minus infinity,
/// or all rows are hidden, weights and outputs are 0; so they are of no rows at all. A value that is no finite number
/// reaches the output of every query that sees its row, at weight 0 too. A hidden row is not read.
///
/// Each row of keys and of values is read from memory once for all query heads (for 4096 / width of them at a time,
/// where there are more; and for at most 32). Writes nothing but `weights` and `out`; 48 KiB of stack; allocates
/// nothing up to a width of 4096. Rows lie in one piece or in pages, see rows/view.hpp. `next` is where the keys lie
/// that will be attended to next, if that is known: they are prefetched.
template <RowSource Keys, RowSource Values>
void attend(const Keys& keys, const Values& values, std::size_t n, const AttentionSettings& settings,
            const float* queries, float* weights, std::size_t weight_stride, float* out,
            const typename Keys::Number* next = nullptr) {
    MSRNN_ASSERT(detail::has_whole_pages(keys) && detail::has_whole_pages(values),
                 "msrnn: page_rows is a multiple of 16");
    detail::decode_by(detail::target_of_processor(), keys, values, n, settings, queries, weights, weight_stride, out,
                      next, detail::tuning());
}

/// The same for all KV heads of a layer, one after the other: queries are [kv_heads * query_heads][head_dim], out is
/// [kv_heads * query_heads][value_dim], and query head h reads KV head h / query_heads.
template <HeadSource Keys, HeadSource Values>
void attend(const Keys& keys, const Values& values, std::size_t kv_heads, std::size_t n, AttentionSettings settings,
            const float* queries, float* weights, std::size_t weight_stride, float* out) {
    const std::size_t group = settings.query_heads;
    for (std::size_t h = 0; h < kv_heads; ++h) {
        attend(keys.head(h), values.head(h), n, settings, queries + h * group * settings.head_dim,
               weights + h * group * weight_stride, weight_stride, out + h * group * settings.value_width(),
               h + 1 < kv_heads && n > 0 ? keys.head(h + 1).row(0) : nullptr);
        if (settings.sinks != nullptr) settings.sinks += group;
    }
}

/// Causal attention of the query heads that share one KV head, for tokens [first, first + tokens) of a prompt.
///
/// Token t attends over the stored rows and the prompt's rows [0, t], or those that the settings let it see:
///     weights[i][g][r] = softmax_r(scale * q_ig . k_r),    out_ig = sum_r weights[i][g][r] * v_r,    i = t - first
/// for r in [0, stored_rows + t + 1), and 0 where it sees nothing, up to stored_rows + first + tokens: so many floats
/// are written for each token and head. Queries have head_dim numbers, outputs value_dim. For logits that are not
/// finite, or none at all, see the step above; so for values: they reach the output of every token that sees them.
///
/// All query heads of up to 192 / query_heads tokens together are two matrix products, so give many tokens at once.
/// Allocates 192 * (head_dim + value_dim) floats and less than as much again. Strides of weights that are powers of two
/// cost time. A prompt in several calls: with PackedRows the rows are packed once for all of them.
template <StoredScalar Key, class StoredKeys, class OwnKeys, StoredScalar Value, class StoredValues, class OwnValues>
void attend(const PromptRows<Key, StoredKeys, OwnKeys>& keys, const PromptRows<Value, StoredValues, OwnValues>& values,
            std::size_t first, std::size_t tokens, const AttentionSettings& settings, TokensView<const float> queries,
            TokensView<float> weights, TokensView<float> out, PackedRows* packed = nullptr) {
    using namespace detail;
    MSRNN_ASSERT(has_whole_pages(keys.stored) && has_whole_pages(keys.prompt) && has_whole_pages(values.stored) &&
                     has_whole_pages(values.prompt),
                 "msrnn: page_rows is a multiple of 16");
    if (tokens == 0) return;
    attend_prompt_by(target_of_processor(), keys, values, first, tokens, settings, queries, weights, out, packed);
}

}  // namespace msrnn::inline MSRNN_ABI
