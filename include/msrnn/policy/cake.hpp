// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <string>

#include "../base/text.hpp"
#include "../config.hpp"
#include "policy.hpp"
#include "pooling.hpp"

namespace msrnn::inline MSRNN_ABI {

/// CAKE: after a prompt, keeps what its last queries look at, and what they look at in turns; then goes by the newest
/// query.
///
/// After a prompt: raw[slot] = mean over the lane's query heads of mean + gamma * variance, over the last `window`
/// queries of the prompt, of weight[head][slot]; the variance is divided by the queries less one. Later: raw[slot] =
/// mean over the heads of weight[head][slot], of the newest query. rating[slot] = average of raw over the `kernel`
/// neighbours in time, of the tokens before the newest `window` ones, which are protected. One lane for a KV head.
/// Needs weights by head. Memory: query_heads + 2 columns. Cost: a row of a prompt, 4 * query_heads * slots operations
/// and as many logarithms; a row later, query_heads * slots additions; a choice, a sort by arrival and slots * kernel
/// additions. Source: arXiv 2503.12491, antgroup/cakekv. Deviations: neighbours are those in time, there in storage,
/// which is in the order of scores after a choice; the variance is added up by Welford's rule, because two sums would
/// cancel in float. The budgets of layers are a rule over their lanes: entropy() and variance() are the sums it needs.
struct Cake {
    static constexpr const char* name = "cake";
    static constexpr Scope scope = Scope::kv_head;

    std::size_t window = 32;
    std::size_t kernel = 5;  ///< odd
    float gamma = 200;       ///< weight of the variance

    template <class Tell>
    void settings(Tell tell) const {
        tell("window", window);
        tell("kernel", kernel);
        tell("gamma", gamma);
    }
    constexpr Protection protection(std::size_t) const { return {.sinks = 0, .recent = window}; }
    constexpr std::size_t observation_window() const { return window; }
    constexpr Memory memory(const Shape& lane) const { return {.columns = lane.query_heads + 2, .floats = 2}; }
    std::string problem() const {
        if (window < 2)
            return std::string("window is ")
                .append(detail::text(window))
                .append("; CAKE takes the variance over its queries, so give 2 or more");
        if (kernel % 2 == 0)
            return std::string("kernel is ")
                .append(detail::text(kernel))
                .append("; it must be odd, so that a token is the middle of its neighbours");
        if (gamma >= 0) return {};
        return std::string("gamma is ").append(detail::text(gamma)).append("; it must be 0 or more");
    }

    /// Of a lane's floats after the choice at the end of a prompt, over its query heads, the last `window` queries and
    /// the tokens before them: -sum of weight * ln(weight + 1e-10).
    static float entropy(std::span<const float> floats) { return floats[0]; }
    /// And the sum over heads and tokens of the variance over the queries.
    static float variance(std::span<const float> floats) { return floats[1]; }

    void observe(const Heads& seen, Ratings rating) const noexcept {
        if (rating.generated() == 0)
            observe_prompt(seen, rating);
        else
            observe_newest(seen, rating);
    }
    void rate(Ratings rating) const noexcept {
        const std::span<const Slot> before = before_window(rating, window);
        if (rating.generated() == 0) finish_prompt(before, rating);
        pool(before, kernel, Pooling::average, raw(rating), [&](std::size_t slot, float x) { rating[slot] = x; });
    }

private:
    static std::span<float> spread(const Ratings& rating) { return rating.column(rating.shape.query_heads); }
    static std::span<float> raw(const Ratings& rating) { return rating.column(rating.shape.query_heads + 1); }

    static void observe_newest(const Heads& seen, const Ratings& rating) noexcept {
        const std::span<float> sum = raw(rating);
        rating.each([&](std::size_t slot) { sum[slot] = 0; });
        for (std::size_t head = 0; head < seen.query_heads; ++head)
            rating.each([&, row = seen(head)](std::size_t slot) { sum[slot] += row[slot]; });
        rating.each([&](std::size_t slot) { sum[slot] /= static_cast<float>(seen.query_heads); });
    }
    static void observe_prompt(const Heads& seen, const Ratings& rating) noexcept {
        const Arrival first = rating.seen - rating.rows;  // of the window's queries
        const std::span<float> away_squared = spread(rating);
        if (rating.rows == 1) {
            rating.floats[0] = 0;
            for (std::size_t c = 0; c <= seen.query_heads; ++c)
                rating.each([column = rating.column(c)](std::size_t slot) { column[slot] = 0; });
        }
        for (std::size_t head = 0; head < seen.query_heads; ++head) {
            const std::span<const float> row = seen(head);
            const std::span<float> mean = rating.column(head);
            rating.each([&](std::size_t slot) {
                const float weight = row[slot], away = weight - mean[slot];
                mean[slot] += away / static_cast<float>(rating.rows);
                away_squared[slot] += away * (weight - mean[slot]);
                if (rating.arrival[slot] < first) rating.floats[0] -= weight * std::log(weight + 1e-10f);
            });
        }
    }
    void finish_prompt(std::span<const Slot> before, const Ratings& rating) const noexcept {
        const std::size_t heads = rating.shape.query_heads;
        const std::span<float> sum = raw(rating);
        rating.floats[1] = 0;
        for (const Slot slot : before) {
            const float variance = rating.rows < 2 ? 0 : spread(rating)[slot] / static_cast<float>(rating.rows - 1);
            rating.floats[1] += variance;
            sum[slot] = gamma * variance;
            for (std::size_t head = 0; head < heads; ++head) sum[slot] += rating.column(head)[slot];
            sum[slot] /= static_cast<float>(heads);
        }
    }
};

}  // namespace msrnn::inline MSRNN_ABI
