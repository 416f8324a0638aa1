// SPDX-License-Identifier: MIT
#pragma once

#include "../config.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Keeps the first `sinks` tokens and the newest, budget slots in all.
///
/// All ratings are equal, so the earliest arrival behind the sinks leaves. Needs nothing. Cost: the scan.
/// Source: StreamingLLM, arXiv 2309.17453, in the order of its perplexity script (attend, then evict; a step attends
/// over budget + 1 rows); "Window+i" of arXiv 2401.06104. Deviation: keys keep the rotation of their true position,
/// where StreamingLLM rotates by the place in the cache.
struct SinkWindow {
    static constexpr const char* name = "sink-window";
    static constexpr Scope scope = Scope::layer;

    std::size_t sinks = 4;

    template <class Tell>
    void settings(Tell tell) const {
        tell("sinks", sinks);
    }
    constexpr Protection protection(std::size_t) const { return {.sinks = sinks, .recent = 1}; }
    void rate(Ratings) const noexcept {}
};

}  // namespace msrnn::inline MSRNN_ABI
