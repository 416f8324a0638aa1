// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "../config.hpp"
#include "inside.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

namespace detail {

/// alpha / (1 - alpha): how much an output moves for each unit between it and the value that is dropped.
inline float leverage(float alpha) { return alpha < 1 ? alpha / (1 - alpha) : 1e30f; }

inline float distance(std::span<const float> a, std::span<const float> b) {
    float sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return std::sqrt(sum);
}

/// The outputs of each query head that values are compared with, in the floats of a lane; or the mean of all values,
/// which stands for all heads.
template <bool fast>
struct OutputsKept {
    static constexpr std::size_t floats(const Shape& lane) {
        return (fast ? 1 : lane.query_heads) * lane.value_width();
    }
    static void observe(const Outputs& seen, std::span<float> kept) {
        for (std::size_t head = 0; head < seen.query_heads; ++head) {
            const std::span<const float> out = seen(head);
            std::copy(out.begin(), out.end(), kept.subspan(head * out.size()).begin());
        }
    }
    static void take_mean(const Values& values, const Ratings& rating, std::span<float> mean) {
        std::fill(mean.begin(), mean.end(), 0.0f);
        std::size_t live = 0;
        rating.each([&](std::size_t slot) {
            const std::span<const float> value = values(slot);
            for (std::size_t i = 0; i < value.size(); ++i) mean[i] += value[i];
            ++live;
        });
        for (float& x : mean) x /= static_cast<float>(live);
    }
    static std::span<const float> of(std::span<const float> kept, std::size_t head, std::size_t width) {
        return kept.subspan(fast ? 0 : head * width, width);
    }
};

}  // namespace detail

/// CAOTE: evicts the token whose loss changes the output of attention least.
///
/// rating[slot] = sum over the lane's query heads of alpha / (1 - alpha) * ||value - out[head]||_2. That is exactly how
/// far out[head] moves when the token is dropped and the other weights are normalised again, where alpha is its weight:
///
///     Caote<>                         // alpha = weight[head][slot] of the newest query
///     Caote<H2O>{.policy = {8}}       // alpha = the rating of another policy, divided by the sum of all; none below 0
///     FastCaote<>, FastCaote<H2O>     // out[head] is taken as the mean of all values: outputs need not be shown
///
/// Protects what the other policy protects, alone the newest `recent` tokens. One lane for a KV head. Needs values at
/// a choice; outputs, unless fast; weights by head, or what the other policy needs. Memory: query_heads * value_dim
/// floats, and alone query_heads columns. Cost: a copy of the weights and outputs a token; a choice takes value_dim
/// multiply-adds and a square root for each slot and query head. Source: arXiv 2504.14051, without published code.
/// Deviation: the group of a KV head is summed, the paper has a cache for each query head.
template <class P = void, bool fast = false>
struct Caote {
    static constexpr const char* name = fast ? "fast-caote" : "caote";
    static constexpr Needs needs = {.at_observe = needs_of<P>().at_observe | (fast ? 0 : Outputs::bit),
                                    .at_choice = needs_of<P>().at_choice | Values::bit};

    P policy{};
    Scope scope = scope_of(policy);

    template <class Tell>
    void settings(Tell tell) const {
        tell("policy", policy);
        tell("scope", name_of(scope));
    }
    Facts facts(const Shape& lane, std::size_t budget) const {
        Facts facts = detail::Inside<P>{policy, {.columns = 0, .floats = Kept::floats(lane)}}.facts(lane, budget);
        facts.name = name;
        facts.scope = scope;
        facts.needs.at_observe |= needs.at_observe;
        facts.needs.at_choice |= needs.at_choice;
        facts.observes = facts.observes || !fast;
        facts.rate_may_throw = true;
        return facts;
    }
    void observe(const Seen& seen, Ratings rating) const noexcept(!observe_may_throw<P>()) {
        if (!fast) Kept::observe(seen.get<Outputs>(), rating.floats);
        inside(rating).observe(seen, rating);
    }
    void rate(const Swept& rows, Ratings rating) const {
        const Values& values = rows.get<Values>();
        const std::size_t width = rating.shape.value_width();
        const std::span<const float> share = inside(rating).rate(rows, rating);
        if (fast) Kept::take_mean(values, rating, rating.floats.first(width));
        float total = 0;
        rating.each([&](std::size_t slot) { total += (std::max)(share[slot], 0.0f); });
        if (!(total > 0)) return;
        rating.each([&](std::size_t slot) {
            const float moves = detail::leverage((std::max)(share[slot], 0.0f) / total);
            const std::span<const float> value = values(slot);
            for (std::size_t head = 0; head < rating.shape.query_heads; ++head)
                rating[slot] += moves * detail::distance(value, Kept::of(rating.floats, head, width));
        });
    }

private:
    using Kept = detail::OutputsKept<fast>;
    detail::Inside<P> inside(const Ratings& rating) const {
        const LaneShape& lane = rating.shape;
        return {policy, {.columns = 0, .floats = (fast ? 1 : lane.query_heads) * lane.value_width()}};
    }
};

template <bool fast>
struct Caote<void, fast> {
    static constexpr const char* name = fast ? "fast-caote" : "caote";
    static constexpr Scope scope = Scope::kv_head;
    static constexpr Needs needs = {.at_observe = Heads::bit | (fast ? 0 : Outputs::bit), .at_choice = Values::bit};

    std::size_t recent = 1;

    template <class Tell>
    void settings(Tell tell) const {
        tell("recent", recent);
    }
    constexpr Protection protection(std::size_t) const { return {.sinks = 0, .recent = recent}; }
    constexpr std::size_t observation_window() const { return 1; }
    constexpr Memory memory(const Shape& lane) const {
        return {.columns = lane.query_heads, .floats = Kept::floats(lane)};
    }
    void observe(const Seen& seen, Ratings rating) const noexcept {
        if (!fast) Kept::observe(seen.get<Outputs>(), rating.floats);
        const Heads& heads = seen.get<Heads>();
        for (std::size_t head = 0; head < heads.query_heads; ++head) {
            const std::span<const float> row = heads(head);
            std::copy(row.begin(), row.end(), rating.column(head).begin());
        }
    }
    void rate(const Values& values, Ratings rating) const {
        const std::size_t width = rating.shape.value_width();
        if (fast) Kept::take_mean(values, rating, rating.floats.first(width));
        rating.each([&](std::size_t slot) {
            const std::span<const float> value = values(slot);
            for (std::size_t head = 0; head < rating.shape.query_heads; ++head)
                rating[slot] += detail::leverage(rating.column(head)[slot]) *
                                detail::distance(value, Kept::of(rating.floats, head, width));
        });
    }

private:
    using Kept = detail::OutputsKept<fast>;
};

/// Caote with the mean of all values for the output: outputs need not be shown.
template <class P = void>
using FastCaote = Caote<P, true>;

}  // namespace msrnn::inline MSRNN_ABI
