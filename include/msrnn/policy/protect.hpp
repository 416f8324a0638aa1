// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../config.hpp"
#include "../core/protection.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Any policy with more protection: the larger of its own and `extra`, for sinks and recent window each. A recent
/// window of `half_of_budget` means the same as in a policy.
///
///     Protect<Tova>{.extra = {.sinks = 4}}     // "TOVA-layer+4" of arXiv 2401.06104, table 3
///     Protect<Tova>{.extra = {.recent = 1}}    // the newest token stays, as in kvpress
///     Protect(H2O{.recent = 8}, {.sinks = 4})  // settings of both
///
/// Everything else is the wrapped policy's.
template <Policy P>
struct Protect {
    static constexpr const char* name = "protect";
    static constexpr Needs needs = needs_of<P>();

    P policy{};
    Protection extra{};  ///< what is protected besides
    Scope scope = scope_of(policy);

    template <class Tell>
    void settings(Tell tell) const {
        tell("policy", policy);
        tell("sinks", extra.sinks);
        tell("recent", extra.recent);
        tell("scope", scope);
    }
    Facts facts(const Shape& lane, std::size_t budget) const {
        Facts facts = facts_of(policy, lane, budget);
        facts.name = name;
        facts.scope = scope;
        facts.protection =
            facts.protection | Protection{.sinks = extra.sinks, .recent = recent_slots(extra.recent, budget)};
        return facts;
    }
    void observe(const Seen& seen, Ratings rating) const noexcept(!observe_may_throw<P>()) {
        observe_by(policy, seen, rating);
    }
    void rate(const Swept& rows, Ratings rating) const noexcept(!rate_may_throw<P>()) { rate_by(policy, rows, rating); }
};
/// Of a policy and its protection.
template <Policy P>
Protect(P, Protection) -> Protect<P>;

}  // namespace msrnn::inline MSRNN_ABI
