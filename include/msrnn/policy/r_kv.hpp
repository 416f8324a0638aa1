// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>

#include "../base/text.hpp"
#include "../config.hpp"
#include "dot.hpp"
#include "once.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// R-KV: keeps what the last queries look at and what is unlike the rest.
///
/// Older tokens are all but the newest `window`, which are protected.
/// importance: for each of the last `window` queries the logits max over the heads of q.k / sqrt(head_dim), softmax
/// over the older tokens; the mean over the queries; the maximum over `kernel` neighbours in time. redundancy: the
/// cosines of all pairs of live keys, a key's with itself taken as 0; of a key's cosines the last in time that is above
/// `threshold` counts as 0 (where none is, the first), so that the newest of many alike stays; the mean over the keys;
/// softmax over the live tokens. rating[slot] = mix * importance - (1 - mix) * redundancy.
///
/// One lane for a KV head. Needs queries, of a prompt the last `window` alone, and keys at a choice; query_heads and
/// head_dim in the lane's Limits. Memory: window * query_heads * head_dim floats a lane. Cost of a choice: slots^2 *
/// head_dim / 2 multiply-adds and slots^2 / 2 reads of keys, 2 ms at 512 slots of 128: give the lane slack, as the
/// authors do, which choose every 128 tokens.
/// Source: arXiv 2505.24133 and the authors' R1KV. Deviations: neighbours and "last" go by arrival; there, after the
/// first choice, by place in storage, which is the order of scores. It chooses above the budget, there at it too.
struct RKV {
    static constexpr const char* name = "r-kv";
    static constexpr Scope scope = Scope::kv_head;

    std::size_t window = 8;
    std::size_t kernel = 7;  ///< odd
    float mix = 0.07f;       ///< weight of attention; 1 - mix is that of novelty
    float threshold = 0.5f;  ///< keys with a larger cosine repeat each other

    template <class Tell>
    void settings(Tell tell) const {
        tell("window", window);
        tell("kernel", kernel);
        tell("mix", mix);
        tell("threshold", threshold);
    }
    constexpr Protection protection(std::size_t) const { return {.sinks = 0, .recent = window}; }
    constexpr std::size_t observation_window() const { return window; }
    constexpr Memory memory(const Shape& lane) const {
        return {.columns = 4, .floats = 2 + (window * lane.query_heads + 1) * lane.head_dim};
    }
    std::string problem() const {
        if (window == 0) return "window is 0; RKV chooses by at least one query";
        if (kernel % 2 == 1) return {};
        return std::string("kernel is ")
            .append(detail::text(kernel))
            .append("; it must be odd, so that a token is the middle of its neighbours");
    }

    void observe(const Query& query, Ratings rating) const noexcept {
        float &next = rating.floats[0], &held = rating.floats[1];
        for (std::size_t h = 0; h < query.query_heads; ++h) {
            const std::span<const float> q = query(h);
            std::copy(q.begin(), q.end(), held_query(rating, static_cast<std::size_t>(next), h).begin());
        }
        next = static_cast<std::size_t>(next) + 1 < window ? next + 1 : 0;
        held = (std::max)(held, next == 0 ? static_cast<float>(window) : next);
    }
    void rate(const Keys& keys, Ratings rating) const {
        const std::span<const Slot> all = rating.in_order();
        const std::span<const Slot> older = all.first(all.size() - (std::min)(window, all.size()));
        const std::span<float> importance = rating.column(1);
        attend(keys, older, rating);
        const std::size_t reach = kernel / 2;
        for (std::size_t i = 0; i < older.size(); ++i) {
            const std::size_t first = i < reach ? 0 : i - reach, end = (std::min)(i + reach + 1, older.size());
            float most = importance[older[first]];
            for (std::size_t by = first; by < end; ++by) most = (std::max)(most, importance[older[by]]);
            rating[older[i]] = mix * most;
        }
        add_redundancy(keys, all, rating);
    }

private:
    std::span<float> held_query(const Ratings& r, std::size_t row, std::size_t head) const {
        return r.floats.subspan(2 + (row * r.shape.query_heads + head) * r.shape.head_dim, r.shape.head_dim);
    }
    /// column(1) <- the mean weight that the held queries give to the older tokens.
    void attend(const Keys& keys, std::span<const Slot> older, const Ratings& rating) const {
        const std::span<float> weight = rating.column(0), mean = rating.column(1);
        const auto rows = static_cast<std::size_t>(rating.floats[1]);
        const float scale = 1 / std::sqrt(static_cast<float>(rating.shape.head_dim));
        for (const Slot slot : older) mean[slot] = 0;
        for (std::size_t row = 0; row < rows; ++row) {
            float largest = lowest, total = 0;
            for (const Slot slot : older) {
                const std::span<const float> key = keys(slot);
                float logit = lowest;
                for (std::size_t h = 0; h < rating.shape.query_heads; ++h)
                    logit = (std::max)(logit, detail::dot(key, held_query(rating, row, h)));
                weight[slot] = logit * scale;
                largest = (std::max)(largest, weight[slot]);
            }
            for (const Slot slot : older) total += weight[slot] = std::exp(weight[slot] - largest);
            const float share = 1 / (total * static_cast<float>(rows));
            for (const Slot slot : older) mean[slot] += weight[slot] * share;
        }
    }
    /// rating -= (1 - mix) * the softmax of the mean cosine. Each pair is looked at once, so both of its tokens note
    /// it.
    void add_redundancy(const Keys& keys, std::span<const Slot> all, const Ratings& rating) const {
        const std::span<float> spared = rating.column(0), spared_cosine = rating.column(1);
        const std::span<float> sum = rating.column(2), norms = rating.column(3);
        const std::span<float> row = rating.floats.last(rating.shape.head_dim);  // a row is gone when the next is read
        const auto spare = [&](Slot of, std::size_t place, float cosine) {
            spared[of] = static_cast<float>(place);
            spared_cosine[of] = cosine;
        };
        for (std::size_t i = 0; i < all.size(); ++i) {
            const Slot here = all[i];
            once(norms, keys, here, norm);
            const std::span<const float> key = keys(here);
            std::copy(key.begin(), key.end(), row.begin());
            sum[here] = spared[here] = spared_cosine[here] = 0;
            for (std::size_t j = 0; j < i; ++j) {
                const Slot there = all[j];
                const float lengths = (norms[here] + shortest) * (norms[there] + shortest);
                const float cosine = detail::dot(keys(there), row) / lengths;
                sum[here] += cosine;
                sum[there] += cosine;
                if (j == 0 || cosine > threshold) spare(here, j, cosine);
                if (cosine > threshold) spare(there, i, cosine);
            }
            if (threshold < 0) spare(here, i, 0);
        }
        const auto tokens = static_cast<float>(all.size());
        for (const Slot slot : all) sum[all[static_cast<std::size_t>(spared[slot])]] -= spared_cosine[slot];
        float largest = lowest, total = 0;
        for (const Slot slot : all) largest = (std::max)(largest, sum[slot] / tokens);
        for (const Slot slot : all) total += sum[slot] = std::exp(sum[slot] / tokens - largest);
        for (const Slot slot : all) rating[slot] -= (1 - mix) * sum[slot] / total;
    }

    static constexpr float lowest = -std::numeric_limits<float>::infinity();
    static constexpr float shortest = 1e-8f;  // is added to the length of a key
};

}  // namespace msrnn::inline MSRNN_ABI
