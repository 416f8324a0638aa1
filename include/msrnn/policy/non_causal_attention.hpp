// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>

#include "../config.hpp"
#include "dot.hpp"
#include "once.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// NonCausalAttention: keeps what the queries of its neighbourhood look at, later and earlier ones. A selector for
/// State::prefill().
///
/// A prompt is cut into chunks of `chunk` tokens. Within a chunk every query sees every key: weight = softmax over the
/// chunk of q.k, not scaled. sum[slot] = the sum over the queries of the mean over the query heads of weight. A last
/// chunk that is short is padded with logits of 0: padding keys take weight, and padding queries give 1 / chunk each.
/// rating[slot] = the average over 3 neighbours in time (beyond either end is 0) of sum * ||v||_2. Nothing is
/// protected.
///
/// One lane for a KV head. Needs queries and keys of every token, and values at the choice; query_heads and head_dim in
/// the lane's Limits. Memory: chunk * (query_heads + 1) * head_dim floats a lane, 655 KB at 256, 4 and 128, which undo
/// copies. Cost: chunk * query_heads * head_dim multiply-adds a token, all of a chunk's at once.
/// Source: arXiv 2507.08143 and NonCausalAttnPress of kvpress 0.5.5, the padding included. Deviations: no standard
/// score over the heads of a layer, which changes no order; chunks begin where a prompt or a choice does.
struct NonCausalAttention {
    static constexpr const char* name = "non-causal-attention";
    static constexpr Scope scope = Scope::kv_head;

    std::size_t chunk = 256;  ///< queries and keys that attend to each other

    template <class Tell>
    void settings(Tell tell) const {
        tell("chunk", chunk);
    }
    constexpr Protection protection(std::size_t) const { return {}; }
    constexpr Memory memory(const Shape& lane) const {
        return {.columns = 4, .floats = chunk * ((lane.query_heads + 1) * lane.head_dim + 2)};
    }
    std::string problem() const {
        return chunk > 0 ? "" : "chunk is 0; give the number of tokens that see each other, 1 or more";
    }

    void observe(const Query& query, const Keys& keys, Ratings rating) const {
        const std::size_t place = (rating.rows - 1) % chunk;
        const std::span<float> open = rating.column(open_place);
        if (rating.rows == 1) std::fill(open.begin(), open.end(), 0.0f);
        const std::span<const float> key = keys(rating.newest);
        std::copy(key.begin(), key.end(), row(rating, 0, place).begin());
        for (std::size_t h = 0; h < query.query_heads; ++h) {
            const std::span<const float> q = query(h);
            std::copy(q.begin(), q.end(), row(rating, 1 + h, place).begin());
        }
        open[rating.newest] = static_cast<float>(place + 1);
        if (place + 1 == chunk) close(rating, chunk);
    }
    void rate(const Values& values, Ratings rating) const {
        if (rating.rows % chunk != 0) close(rating, rating.rows % chunk);
        const std::span<float> sum = rating.column(0), norms = rating.column(1), scaled = rating.column(2);
        const std::span<const Slot> all = rating.in_order();
        for (const Slot slot : all) scaled[slot] = sum[slot] * once(norms, values, slot, norm);
        for (std::size_t i = 0; i < all.size(); ++i) {
            float three = scaled[all[i]];
            if (i > 0) three += scaled[all[i - 1]];
            if (i + 1 < all.size()) three += scaled[all[i + 1]];
            rating[all[i]] = three / 3;
        }
    }

private:
    static constexpr std::size_t open_place = 3;  // column: place in the open chunk, from 1 on; 0 outside it

    /// Of the open chunk: keys are rows of kind 0, queries of head h of kind 1 + h.
    std::span<float> row(const Ratings& r, std::size_t kind, std::size_t place) const {
        return r.floats.subspan((kind * chunk + place) * r.shape.head_dim, r.shape.head_dim);
    }
    /// The first `tokens` places of the chunk look at each other; the others are padding.
    void close(const Ratings& rating, std::size_t tokens) const {
        const std::span<float> weight = rating.floats.last(2 * chunk).first(tokens);
        const std::span<float> total = rating.floats.last(chunk).first(tokens);
        const std::size_t heads = rating.shape.query_heads;
        const auto padding = static_cast<float>(chunk - tokens), whole = static_cast<float>(chunk);
        std::fill(total.begin(), total.end(), padding / whole);
        for (std::size_t h = 0; h < heads; ++h)
            for (std::size_t i = 0; i < tokens; ++i) {
                float largest = padding > 0 ? 0 : -std::numeric_limits<float>::infinity();
                for (std::size_t j = 0; j < tokens; ++j) {
                    weight[j] = detail::dot(row(rating, 1 + h, i), row(rating, 0, j));
                    largest = (std::max)(largest, weight[j]);
                }
                float seen = padding * std::exp(-largest);
                for (float& w : weight) seen += w = std::exp(w - largest);
                detail::add_row(total, 1 / (seen * static_cast<float>(heads)), weight);
            }
        const std::span<float> sum = rating.column(0), open = rating.column(open_place);
        rating.each([&](std::size_t slot) {
            if (open[slot] > 0) sum[slot] += total[static_cast<std::size_t>(open[slot]) - 1];
            open[slot] = 0;
        });
    }
};

}  // namespace msrnn::inline MSRNN_ABI
