// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <string>

#include "../config.hpp"
#include "once.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// VATP: accumulated attention times the size of the value. What is looked at often and has a value near zero adds
/// nothing to any output.
///
/// rating[slot] = ||value||_1 * sum over queries and the lane's query heads of weight[head][slot]; of a prompt only the
/// last `history` queries count. The first `sinks` and the newest `recent` tokens are protected, half the budget unless
/// given. One lane for a KV head. Needs weights, and values at a choice. Cost: query_heads * slots additions; at a
/// choice a multiplication per slot, and head_dim additions for each token that is new to it. Source: arXiv 2406.12335,
/// guozhiyu/vatp. Deviation: over Scissorhands that code divides the sum of a prompt by 400 and later weights by
/// nothing, so that later tokens weigh 400 times more; here all weigh alike.
struct Vatp {
    static constexpr const char* name = "vatp";
    static constexpr Scope scope = Scope::kv_head;
    static constexpr bool rows_alone_throw = true;

    std::size_t recent = half_of_budget;
    std::size_t sinks = 0;
    std::size_t history = unbounded;  ///< queries of a prompt

    template <class Tell>
    void settings(Tell tell) const {
        tell("recent", recent);
        tell("sinks", sinks);
        tell("history", history);
    }
    constexpr Protection protection(std::size_t budget) const {
        return {.sinks = sinks, .recent = recent_slots(recent, budget)};
    }
    constexpr std::size_t observation_window() const { return history; }
    constexpr Memory memory(const Shape&) const { return {.columns = 2, .floats = 0}; }
    std::string problem() const {
        return history == 0 ? "history is 0; VATP rates by at least one query, so give 1 or more" : std::string();
    }

    void observe(const Attention& seen, Ratings rating) const noexcept { seen.sum_into(rating.column(0), 1); }
    void rate(const Values& values, Ratings rating) const {
        each_once(rating, rating.column(1), values, size);
        const float *const sum = rating.column(0).data(), *const sizes = rating.column(1).data();
        float* const rated = rating.rating.data();
        detail::each_float(rating.size(), [=](auto at) { at.set(rated, at(sum) * at(sizes)); });
    }

private:
    static float size(std::span<const float> value) {
        float sum = 0;
        for (const float x : value) sum += std::abs(x);
        return sum;
    }
};

}  // namespace msrnn::inline MSRNN_ABI
