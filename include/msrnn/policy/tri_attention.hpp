// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>

#include "../base/own_vector.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "dot.hpp"
#include "policy.hpp"
#include "rope.hpp"

namespace msrnn::inline MSRNN_ABI {

namespace detail {

/// What both kinds of TriAttention compute, from the mean query of each head and the mean length of its pairs.
struct TriScores {
    const Rope* rope;
    std::size_t farthest;

    /// Floats that rate() needs as scratch.
    std::size_t scratch(std::size_t heads, std::size_t d) const {
        return heads * (d + rope->count(d)) + 3 * rope->count(d);
    }
    /// mean(head) is as wide as a key, length(head) has a number for each pair.
    template <class Mean, class Length>
    void rate(const Keys& keys, const Ratings& rating, std::span<float> room, Mean mean, Length length) const {
        const std::size_t d = rating.shape.head_dim, heads = rating.shape.query_heads, n = rope->count(d);
        const std::span<float> turn = room.first(2 * n), key_lengths = room.subspan(2 * n, n);
        const auto aim = [&](std::size_t h) { return room.subspan(3 * n + h * (d + n), d); };
        const auto rest = [&](std::size_t h) { return room.subspan(3 * n + h * (d + n) + d, n); };
        turn_to_come(next_position(rating), turn, d);
        for (std::size_t h = 0; h < heads; ++h) {
            const std::span<const float> q = mean(h);
            rope->apply(turn, 1, q, aim(h));
            lengths(q, rest(h));
            for (std::size_t i = 0; i < n; ++i) rest(h)[i] = (std::max)(length(h)[i] - rest(h)[i], 0.0f);
        }
        rating.each([&](std::size_t slot) {
            const std::span<const float> key = keys(slot);
            lengths(key, key_lengths);
            for (std::size_t h = 0; h < heads; ++h)
                rating.column(h)[slot] = dot(aim(h), key) + dot(rest(h), key_lengths);
            rating[slot] = -std::numeric_limits<float>::infinity();
        });
        for (std::size_t h = 0; h < heads; ++h) standardise(rating.column(h), rating);
    }
    /// The length of each pair of a row.
    void lengths(std::span<const float> row, std::span<float> to) const {
        const std::size_t n = to.size();
        for (std::size_t i = 0; i < n; ++i) {
            const float x = row[rope->first_of(i)], y = row[rope->second_of(i, n)];
            to[i] = std::sqrt(x * x + y * y);
        }
    }

private:
    /// The mean rotation at 1, 2, 4, ... farthest behind this position.
    void turn_to_come(double next, std::span<float> turn, std::size_t d) const {
        const std::size_t n = rope->count(d);
        rope->each_frequency(d, [&](std::size_t i, double frequency) {
            double cosines = 0, sines = 0, distances = 0;
            for (std::size_t distance = 1; distance <= farthest && distance != 0; distance *= 2, ++distances) {
                const double angle = (next + static_cast<double>(distance)) * frequency;
                cosines += std::cos(angle);
                sines += std::sin(angle);
            }
            turn[i] = static_cast<float>(cosines / distances);
            turn[i + n] = static_cast<float>(sines / distances);
        });
    }
    /// rating <- the larger of itself and (raw - mean) / deviation over the live tokens.
    static void standardise(std::span<const float> raw, const Ratings& rating) {
        double tokens = 0, sum = 0, squares = 0;
        rating.each([&](std::size_t slot) { sum += static_cast<double>(raw[slot]), ++tokens; });
        const double mean = sum / tokens;
        rating.each([&](std::size_t slot) {
            const double off = static_cast<double>(raw[slot]) - mean;
            squares += off * off;
        });
        const double deviation = std::sqrt(squares / (std::max)(tokens - 1, 1.0));
        const double by = deviation > 1e-6 * std::abs(mean) ? 1 / deviation : 0;
        rating.each([&](std::size_t slot) {
            const auto score = static_cast<float>((static_cast<double>(raw[slot]) - mean) * by);
            rating[slot] = (std::max)(rating[slot], score);
        });
    }
};

inline std::string tri_problem(std::size_t farthest, const Rope& rope) {
    if (farthest == 0) return "farthest is 0; give the largest distance of a query to come, 1 or more";
    return rope.problem();
}

}  // namespace detail

/// TriAttention: keeps the keys that the model's usual queries will meet, at the distances to come. It calibrates
/// itself.
///
/// Queries of a head point, before rotation, much the same way. With q_f the mean of their pair f as a complex number,
/// a_f the mean length of that pair, p the position of the next query, and k_f the key's pair, rotated as it is cached:
///     raw = mean over t in 1, 2, 4, ... farthest of sum over f of Re(q_f e^(i (p + t) w_f) conj(k_f))
///           + sum over f of max(a_f - |q_f|, 0) |k_f|
///     rating[slot] = max over the query heads of (raw - mean) / deviation over the lane's tokens (divisor: tokens - 1)
/// Nothing is protected. One lane for a KV head. Needs queries, rotated as attention used them, and keys at a choice;
/// query_heads and head_dim in the lane's Limits; `rope` must be the model's. Cost: a token 2 * head_dim operations a
/// query head, head_dim / 2 sines and cosines while it calibrates; a choice (query_heads + 1) * 1.5 * head_dim
/// multiply-adds and head_dim / 2 square roots a slot. Give the lane slack: the code chooses every 128 tokens.
/// Source: arXiv 2604.04921 and triattention_common.py of domvox/triattention-ggml. Deviations: calibrated by the first
/// `queries` queries that the lane itself is shown; for numbers of a file see CalibratedTriAttention; a head whose
/// scores are all equal counts as 0; numbers that do not rotate count as they are.
struct TriAttention {
    static constexpr const char* name = "tri-attention";
    static constexpr Scope scope = Scope::kv_head;

    std::size_t farthest = 65536;     ///< distance of a query to come
    std::size_t queries = unbounded;  ///< that calibrate
    Rope rope = {};

    template <class Tell>
    void settings(Tell tell) const {
        tell("farthest", farthest);
        tell("queries", queries);
        rope.settings(tell);
    }
    constexpr Protection protection(std::size_t) const { return {}; }
    Memory memory(const Shape& lane) const {
        const std::size_t d = lane.head_dim, heads = lane.query_heads;
        return {.columns = heads, .floats = 1 + heads * (d + rope.count(d)) + d + scores().scratch(heads, d)};
    }
    std::string problem() const {
        if (queries == 0) return "queries is 0; TriAttention calibrates itself by the first queries, so give 1 or more";
        return detail::tri_problem(farthest, rope);
    }

    void observe(const Query& query, Ratings rating) const noexcept {
        float& seen = rating.floats[0];
        if (static_cast<std::size_t>(seen) >= queries) return;
        seen += 1;
        const std::size_t d = query.head_dim, n = rope.count(d);
        const std::span<float> room = scratch(rating), turn = room.first(2 * n), off = room.last(d),
                               lengths = room.subspan(2 * n, n);
        rope.at(static_cast<double>(rating.position[rating.newest].value()), turn, d);
        for (std::size_t h = 0; h < query.query_heads; ++h) {
            rope.apply(turn, -1, query(h), off);
            scores().lengths(query(h), lengths);
            detail::add_row(off, -1, mean_of(rating, h));
            detail::add_row(mean_of(rating, h), 1 / seen, off);
            detail::add_row(lengths, -1, length_of(rating, h));
            detail::add_row(length_of(rating, h), 1 / seen, lengths);
        }
    }
    void rate(const Keys& keys, Ratings rating) const {
        scores().rate(
            keys, rating, scratch(rating), [&](std::size_t h) { return mean_of(rating, h); },
            [&](std::size_t h) { return length_of(rating, h); });
    }

private:
    detail::TriScores scores() const { return {&rope, farthest}; }
    std::span<float> mean_of(const Ratings& r, std::size_t head) const {
        const std::size_t d = r.shape.head_dim;
        return r.floats.subspan(1 + head * (d + rope.count(d)), d);
    }
    std::span<float> length_of(const Ratings& r, std::size_t head) const {
        const std::size_t d = r.shape.head_dim, n = rope.count(d);
        return r.floats.subspan(1 + head * (d + n) + d, n);
    }
    std::span<float> scratch(const Ratings& r) const {
        const std::size_t d = r.shape.head_dim, heads = r.shape.query_heads;
        return r.floats.last(d + scores().scratch(heads, d));
    }
};

/// TriAttention with numbers that were measured before, over texts of many kinds: as published, and for engines that
/// cannot show queries. Rates as TriAttention does; see there. The numbers are of all layers and heads of a model:
///
///     CalibratedTriAttention policy{.query_heads = 32, .mean = numbers_of_my_file, .length = more_of_them};
///
/// A lane takes those of its LaneId. Needs keys at a choice. A snapshot holds a digest of the numbers, not the numbers.
struct CalibratedTriAttention {
    static constexpr const char* name = "calibrated-tri-attention";
    static constexpr Scope scope = Scope::kv_head;

    std::size_t query_heads = 0;   ///< of a layer
    OwnVector<float> mean = {};    ///< [layers][query_heads][head_dim], the mean query before rotation
    OwnVector<float> length = {};  ///< [layers][query_heads][pairs], the mean length of each pair of a query
    std::size_t farthest = 65536;  ///< distance of a query to come
    Rope rope = {};

    template <class Tell>
    void settings(Tell tell) const {
        tell("query_heads", query_heads);
        tell("mean", Rope::digest_of(std::span<const float>(mean)));
        tell("length", Rope::digest_of(std::span<const float>(length)));
        tell("farthest", farthest);
        rope.settings(tell);
    }
    constexpr Protection protection(std::size_t) const { return {}; }
    Memory memory(const Shape& lane) const {
        return {.columns = lane.query_heads, .floats = scores().scratch(lane.query_heads, lane.head_dim)};
    }
    std::string problem() const {
        if (query_heads == 0 || mean.empty())
            return "query_heads or mean is empty; give the numbers of a calibration, or use TriAttention, which "
                   "calibrates itself";
        if (mean.size() % query_heads != 0 || length.size() % query_heads != 0)
            return std::string("mean has ")
                .append(detail::text(mean.size()))
                .append(" numbers and length ")
                .append(detail::text(length.size()))
                .append(", which ")
                .append(detail::text(query_heads))
                .append(
                    " query_heads do not divide; give [layers][query_heads][head_dim] and one number for each pair");
        return detail::tri_problem(farthest, rope);
    }
    void rate(const Keys& keys, Ratings rating) const {
        const std::size_t d = rating.shape.head_dim, n = rope.count(d), heads = rating.shape.query_heads;
        const std::size_t first = rating.lane.layer * query_heads + rating.lane.kv_head * heads;
        MSRNN_ASSERT((first + heads) * d <= mean.size() && (first + heads) * n <= length.size(),
                     "msrnn: the calibration has no numbers for this lane's layer and heads");
        scores().rate(
            keys, rating, rating.floats,
            [&](std::size_t h) { return std::span<const float>(mean).subspan((first + h) * d, d); },
            [&](std::size_t h) { return std::span<const float>(length).subspan((first + h) * n, n); });
    }

private:
    detail::TriScores scores() const { return {&rope, farthest}; }
};

}  // namespace msrnn::inline MSRNN_ABI
