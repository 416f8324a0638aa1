// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../config.hpp"
#include "islands.hpp"
#include "key_diff.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The policy to begin with, where weights and values are shown; `IslandsByWeights` where only weights are.
using Recommended = Islands;

/// The policy to begin with in an engine that shows keys alone, such as one with a fused attention kernel: `KeyDiff`
/// that protects sinks, and of the other slots the newest three quarters, rounded down, but at least the newest token.
///
/// Why sinks: a policy that sees keys alone cannot tell that all heads look at the first tokens. Gemma 3 gives its keys
/// one length, and the first one does not point away from the others: without sinks perplexity rose by 135 % at 128
/// slots and by 34 % at 512, with four by 6.6 and 1.3 %. SmolLM2 lost 11.9 and 1.5 % without, 11.8 and 1.5 % with them.
///
/// Needs at least one slot more than `sinks`. Cost: see `KeyDiff`.
struct RecommendedKeys {
    static constexpr const char* name = "recommended-keys";
    static constexpr Scope scope = Scope::kv_head;

    std::size_t sinks = 4;  ///< tokens at the beginning that never leave

    template <class Tell>
    void settings(Tell tell) const {
        tell("sinks", sinks);
    }
    constexpr Protection protection(std::size_t budget) const {
        const std::size_t others = budget > sinks ? budget - sinks : 0;
        const std::size_t newest = others / 4 * 3 + others % 4 * 3 / 4;
        return {.sinks = sinks, .recent = newest > 1 ? newest : 1};
    }
    constexpr Memory memory(const Shape& lane) const { return KeyDiff{}.memory(lane); }
    void rate(const Keys& keys, Ratings rating) const { KeyDiff{}.rate(keys, rating); }
};

}  // namespace msrnn::inline MSRNN_ABI
