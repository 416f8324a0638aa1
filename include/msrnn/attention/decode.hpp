// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <type_traits>

#include "../config.hpp"
#include "../rows/rows.hpp"
#include "../rows/scalar.hpp"
#include "../rows/view.hpp"
#include "../simd/exp.hpp"
#include "../simd/pack.hpp"
#include "blocks.hpp"
#include "row_stream.hpp"
#include "settings.hpp"
#include "softmax.hpp"

/// How the kernel is made. A walk over the keys gives the logits, a walk over the values the outputs. Rows go in blocks
/// of sixteen, and what the query heads want of a block is done while it lies in the first-level cache, for up to four
/// of them at a time (two where there are sixteen registers); so a row comes from memory once.
///
/// Keys: four rows side by side, column after column, sixteen sums of products in registers. Four sums are reduced
/// together.
///
/// Values: stripes of a few columns, whose outputs stay in registers for the whole block.
///
/// Prefetching: into the second-level cache 16 KiB ahead, a line of each of four rows, then the next line of each,
/// which is 8 to 25 % faster than the order of addresses; from there into the first-level cache eight rows ahead (keys,
/// four query heads: 1.3 times the time of reading without, 1.2 with; presumably reads else wait for the buffers that
/// the far prefetches hold).
///
/// Measured dead ends (AVX-512, g++ 12, D = 128, rows from memory, some on earlier forms of the kernel): prefetching
/// every other line, or nothing (1.5 times slower with several query heads); all far prefetches in the first of two
/// passes over a block (10 to 25 % slower); two rows and eight query heads at a time (no difference); weights in
/// registers and outputs in memory (15 % slower in a cache); four pointers to rows in place of offsets (5 to 24 %
/// slower in a cache: g++ reads each row twice); bfloat16 converted in order (no difference, 5 to 10 % slower in a
/// cache, more with AVX2).
namespace msrnn::inline MSRNN_ABI::detail {

inline constexpr std::size_t tile_queries = floats_per_pack == 16 ? 4 : 2;
inline constexpr std::size_t most_queries = 32;  // that attend in one walk over the rows
inline constexpr std::size_t scratch_floats = 4096;

template <std::size_t N>
using Count = std::integral_constant<std::size_t, N>;

constexpr std::size_t passes_of(std::size_t queries) {
    const std::size_t rest = queries % tile_queries;
    return queries / tile_queries + (rest >= 2) + rest % 2;
}
/// Calls use(count, first) for groups of 4, 2 or 1 query heads, passes_of(queries) times.
template <class Use>
[[gnu::always_inline]] inline void by_queries(std::size_t queries, Use use) {
    std::size_t q = 0;
    for (; q + tile_queries <= queries; q += tile_queries) use(Count<tile_queries>{}, q);
    if constexpr (tile_queries > 2)
        for (; q + 2 <= queries; q += 2) use(Count<2>{}, q);
    if (q < queries) use(Count<1>{}, q);
}

/// One walk over the rows of a KV head, for at most `most_queries` query heads.
template <RowSource Keys, RowSource Values>
struct DecodeAttention {
    using Key = typename Keys::Number;
    using Value = typename Values::Number;

    RowStream<Keys> keys;
    RowStream<Values> values;
    std::size_t n;
    const AttentionSettings& settings;
    const float* sinks;  // of these query heads, or nullptr
    std::size_t query_heads;
    float* weights;
    std::size_t weight_stride;
    float* ordered;    // [query_heads][key_width]: the queries, times the scale
    float* sums;       // [query_heads][value_width]
    Softmax* softmax;  // [query_heads]
    std::size_t head_dim = settings.head_dim;
    std::size_t value_dim = settings.value_width();
    std::size_t key_width = whole_loads<Key>(head_dim);
    std::size_t value_width = whole_loads<Value>(value_dim);
    std::size_t passes = passes_of(query_heads);
    Quad highest[most_queries] = {};

    void prepare_queries(const float* queries) {
        float padded[floats_per_load<Key>] = {};
        for (std::size_t q = 0; q < query_heads; ++q, queries += head_dim) {
            float* const to = ordered + q * key_width;
            std::size_t column = 0;
            for (; column + floats_per_load<Key> <= head_dim; column += floats_per_load<Key>)
                to_kernel_order<Key>(queries + column, to + column);
            if (column == head_dim) continue;
            std::copy_n(queries + column, head_dim - column, padded);
            to_kernel_order<Key>(padded, to + column);
        }
        multiply(ordered, query_heads * key_width, settings.scale);
    }

    /// weights <- logits, and the highest of each query head.
    void read_keys() {
        std::fill_n(highest, query_heads, all<Quad>(infinitely_low));
        for (std::size_t r = 0; r < n; r += block_rows) {
            const std::size_t rows = (std::min)(block_rows, n - r);
            float scales[block_rows];
            if constexpr (Rows<Key>::scaled) keys.read_scales(r, scales);
            Prefetch prefetch = keys.prefetch(r, tile_rows * floats_per_load<Key> * sizeof(Key), passes);
            by_queries(query_heads, [&]<std::size_t Q>(Count<Q>, std::size_t q) {
                prefetch.first_pass = q == 0;
                Quad high[Q];
                for (std::size_t i = 0; i < Q; ++i) high[i] = highest[q + i];
                dot_block<Q>(
                    keys.row(r), keys.stride(), rows, head_dim, prefetch, ordered + q * key_width,
                    key_width, [&](std::size_t i, std::size_t t, Quad logits) __attribute__((always_inline)) {
                        if constexpr (Rows<Key>::scaled) logits *= load<Quad>(scales + t);
                        high[i] = larger(logits, high[i]);
                        float* const weight = weights + (q + i) * weight_stride + r + t;
                        if (t + tile_rows <= rows)
                            store(weight, logits);
                        else
                            for (std::size_t j = 0; j < rows - t; ++j) weight[j] = logits[j];
                    });
                for (std::size_t i = 0; i < Q; ++i) highest[q + i] = high[i];
            });
        }
        if (settings.soft_cap == 0 && settings.seen_by == nullptr) return;
        for (std::size_t q = 0; q < query_heads; ++q)
            highest[q] = highest_quad(adjust(weights + q * weight_stride, n, n, settings, settings.seen_by, 0));
    }

    /// weights <- e^(logit - highest), and sums <- their products with the values.
    void read_values() {
        for (std::size_t q = 0; q < query_heads; ++q)
            softmax[q] = Softmax(highest[q], sinks == nullptr ? nullptr : sinks + q);
        std::fill_n(sums, query_heads * value_width, 0.0f);
        alignas(64) float share[most_queries][block_rows];
        for (std::size_t r = 0; r < n; r += block_rows) {
            const std::size_t rows = (std::min)(block_rows, n - r);
            for (std::size_t q = 0; q < query_heads; ++q) exponentiate(q, r, rows, share[q]);
            if constexpr (Rows<Value>::scaled) {
                float scales[block_rows];
                values.read_scales(r, scales);
                for (std::size_t q = 0; q < query_heads; ++q)
                    for (std::size_t i = 0; i < block_rows; ++i) share[q][i] *= scales[i];
            }
            constexpr std::size_t stripe = stripe_packs / packs_per_load<Value> * floats_per_load<Value>;
            Prefetch prefetch = values.prefetch(r, stripe * sizeof(Value), passes);
            by_queries(query_heads, [&]<std::size_t Q>(Count<Q>, std::size_t q) {
                prefetch.first_pass = q == 0;
                if (settings.seen_by == nullptr)
                    add_block<Q, 0>(values.row(r), values.stride(), rows, value_dim, prefetch, share[q],
                                    sums + q * value_width, value_width);
                else
                    add_seen<Q>(r, rows, prefetch, share[q], sums + q * value_width);
            });
        }
    }
    /// add_block() for the runs of rows that are seen.
    template <std::size_t Q>
    [[gnu::noinline]] void add_seen(std::size_t r, std::size_t rows, Prefetch prefetch, const float* share,
                                    float* out) const {
        const std::uint32_t* const seen_by = settings.seen_by + r;
        for (std::size_t from = 0, to; from < rows; from = to) {
            for (to = from; to < rows && seen_by[to] != 0;) ++to;
            if (from < to)
                add_block<Q, 1>(values.row(r + from), values.stride(), to - from, value_dim, prefetch, share + from,
                                out, value_width);
            while (to < rows && seen_by[to] == 0) ++to;
        }
    }
    /// One query head's weights of a block, and the same in `share`, which is 0 behind the last row.
    void exponentiate(std::size_t q, std::size_t r, std::size_t rows, float* share) {
        float* weight = weights + q * weight_stride + r;
        float padded[block_rows];
        if (rows < block_rows) {
            std::fill_n(padded, block_rows, infinitely_low);
            weight = std::copy_n(weight, rows, padded) - rows;
        }
        Softmax& own = softmax[q];  // a copy would take 2 to 6 % of a step of 8 query heads
        for (std::size_t i = 0; i < block_rows; i += floats_per_pack) {
            const Pack e = own.exponential(load(weight + i));
            store(weight + i, e);
            store(share + i, e);
        }
        if (rows < block_rows) std::copy_n(padded, rows, weights + q * weight_stride + r);
    }

    /// Weights and outputs, divided by the sum of the weights.
    void write_outputs(float* out) {
        float padded[floats_per_load<Value>];
        for (std::size_t q = 0; q < query_heads; ++q, out += value_dim) {
            const float total = softmax[q].total(), inverse = Softmax::inverse(total);
            multiply(weights + q * weight_stride, n, inverse);
            float* const from = sums + q * value_width;
            if (total == 0) std::fill_n(from, value_width, 0.0f);  // whatever the values are
            multiply(from, value_width, inverse);
            std::size_t column = 0;
            for (; column + floats_per_load<Value> <= value_dim; column += floats_per_load<Value>)
                from_kernel_order<Value>(from + column, out + column);
            if (column == value_dim) continue;
            from_kernel_order<Value>(from + column, padded);
            std::copy_n(padded, value_dim - column, out + column);
        }
    }
};

/// A step of the query heads that share one KV head; see attend().
template <RowSource Keys, RowSource Values>
void decode(const Keys& keys, const Values& values, std::size_t n, const AttentionSettings& settings,
            const float* queries, float* weights, std::size_t weight_stride, float* out,
            const typename Keys::Number* next) {
    using Key = typename Keys::Number;
    using Value = typename Values::Number;
    const std::size_t query_heads = settings.query_heads, head_dim = settings.head_dim,
                      value_dim = settings.value_width();
    if (n == 0) {
        std::fill_n(out, query_heads * value_dim, 0.0f);
        return;
    }
    const std::size_t width = (std::max)(whole_loads<Key>(head_dim), whole_loads<Value>(value_dim));
    const std::size_t together = std::clamp(scratch_floats / width, std::size_t{1}, most_queries);
    alignas(64) float scratch[2 * scratch_floats];
    Buffer larger_scratch(width > scratch_floats ? 2 * width : 0);
    float* const ordered = width > scratch_floats ? larger_scratch.data() : scratch;
    float* const sums = ordered + together * width;
    Softmax softmax[most_queries];

    const RowMemory following{reinterpret_cast<const char*>(next), keys.stride * sizeof(Key), head_dim * sizeof(Key)};
    for (std::size_t q = 0; q < query_heads; q += together) {
        const std::size_t heads = (std::min)(together, query_heads - q);
        const RowStream<Values> value_stream(values, n, value_dim, q + heads == query_heads ? following : RowMemory{});
        const RowStream<Keys> key_stream(keys, n, head_dim, value_stream.memory());
        DecodeAttention<Keys, Values> attention{.keys = key_stream,
                                                .values = value_stream,
                                                .n = n,
                                                .settings = settings,
                                                .sinks = settings.sinks == nullptr ? nullptr : settings.sinks + q,
                                                .query_heads = heads,
                                                .weights = weights + q * weight_stride,
                                                .weight_stride = weight_stride,
                                                .ordered = ordered,
                                                .sums = sums,
                                                .softmax = softmax};
        attention.prepare_queries(queries + q * head_dim);
        attention.read_keys();
        attention.read_values();
        attention.write_outputs(out + q * value_dim);
    }
}

}  // namespace msrnn::inline MSRNN_ABI::detail
