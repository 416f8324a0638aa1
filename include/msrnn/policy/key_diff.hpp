// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "../config.hpp"
#include "dot.hpp"
#include "once.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Keeps the keys that point away from where most keys point: similar keys say the same thing several times.
///
/// anchor = the sum of k / ||k|| over the live tokens; rating[slot] = -cos(k, anchor), in [-1, 1]. The anchor is
/// computed anew at each choice. Nothing is protected, and the newest token may leave, as published; `recent` protects
/// the newest ones. `RecommendedKeys` is this with sinks and a recent window, which models with an attention sink need.
/// One lane for a KV head. Needs keys at a choice, and head_dim in the lane's Limits. Cost of a choice: two sweeps over
/// the keys, 2 * head_dim multiply-adds a slot. That is a good part of an attention step, so give the lane some slack:
/// with slack s a token pays for 1 / (s + 1) of a choice.
/// Source: arXiv 2504.15364 (the authors published no code) and KeyDiffPress and BlockPress of kvpress 0.5.5; slack of
/// b - 1 tokens is its block of b. Deviations: an absolute budget, there a ratio of the prompt; a key of length 0 has
/// the cosine 0.
struct KeyDiff {
    static constexpr const char* name = "key-diff";
    static constexpr Scope scope = Scope::kv_head;

    std::size_t recent = 0;

    template <class Tell>
    void settings(Tell tell) const {
        tell("recent", recent);
    }
    constexpr Protection protection(std::size_t budget) const {
        return {.sinks = 0, .recent = recent_slots(recent, budget)};
    }
    constexpr Memory memory(const Shape& lane) const { return {.columns = 1, .floats = lane.head_dim}; }
    void rate(const Keys& keys, Ratings rating) const {
        const std::span<float> anchor = rating.floats, norms = rating.column(0);
        std::fill(anchor.begin(), anchor.end(), 0.0f);
        rating.each([&](std::size_t slot) {
            once(norms, keys, slot, norm);
            detail::add_row(anchor, 1 / (std::max)(norms[slot], shortest), keys(slot));
        });
        const float length = (std::max)(std::sqrt(detail::square(anchor)), shortest);
        rating.each([&](std::size_t slot) {
            rating[slot] = -detail::dot(keys(slot), anchor) / ((std::max)(norms[slot], shortest) * length);
        });
    }

private:
    static constexpr float shortest = 1e-12f;  // length that a row is taken for, at least
};

}  // namespace msrnn::inline MSRNN_ABI
