// SPDX-License-Identifier: MIT
#pragma once

#include "../config.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Any policy, but the newest token must earn its place: it stays only where another one is rated lower.
///
///     KeepOrSkip<KeyNorm>{}   // a new key that is longer than all that are kept does not enter
///
/// The recent window of the policy is not protected, the newest token included; its sinks are. Everything else is the
/// policy's. A policy that adds up weights has seen a newcomer once and hardly ever lets it in: give one that rates a
/// token by its key or value, or by the newest query. Source: the request of kvpress #257 for a choice at arrival, keep
/// or skip. Deviation: there a cache only grows and the newest token is the only one that may be dropped.
template <Policy P>
struct KeepOrSkip {
    static constexpr const char* name = "keep-or-skip";
    static constexpr Needs needs = needs_of<P>();

    P policy{};
    Scope scope = scope_of(policy);

    template <class Tell>
    void settings(Tell tell) const {
        tell("policy", policy);
        tell("scope", name_of(scope));
    }
    Facts facts(const Shape& lane, std::size_t budget) const {
        Facts facts = facts_of(policy, lane, budget);
        facts.name = name;
        facts.scope = scope;
        facts.protection.recent = 0;
        return facts;
    }
    void observe(const Seen& seen, Ratings rating) const noexcept(!observe_may_throw<P>()) {
        observe_by(policy, seen, rating);
    }
    void rate(const Swept& rows, Ratings rating) const noexcept(!rate_may_throw<P>()) { rate_by(policy, rows, rating); }
};

}  // namespace msrnn::inline MSRNN_ABI
