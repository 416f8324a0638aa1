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
/// that protects the newest three quarters of the budget, rounded down.
///
/// Measured once, as `Islands` was: perplexity 2 to 3 % lower than `KeyNorm` with the same window at budgets 64 to 256,
/// the same at 32 and 512; 5 to 12 % higher than `Islands` at 64 to 256, and 27 % at 32. It protects no sinks: on Gemma
/// 3 270M it lost 136 % at 128 slots and 33 % at 512, with `Protect` and four sinks 7 and 1.6 %. Cost: see `KeyDiff`.
struct RecommendedKeys {
    static constexpr const char* name = "recommended-keys";
    static constexpr Scope scope = Scope::kv_head;

    constexpr Protection protection(std::size_t budget) const {
        return {.sinks = 0, .recent = budget / 4 * 3 + budget % 4 * 3 / 4};
    }
    constexpr Memory memory(const Shape& lane) const { return KeyDiff{}.memory(lane); }
    void rate(const Keys& keys, Ratings rating) const { KeyDiff{}.rate(keys, rating); }
};

}  // namespace msrnn::inline MSRNN_ABI
