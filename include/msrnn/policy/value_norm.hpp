// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../config.hpp"
#include "once.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Keeps the tokens whose values are longest: what is added to the output is weight times value, so a short value does
/// little whatever its weight.
///
/// rating[slot] = ||v||_2, computed once per token, at the first choice after it was appended. The newest `recent`
/// tokens are protected, half the budget unless given. One lane for a KV head. Needs values at a choice; empty rows are
/// equally short. Cost of a choice: as many multiply-adds as a value has numbers, for each new token, and two scans.
/// Source: the finding of VaSE, arXiv 2606.03928, that tokens with large values must stay. Deviations: the rating is
/// the length alone; VaSE also draws a part of the tokens at random; the recent window is ours, as in KeyNorm.
struct ValueNorm {
    static constexpr const char* name = "value-norm";
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
    void rate(const Values& values, Ratings rating) const { rate_once(rating, rating.column(0), values, 1, norm); }
};

}  // namespace msrnn::inline MSRNN_ABI
