// SPDX-License-Identifier: MIT
#ifndef MSRNN_ATTENTION_DECODE_HPP
#define MSRNN_ATTENTION_DECODE_HPP

#include <algorithm>
#include <cstddef>

#include "../config.hpp"
#include "../rows/rows.hpp"
#include "../rows/scalar.hpp"
#include "../rows/view.hpp"
#include "../rows/widen.hpp"
#include "bytes.hpp"
#include "decode_attention.hpp"
#include "row_stream.hpp"
#include "settings.hpp"
#include "shape.hpp"
#include "softmax.hpp"
#include "wide_rows.hpp"

/// How the kernel is made. A walk over the keys gives the logits, a walk over the values the outputs. Rows go in blocks
/// of sixteen, and what the query heads want of a block is done while it lies in the first-level cache; so a row comes
/// from memory once. In which order a block is read, see shape.hpp; what is done with it, blocks.hpp and
/// value_blocks.hpp.
///
/// Measured dead ends. On AMD's Zen 4 (AVX-512, g++ 12, rows from memory; times over those of reading): K and V of a
/// block by turns with an online softmax (1.12 to 2.1); sixteen rows side by side for one query head (2.2); any tile of
/// rows without a prefetch (2 to 3.5); far prefetches in the first of two passes over a block alone (1.5 to 2.3), or a
/// line of each of four rows by turns (1.8); prefetching into the first-level cache there (1.4 to 3.3 for values);
/// eight query heads and two rows at a time (1.25, four and four 1.15). On Zen 5: whole rows for four query heads of
/// floats (1.4 to 1.9, tiles 1.1 to 1.2), prefetches of a tile all at once (1.4 to 1.6), or of less than a block ahead
/// (1.4 to 1.9), a block of bfloat16 widened before (5 % slower at eight query heads), tiles with all loads of a row
/// unrolled (5 % slower there), weights a block ahead of the values (no gain), two rows of values a turn of the loop
/// (no gain; f16 4 % slower), four heads by four packs of values (no gain), 32 rows of keys a call (1 % either way),
/// products of a tile stored and summed later (10 to 60 % slower), one head's block in registers for rows from memory
/// (7 to 13 % slower). There a store of a pack takes the place of two multiply-adds. So keys turned once for all heads,
/// with rows as lanes and queries as broadcasts, win nothing. For eight heads of bfloat16, times over those of the
/// multiply-adds: D = 64 32 rows together 1.31, 16 rows 1.43, turned between the products of the rows before 1.41 (the
/// tile here 1.34, the one before 1.48); D = 128 1.32, 1.41 and 1.42 (tile 1.31). Nor do stores of half a pack (1.6),
/// masked additions instead of shuffles (1.30). There shuffles across 16-byte lanes take a port of multiply-adds, those
/// within do not: so rows in pairs, with queries in two orders, where an addition replaces the first shuffles, and sums
/// of one head folded between the products of the next, are 8 % faster alone (D = 64, the same bits), and win nothing
/// in a step over rows in memory. Two rows of 128 numbers kept in registers for all heads: no gain. Prefetches 24, 32
/// or 48 KiB ahead instead of 16: no gain. One query head over rows in a cache: without a prefetch 7 to 9 % faster, but
/// from memory 1.5 times slower; values prefetched row by row, too: 3 % faster to 4 % slower. vdpbf16ps runs at 0.93 of
/// the rate of multiply-adds, so a query in two parts would take as long as conversions do (not tried in a step). On
/// Intel's processors, some on earlier forms: every other line prefetched, or none (1.5 times slower with several query
/// heads); weights in registers and outputs in memory (15 % slower in a cache); bfloat16 converted in order (5 to 10 %
/// slower in a cache).
namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET {

inline constexpr std::size_t from_memory = 262144;  // keys and values of a head: more than caches hold of all heads

/// A step of the query heads that share one KV head; see attend().
template <RowSource Keys, RowSource Values>
void decode(const Keys& keys, const Values& values, std::size_t n, const AttentionSettings& settings,
            const float* queries, float* weights, std::size_t weight_stride, float* out,
            const typename Keys::Number* next, const Tuning& tuning) {
    using Key = typename Keys::Number;
    using Value = typename Values::Number;
    const std::size_t query_heads = settings.query_heads, head_dim = settings.head_dim,
                      value_dim = settings.value_width();
    if (n == 0) {
        std::fill_n(out, query_heads * value_dim, 0.0f);
        return;
    }
    const std::size_t width = (std::max)(padded_width<Key>(head_dim), padded_width<Value>(value_dim));
    const std::size_t together = std::clamp(scratch_floats / width, std::size_t{1}, most_queries);
    alignas(64) float scratch[2 * scratch_floats];
    Buffer larger_scratch(width > scratch_floats ? 2 * width : 0);
    float* const ordered = width > scratch_floats ? larger_scratch.data() : scratch;
    float* const sums = ordered + together * width;
    constexpr bool widens = dear_to_widen<Key> || dear_to_widen<Value>;
    alignas(64) float part[widens ? part_floats : 1];
    Buffer larger_part(widens && width > widest_part ? least_part * whole_runs(width) : 0);
    Softmax softmax[most_queries];
    Pack high[most_queries];
    Quad highest[most_queries];
    ByteQuery byte_queries[by_bytes<Key> ? most_queries : 1];

    const RowMemory following{reinterpret_cast<const char*>(next), keys.stride * sizeof(Key), head_dim * sizeof(Key)};
    for (std::size_t q = 0; q < query_heads; q += together) {
        const std::size_t heads = (std::min)(together, query_heads - q);
        const std::size_t bytes = n * (head_dim + value_dim) * sizeof(Key);
        ReadShape shape = shape_of(heads, sizeof(Key), head_dim * sizeof(Key), bytes, tuning);
        if (by_bytes<Key>) shape.ahead = tuning.far_bytes;
        if (pack_bytes < 64 && sizeof(Key) == 4 && heads == 1 && bytes >= from_memory)
            shape.ahead = (std::max)(shape.ahead, tuning.near_in_short);
        // Streams are made in their places: a copy would wait until what was just written can be read again.
        DecodeAttention<Keys, Values> attention{
            .keys = RowStream<Keys>(keys, n, head_dim, shape, memory_of(values, value_dim)),
            .values =
                RowStream<Values>(values, n, value_dim, shape, q + heads == query_heads ? following : RowMemory{}),
            .n = n,
            .settings = settings,
            .sinks = settings.sinks == nullptr ? nullptr : settings.sinks + q,
            .query_heads = heads,
            .weights = weights + q * weight_stride,
            .weight_stride = weight_stride,
            .ordered = ordered,
            .sums_of_values = sums,
            .softmax = softmax,
            .high = high,
            .highest = highest,
            .byte_queries = byte_queries,
            .wide = width > widest_part ? larger_part.data() : part,
            .shape = shape};
        attention.prepare_queries(queries + q * head_dim);
        attention.read_keys();
        attention.read_values();
        attention.write_outputs(out + q * value_dim);
    }
}

}  // namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET

#endif
