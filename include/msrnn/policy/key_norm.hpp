// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../config.hpp"
#include "once.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Keeps the tokens whose keys are shortest: a short key predicts high attention, and no attention need be seen.
///
/// rating[slot] = -||key||_2, computed once per token, at the first choice after it was appended. RoPE does not change
/// the norm, so rotated keys serve as well. The newest `recent` tokens are protected, half the budget unless given. One
/// lane for a KV head. It protects no sinks: where a model has an attention sink, add some with `Protect`, see
/// `RecommendedKeys`. Needs keys at a choice; empty rows are equally short. Cost of a choice: head_dim multiply-adds
/// for each new token, two scans. Source: arXiv 2406.11430. Deviations: an absolute budget, where the authors apply a
/// ratio again at every step; a recent window (their code has none); no layers left out.
struct KeyNorm {
    static constexpr const char* name = "key-norm";
    static constexpr Scope scope = Scope::kv_head;
    static constexpr bool rows_alone_throw = true;

    std::size_t recent = half_of_budget;

    template <class Tell>
    void settings(Tell tell) const {
        tell("recent", recent);
    }
    constexpr Protection protection(std::size_t budget) const {
        return {.sinks = 0, .recent = recent_slots(recent, budget)};
    }
    constexpr Memory memory(const Shape&) const { return {.columns = 1, .floats = 0}; }
    void rate(const Keys& keys, Ratings rating) const { rate_once(rating, rating.column(0), keys, -1, norm); }
};

}  // namespace msrnn::inline MSRNN_ABI
