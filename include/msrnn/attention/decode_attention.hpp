// SPDX-License-Identifier: MIT
#ifndef MSRNN_ATTENTION_DECODE_ATTENTION_HPP
#define MSRNN_ATTENTION_DECODE_ATTENTION_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "../config.hpp"
#include "../rows/rows.hpp"
#include "../rows/scalar.hpp"
#include "../rows/view.hpp"
#include "../rows/widen.hpp"
#include "../simd/exp.hpp"
#include "../simd/pack.hpp"
#include "blocks.hpp"
#include "bytes.hpp"
#include "dot_alone.hpp"
#include "row_stream.hpp"
#include "settings.hpp"
#include "shape.hpp"
#include "softmax.hpp"
#include "value_blocks.hpp"
#include "value_bytes.hpp"
#include "wide_rows.hpp"

namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET {

inline constexpr std::size_t key_queries = floats_per_pack == 16 ? 4 : 2;    // at a time: 32 registers, or 16
inline constexpr std::size_t value_queries = floats_per_pack == 16 ? 8 : 4;  // the same for values
inline constexpr std::size_t most_queries = 32;                              // that attend in one walk over the rows
inline constexpr std::size_t scratch_floats = 4096;

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
    float* ordered;           // [query_heads][key_width]: the queries, times the scale
    float* sums_of_values;    // [query_heads][value_width]
    Softmax* softmax;         // [query_heads]
    Pack* high;               // [query_heads], while the keys are read: lanes of one or of several query heads
    Quad* highest;            // [query_heads]
    ByteQuery* byte_queries;  // [query_heads] if the keys are multiplied as bytes
    float* wide;              // room for each_part()
    ReadShape shape;
    std::size_t head_dim = settings.head_dim;
    std::size_t value_dim = settings.value_width();
    std::size_t key_width = padded_width<Key>(head_dim);
    std::size_t value_width = padded_width<Value>(value_dim);
    static constexpr bool scaled = Rows<Key>::scaled;

    std::int8_t* bytes() const { return reinterpret_cast<std::int8_t*>(ordered); }

    void prepare_queries(const float* queries) {
        const float factor = settings.scale * log2_of_e;
        if constexpr (by_bytes<Key>) {
            for (std::size_t q = 0; q < query_heads; ++q)
                byte_queries[q] = split_query(queries + q * head_dim, head_dim, factor, bytes() + 2 * q * key_width);
            return;
        }
        for (std::size_t q = 0; q < query_heads; ++q)
            row_to_kernel_order<Key>(queries + q * head_dim, head_dim, factor, ordered + q * key_width);
    }

    /// weights <- logits, and the highest of each query head.
    void read_keys() {
        std::fill_n(high, query_heads, all(infinitely_low));
        const std::size_t pace = keys.pace(by_bytes<Key>      ? key_width / byte_chunk * 4
                                           : shape.whole_rows ? block_rows
                                                              : tile_steps(key_width / floats_per_load<Key>));
        alignas(64) float room[block_rows], tail[most_queries][block_rows];
        for (std::size_t r = 0, rows; r < n; r += rows) {
            rows = blocks_together(r);
            const float* const scales = scaled ? keys.scales(r, room) : nullptr;
            Logits logits{weights + r, weight_stride, scales, high};
            if (rows < block_rows) logits.first = tail[0], logits.stride = block_rows;
            Prefetch prefetch = keys.prefetch(r, pace);
            if constexpr (by_bytes<Key>)
                dot_bytes(keys.row(r), keys.stride(), rows, head_dim, prefetch, bytes(), byte_queries, query_heads,
                          scales, logits.first, logits.stride, high);
            else if (shape.whole_rows)
                read_whole_rows(r, rows, prefetch, logits);
            else
                read_tiles(r, rows, prefetch, logits);
            if (rows < block_rows)
                for (std::size_t q = 0; q < query_heads; ++q)
                    std::copy_n(tail[q], rows, weights + q * weight_stride + r);
        }
        if (settings.soft_cap == 0 && settings.seen_by == nullptr)
            find_highest();
        else
            for (std::size_t q = 0; q < query_heads; ++q)
                highest[q] = highest_quad(adjust(weights + q * weight_stride, n, n, settings, settings.seen_by, 0));
    }
    /// How many rows of keys are walked together: a block, or several.
    std::size_t blocks_together(std::size_t r) const {
        if (scaled || !are_read_alone(shape, query_heads, n, head_dim)) return (std::min)(block_rows, n - r);
        const std::size_t rows = keys.rows_together(r, 4 * block_rows);
        return rows < block_rows ? rows : rows - rows % block_rows;
    }
    void find_highest() {
        by_queries<key_queries>(query_heads, [&]<std::size_t Q>(Count<Q>, std::size_t q) {
            for (std::size_t i = 0; i < Q; ++i)
                highest[q + i] = Q == 1 || shape.whole_rows || by_bytes<Key> ? highest_quad(high[q + i])
                                                                             : highest_of_tile<Q>(high + q, i);
        });
    }
    /// Steps of all tiles of a block whose rows have so many loads.
    std::size_t tile_steps(std::size_t loads) const {
        std::size_t steps = 0;
        by_queries<key_queries>(query_heads, [&]<std::size_t Q>(Count<Q>, std::size_t) {
            if constexpr (Q > 1) steps += block_rows / tile_rows<Q> * loads;
        });
        return (std::max)(steps, std::size_t{1});
    }
    static Logits of_query(const Logits& logits, std::size_t q, std::size_t row = 0) {
        return {logits.first + q * logits.stride + row, logits.stride, logits.scales + (scaled ? row : 0),
                logits.high + q};
    }
    void read_tiles(std::size_t r, std::size_t rows, Prefetch& prefetch, const Logits& logits) {
        const bool narrow = rows == block_rows && head_dim == written_out<Key> * floats_per_load<Key>;
        if constexpr (floats_per_pack == 16)
            if (narrow && query_heads >= 4)
                dot_narrow_tiles<scaled>(keys.row(r), keys.stride(), prefetch, ordered, query_heads / 4, logits);
        Pack products[1][block_rows];
        each_part(keys, r, 0, rows, head_dim, wide, [&](const auto* row, auto stride, auto from, auto to) {
            by_queries<key_queries>(query_heads, [&]<std::size_t Q>(Count<Q>, std::size_t q) {
                const float* const queries = ordered + q * key_width;
                if constexpr (Q == 4 && floats_per_pack == 16)
                    if (narrow) return;
                if constexpr (Q > 1) {
                    dot_tiles<Q, scaled>(row, stride, to - from, head_dim, prefetch, queries, key_width,
                                         of_query(logits, q, from));
                } else {
                    Prefetch none(ordered);
                    dot_rows<1, 0>(row, stride, from, to, head_dim, none, queries, key_width, products);
                    if (to == rows) sum_rows<scaled>(products[0], rows, of_query(logits, q));
                }
            });
        });
    }
    /// Four rows for some query heads, then the same rows for the next ones: the loads of the next rows begin under the
    /// arithmetic.
    void read_whole_rows(std::size_t r, std::size_t rows, Prefetch& prefetch, const Logits& logits) {
        Pack products[most_whole_rows][block_rows];
        if (query_heads == 1)
            return with_loads<Key>(head_dim, [&]<std::size_t Loads>(Count<Loads>) {
                if constexpr (floats_per_pack == 16 && Loads > 0 && Loads * packs_per_load<Key> <= 16)
                    if (rows >= block_rows && are_read_alone(shape, query_heads, n, head_dim))
                        return dot_alone<Loads, scaled>(keys.row(r), keys.stride(), rows, prefetch, ordered, logits);
                dot_rows<1, Loads>(keys.row(r), keys.stride(), 0, rows, head_dim, prefetch, ordered, key_width,
                                   products);
                sum_rows<scaled>(products[0], rows, logits);
            });
        const std::size_t together = query_heads <= key_queries ? block_rows : 4;
        for (std::size_t first = 0; first < rows; first += together)
            each_part(keys, r, first, (std::min)(first + together, rows), head_dim, wide,
                      [&](const auto* row, auto stride, auto from, auto to) {
                          by_queries<key_queries>(query_heads, [&]<std::size_t Q>(Count<Q>, std::size_t q) {
                              Prefetch none(ordered);
                              dot_rows<Q, 0>(row, stride, from, to, head_dim, q == 0 ? prefetch : none,
                                             ordered + q * key_width, key_width, products + q);
                          });
                      });
        for (std::size_t q = 0; q < query_heads; ++q) sum_rows<scaled>(products[q], rows, of_query(logits, q));
    }

    /// weights <- 2^(logit - highest), and sums <- their products with the values.
    void read_values() {
        for (std::size_t q = 0; q < query_heads; ++q)
            softmax[q] = Softmax(highest[q], sinks == nullptr ? nullptr : sinks + q);
        std::fill_n(sums_of_values, query_heads * value_width, 0.0f);
        alignas(64) float share[most_queries][share_rows], room[block_rows];
        const std::size_t pace = values.pace(value_steps());
        const std::size_t most = Rows<Value>::scaled || settings.seen_by != nullptr
                                     ? block_rows
                                     : shape.rows_together(value_dim * sizeof(Value));
        for (std::size_t r = 0, rows; r < n; r += rows) {
            rows = values.rows_together(r, most);
            const std::size_t at = r % share_rows;
            if (at == 0)
                by_queries<2>(query_heads, [&]<std::size_t Q>(Count<Q>, std::size_t q) {
                    Softmax::exponentials<Q, share_rows>(softmax + q, weights + q * weight_stride + r, weight_stride,
                                                         (std::min)(share_rows, n - r), share[q]);
                });
            [[maybe_unused]] const float* const scales = Rows<Value>::scaled ? values.scales(r, room) : nullptr;
            if constexpr (Rows<Value>::scaled)
                for (std::size_t q = 0; q < query_heads; ++q)
                    for (std::size_t i = 0; i < block_rows; i += floats_per_pack)
                        store(share[q] + at + i, load(share[q] + at + i) * load(scales + i));
            Prefetch prefetch = values.prefetch(r, pace);
            if constexpr (by_bytes<Value>)
                add_block_of_bytes(r, rows, prefetch, scales, share[0] + at);
            else
                add_seen(r, rows, prefetch, share[0] + at);
        }
    }
    std::size_t value_steps() const {
        if (by_bytes<Value>) return value_width / byte_chunk * 4;
        std::size_t steps = 0;
        by_queries<value_queries>(
            query_heads, [&]<std::size_t Q>(Count<Q>, std::size_t) { steps += steps_of_block<Q, Value>(value_dim); });
        return steps;
    }
    /// Where rows are hidden, or scales are none that bytes can do with, the block is added as floats.
    void add_block_of_bytes(std::size_t r, std::size_t rows, Prefetch& prefetch, const float* scales,
                            const float* share) {
        const std::size_t seen =
            settings.seen_by == nullptr
                ? rows
                : rows - static_cast<std::size_t>(std::count(settings.seen_by + r, settings.seen_by + r + rows, 0u));
        if (seen == 0) return;
        if (seen < rows || !are_plain(scales)) {
            in_order(sums_of_values, query_heads * value_width);
            add_seen(r, rows, prefetch, share);
            return in_order(sums_of_values, query_heads * value_width);
        }
        ByteShares shares[by_bytes<Value> ? most_queries : 1];
        for (std::size_t q = 0; q < query_heads; ++q) shares[q] = split_shares(share + q * share_rows);
        add_bytes(values.row(r), values.stride(), rows, value_dim, prefetch, shares, query_heads, sums_of_values,
                  value_width);
    }
    /// The rows [from, to) of the block at row r.
    void add_rows(std::size_t r, std::size_t from, std::size_t to, Prefetch& prefetch, const float* share) {
        if (query_heads == 1)
            return add_block<1>(values.row(r + from), values.stride(), to - from, value_dim, prefetch, share + from,
                                sums_of_values, value_width);
        each_part(values, r, from, to, value_dim, wide, [&](const auto* part, auto stride, auto begin, auto end) {
            const auto add = [&]<std::size_t Q>(Count<Q>, std::size_t q, std::size_t row, std::size_t rows) {
                add_block<Q>(part + (row - begin) * stride, stride, rows, value_dim, prefetch,
                             share + q * share_rows + row, sums_of_values + q * value_width, value_width);
            };
            if (!shape.whole_rows) {
                by_queries<value_queries>(query_heads,
                                          [&](auto count, std::size_t q) { add(count, q, begin, end - begin); });
                return;
            }
            // As many query heads as have all outputs in registers, eight rows at a time.
            const std::size_t packs = value_width / floats_per_pack;
            for (std::size_t row = begin, rows; row < end; row += rows) {
                rows = (std::min)(std::size_t{8}, end - row);
                const auto add_here = [&](auto count, std::size_t q) { add(count, q, row, rows); };
                if (packs <= stripe_sums / 4)
                    by_queries<4>(query_heads, add_here);
                else if (packs <= stripe_sums / 2)
                    by_queries<2>(query_heads, add_here);
                else
                    by_queries<1>(query_heads, add_here);
            }
        });
    }
    /// The runs of rows that are seen.
    void add_seen(std::size_t r, std::size_t rows, Prefetch& prefetch, const float* share) {
        if (settings.seen_by == nullptr) return add_rows(r, 0, rows, prefetch, share);
        const std::uint32_t* const seen_by = settings.seen_by + r;
        for (std::size_t from = 0, to; from < rows; from = to) {
            for (to = from; to < rows && seen_by[to] != 0;) ++to;
            if (from < to) add_rows(r, from, to, prefetch, share);
            while (to < rows && seen_by[to] == 0) ++to;
        }
    }
    /// Weights and outputs, divided by the sum of the weights.
    void write_outputs(float* out) {
        for (std::size_t q = 0; q < query_heads; ++q, out += value_dim) {
            const float* const from = sums_of_values + q * value_width;
            const float total = softmax[q].total(), inverse = Softmax::inverse(total);
            multiply(weights + q * weight_stride, n, inverse);
            if (total == 0)
                std::fill_n(out, value_dim, 0.0f);  // whatever the values are
            else if constexpr (by_bytes<Value>)
                write_in_order(from, inverse, out, value_dim);
            else
                row_from_kernel_order<Value>(from, value_dim, inverse, out);
        }
    }
};

}  // namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET

#endif
