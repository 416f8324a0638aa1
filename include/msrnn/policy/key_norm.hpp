// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

#include "../config.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Keeps the tokens whose keys are shortest: a short key predicts high attention, and no attention need be seen.
///
/// rating[slot] = -||key||_2, computed once per token. RoPE does not change the norm, so rotated keys serve as well.
/// The newest `recent` tokens are protected, half the budget unless given. One lane for a KV head. Needs keys, which
/// may be shown after every token or once after many; empty rows are equally short. Cost: head_dim multiply-adds for a
/// new token, two scans. Source: arXiv 2406.11430. Deviations: an absolute budget in place of a ratio applied again at
/// every step, a recent window (the authors' code has none), no layers left out.
struct KeyNorm {
    static constexpr const char* name = "key-norm";
    static constexpr Scope scope = Scope::kv_head;

    std::size_t recent = half_of_budget;

    template <class Tell>
    void settings(Tell tell) const {
        tell("recent", recent);
    }
    constexpr Protection protection(std::size_t budget) const {
        return {.sinks = 0, .recent = recent_slots(recent, budget)};
    }
    template <class RowOf>
    void observe(const Keys<RowOf>& key, Ratings rating) const noexcept(noexcept(key(Slot()))) {
        for (std::size_t slot = 0; slot < rating.size(); ++slot)
            if (rating[slot] == 0 && rating.live(slot)) rating[slot] = -norm(key(Slot(slot)));
    }

private:
    static float norm(std::span<const float> row) {
        float sum = 0;
        for (const float x : row) sum += x * x;
        return std::sqrt(sum);
    }
};

}  // namespace msrnn::inline MSRNN_ABI
