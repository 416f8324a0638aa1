// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "../config.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

/// A policy inside a wrapper that rates by its ratings. Memory of the lane: what the wrapper keeps itself (`own`), then
/// a column for the policy's ratings, then what the policy keeps.
template <Policy P>
struct Inside {
    const P& policy;
    Memory own = {};

    Facts facts(const Shape& lane, std::size_t budget) const {
        Facts facts = facts_of(policy, lane, budget);
        facts.memory = {.columns = own.columns + 1 + facts.memory.columns, .floats = own.floats + facts.memory.floats};
        facts.rates = true;
        return facts;
    }
    void observe(const Seen& seen, const Ratings& rating) const noexcept(!observe_may_throw<P>()) {
        observe_by(policy, seen, view(rating));
    }
    /// The policy's ratings at a choice.
    std::span<const float> rate(const Swept& rows, const Ratings& rating) const noexcept(!rate_may_throw<P>()) {
        const Ratings inside = view(rating);
        if (starts_clean()) std::fill(inside.rating.begin(), inside.rating.end(), 0.0f);
        rate_by(policy, rows, inside);
        return inside.rating;
    }

private:
    Ratings view(const Ratings& rating) const {
        Ratings inside = rating;
        inside.rating = rating.column(own.columns);
        inside.columns = rating.columns + (own.columns + 1) * rating.column_stride;
        inside.floats = rating.floats.subspan(own.floats);
        return inside;
    }
    bool starts_clean() const {
        if constexpr (StatesFacts<P>)
            return facts_of(policy, Shape{}, 1).rates;
        else
            return Rates<P>;
    }
};

}  // namespace msrnn::inline MSRNN_ABI::detail
