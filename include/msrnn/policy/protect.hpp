// SPDX-License-Identifier: MIT
#pragma once

#include "../config.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Any policy with more protection: the larger of its own and `extra`, for sinks and recent window each.
///
///     Protect<Tova>{.extra = {.sinks = 4}}     // "TOVA-layer+4" of arXiv 2401.06104, table 3
///     Protect<Tova>{.extra = {.recent = 1}}    // the newest token stays, as in kvpress
///
/// Everything else is the wrapped policy's.
template <Policy P>
struct Protect {
    static constexpr const char* name = "protect";

    P policy{};
    Protection extra{};
    Scope scope = scope_of(policy);

    template <class Tell>
    void settings(Tell tell) const {
        tell("policy", policy);
        tell("sinks", extra.sinks);
        tell("recent", extra.recent);
        tell("scope", name_of(scope));
    }
    constexpr Needs needs() const { return msrnn::needs(policy); }
    constexpr Protection protection(std::size_t budget) const { return protection_of(policy, budget) | extra; }
    constexpr std::size_t columns() const { return columns_of(policy); }
    std::string problem() const {
        if constexpr (TellsProblem<P>)
            return policy.problem();
        else
            return {};
    }
    void observe(const Attention& seen, Ratings rating) const
        noexcept(noexcept(policy.observe(seen, rating))) requires ReadsWeights<P> {
        policy.observe(seen, rating);
    }
    template <class RowOf>
        requires ReadsKeys<P>
    void observe(const Keys<RowOf>& keys, Ratings rating) const noexcept(noexcept(policy.observe(keys, rating))) {
        policy.observe(keys, rating);
    }
    template <class RowOf>
        requires ReadsValues<P>
    void observe(const Values<RowOf>& values, Ratings rating) const noexcept(noexcept(policy.observe(values, rating))) {
        policy.observe(values, rating);
    }
    void rate(Ratings rating) const noexcept(noexcept(policy.rate(rating))) requires RatesLate<P> {
        policy.rate(rating);
    }
};

}  // namespace msrnn::inline MSRNN_ABI
