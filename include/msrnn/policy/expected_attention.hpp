// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>

#include "../config.hpp"
#include "../core/loops.hpp"
#include "dot.hpp"
#include "once.hpp"
#include "policy.hpp"
#include "rope.hpp"

namespace msrnn::inline MSRNN_ABI {

/// ExpectedAttention: keeps the tokens that queries to come will look at, if they are like those seen so far.
///
/// Per query head, over the queries behind the first `sinks` tokens, before rotation: mean m and covariance C (divisor:
/// their number). R is the mean rotation over the `future` positions to come. Then
///     logit = k.Rm / sqrt(head_dim) [+ k.RCR^T k / (2 head_dim), with `covariance`]
///     rating[slot] = mean over the heads of softmax(logit) [then (rating + epsilon) * ||v||_2, with `value_norm`]
/// over the live tokens behind the sinks, which are protected. One lane for a KV head. Needs queries, and keys and
/// values at a choice; query_heads and head_dim in the lane's Limits.
///
/// Queries are shown as attention used them, and turned back by `rope`, which must be the model's: a wrong theta goes
/// unnoticed. Where an engine shows them before rotation, say rotated = false. Keys are read as they are cached.
///
/// Memory: query_heads * (head_dim + head_dim^2 / 2) floats a lane with the covariance, 132 KB at 4 heads of 128: undo
/// copies that at every step, so it is a selector for prompts rather than a policy with undo. Cost: query_heads *
/// head_dim^2 / 2 multiply-adds a token; at a choice as many for each slot. Without the covariance query_heads *
/// head_dim of both. Give the lane slack.
/// Source: arXiv 2510.00636 and ExpectedAttentionPress of kvpress 0.5.5 (E[R] C E[R]^T, as published). Deviations: all
/// queries since the lane began count, there those of the last pass; an absolute budget.
struct ExpectedAttention {
    static constexpr const char* name = "expected-attention";
    static constexpr Scope scope = Scope::kv_head;

    std::size_t sinks = 4;
    std::size_t future = 512;  ///< positions to come
    bool covariance = true;    ///< queries differ from their mean: costs head_dim times as much
    bool value_norm = true;    ///< times the length of the value
    float epsilon = 0;         ///< added to a weight before that
    bool rotated = true;       ///< queries are shown rotated
    Rope rope = {};

    template <class Tell>
    void settings(Tell tell) const {
        tell("sinks", sinks);
        tell("future", future);
        tell("covariance", covariance);
        tell("value_norm", value_norm);
        tell("epsilon", epsilon);
        tell("rotated", rotated);
        rope.settings(tell);
    }
    constexpr Protection protection(std::size_t) const { return {.sinks = sinks, .recent = 0}; }
    Memory memory(const Shape& lane) const {
        return {.columns = 2,
                .floats = 1 + lane.query_heads * numbers_of_head(lane.head_dim) + scratch_floats(lane.head_dim)};
    }
    std::string problem() const {
        if (future == 0) return "future is 0; give the number of positions to come, 1 or more";
        return rope.problem();
    }

    void observe(const Query& query, Ratings rating) const noexcept {
        if (rating.arrival[rating.newest] < sinks) return;
        const std::size_t d = query.head_dim;
        const std::span<float> away = scratch(rating).first(d), turn = scratch(rating).last(d);
        if (rotated) rope.at(static_cast<double>(rating.position[rating.newest].value()), turn, d);
        const float n = rating.floats[0] += 1;
        for (std::size_t h = 0; h < query.query_heads; ++h) {
            const std::span<const float> q = query(h);
            const std::span<float> mean = mean_of(rating, h);
            if (rotated)
                rope.apply(turn, -1, q, away);
            else
                std::copy(q.begin(), q.end(), away.begin());
            detail::add_row(away, -1, mean);
            if (covariance)
                for (std::size_t i = 0; i < d; ++i)
                    detail::add_row(products_of(rating, h, i), (1 - 1 / n) * away[i], away.subspan(i));
            detail::add_row(mean, 1 / n, away);
        }
    }
    void rate(const Keys& keys, const Values& values, Ratings rating) const {
        const std::size_t d = rating.shape.head_dim, heads = rating.shape.query_heads;
        const std::span<float> row = scratch(rating).first(d), turn = scratch(rating).last(d);
        const std::span<float> chance = rating.column(0);
        const float by_mean = 1 / std::sqrt(static_cast<float>(d));
        const float by_products = 1 / (2 * static_cast<float>(d) * (std::max)(rating.floats[0], 1.0f));
        rope.mean_at(detail::next_position(rating), future, turn, d);
        for (std::size_t h = 0; h < heads; ++h) {
            float largest = -std::numeric_limits<float>::infinity(), total = 0;
            rope.apply(turn, 1, mean_of(rating, h), row);
            candidates(rating, [&](std::size_t slot) { chance[slot] = by_mean * detail::dot(keys(slot), row); });
            if (covariance) add_products(keys, rating, h, turn, by_products);
            candidates(rating, [&](std::size_t slot) { largest = (std::max)(largest, chance[slot]); });
            candidates(rating, [&](std::size_t slot) { total += chance[slot] = std::exp(chance[slot] - largest); });
            const float share = 1 / (total * static_cast<float>(heads));
            candidates(rating, [&](std::size_t slot) { rating[slot] += chance[slot] * share; });
        }
        if (value_norm)
            rating.each([&](std::size_t slot) {
                rating[slot] = (rating[slot] + epsilon) * once(rating.column(1), values, slot, norm);
            });
    }

private:
    static constexpr std::size_t batch = 16;  // keys

    /// Of a head: its mean, then the upper triangle of the sums of products, row after row.
    std::size_t numbers_of_head(std::size_t d) const { return d + (covariance ? d * (d + 1) / 2 : 0); }
    std::span<float> mean_of(const Ratings& r, std::size_t head) const {
        return r.floats.subspan(1 + head * numbers_of_head(r.shape.head_dim), r.shape.head_dim);
    }
    /// Row i of the triangle: products of number i with the numbers from i on.
    std::span<float> products_of(const Ratings& r, std::size_t head, std::size_t i) const {
        const std::size_t d = r.shape.head_dim, before = i * d - (i * i - i) / 2;
        return r.floats.subspan(1 + head * numbers_of_head(d) + d + before, d - i);
    }
    /// A row, a batch of keys with a sum for each, and cosines and sines.
    std::size_t scratch_floats(std::size_t d) const { return d + (covariance ? batch * (d + 1) : 0) + d; }
    std::span<float> scratch(const Ratings& r) const { return r.floats.last(scratch_floats(r.shape.head_dim)); }
    /// column(0) += factor * k.RCR^T k, which is C between a key that is turned back and itself. Keys go in batches:
    /// each product is then read once for all of them, and a batch lies side by side, as wide as the widest vectors.
    void add_products(const Keys& keys, const Ratings& rating, std::size_t head, std::span<const float> turn,
                      float factor) const {
        const std::size_t d = rating.shape.head_dim;
        const std::span<float> row = scratch(rating).first(d), side_by_side = scratch(rating).subspan(d, d * batch),
                               sums = scratch(rating).subspan(d + d * batch, batch);
        Slot slots[batch];
        std::size_t count = 0;
        const auto finish = [&] {
            quadratic(rating, head, side_by_side.data(), sums.data());
            for (std::size_t b = 0; b < count; ++b) rating.column(0)[slots[b]] += factor * sums[b];
            count = 0;
        };
        candidates(rating, [&](std::size_t slot) {
            rope.apply(turn, -1, keys(slot), row);
            for (std::size_t i = 0; i < d; ++i) side_by_side[i * batch + count] = row[i];
            slots[count++] = Slot(slot);
            if (count == batch) finish();
        });
        if (count > 0) finish();
    }
    /// sums[b] <- the sum over i and j of key[i][b] * C[i][j] * key[j][b], where keys is key after key in columns.
    void quadratic(const Ratings& r, std::size_t head, const float* keys, float* sums) const {
        detail::each_float(batch, [&](auto place) {
            auto sum = place.all(0);
            for (std::size_t i = 0; i < r.shape.head_dim; ++i) {
                const std::span<const float> products = products_of(r, head, i);
                const float* const from_i = keys + i * batch;
                auto even = place.all(0), odd = even;  // sums of every other product, which do not wait for each other
                std::size_t j = 0;
                for (; j + 1 < products.size(); j += 2) {
                    even = even + place.all(products[j]) * place(from_i + j * batch);
                    odd = odd + place.all(products[j + 1]) * place(from_i + (j + 1) * batch);
                }
                if (j < products.size()) even = even + place.all(products[j]) * place(from_i + j * batch);
                const auto key = place(from_i);
                sum = sum + key * (place.all(2) * (even + odd) - place.all(products[0]) * key);
            }
            place.set(sums, sum);
        });
    }
    template <class Use>
    void candidates(const Ratings& rating, Use use) const {
        rating.each([&](std::size_t slot) {
            if (rating.arrival[slot] >= sinks) use(slot);
        });
    }
};

}  // namespace msrnn::inline MSRNN_ABI
