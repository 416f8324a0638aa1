// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>

#include "../base/text.hpp"
#include "../config.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Scissorhands: what mattered to the last queries of the prompt goes on to matter.
///
/// rating[slot] = sum over the last `history` queries of the prompt, and over the lane's query heads, of
/// weight[head][slot]. While tokens are generated, rating[slot] <- decay * rating[slot] + sum of the newest query.
/// With `counts`, as in the paper, a query adds -1 where the mean over the heads is below 1/n, an even share of the n
/// tokens it sees, and 0 elsewhere. The first `sinks` and the newest `recent` tokens are protected. One lane for a KV
/// head. Needs weights. Cost: query_heads * slots additions, and the scan. Source: arXiv 2305.17118, without published
/// code; KVCache-Factory, pyramidkv/scissorhands.py, for the sum. Deviations: evicts at every step, where the paper
/// waits and halves the cache (give the lane `slack` for that); counts of generated tokens are not forgotten after
/// `history` queries.
struct Scissorhands {
    static constexpr const char* name = "scissorhands";
    static constexpr Scope scope = Scope::kv_head;

    std::size_t history = 400;  ///< queries of a prompt; `unbounded` for all
    std::size_t recent = 10;
    std::size_t sinks = 0;
    float decay = 1;      ///< 0 to 1
    bool counts = false;  ///< as in the paper: a query adds -1 below an even share, else 0

    template <class Tell>
    void settings(Tell tell) const {
        tell("history", history);
        tell("recent", recent);
        tell("sinks", sinks);
        tell("decay", decay);
        tell("counts", counts);
    }
    constexpr Protection protection(std::size_t) const { return {.sinks = sinks, .recent = recent}; }
    constexpr std::size_t observation_window() const { return history; }
    std::string problem() const {
        if (history == 0) return "history is 0; Scissorhands rates by at least one query, so give 1 or more";
        if (decay >= 0 && decay <= 1) return {};
        return std::string("decay is ").append(detail::text(decay)).append("; it must lie between 0 and 1");
    }

    void observe(const Attention& seen, Ratings rating) const noexcept {
        const float keep = rating.generated() == 0 ? 1 : decay;
        if (!counts) return seen.sum_into(rating.rating, keep);
        std::size_t live = 0;
        rating.each([&](std::size_t) { ++live; });
        seen.mean([&, share = 1 / static_cast<float>(live)](std::size_t slot, float weight) {
            rating[slot] = keep * rating[slot] - (weight < share ? 1.0f : 0.0f);
        });
    }
};

}  // namespace msrnn::inline MSRNN_ABI
