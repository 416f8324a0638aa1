// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <type_traits>

#include "../config.hpp"
#include "../core/ratings.hpp"
#include "../core/seen.hpp"
#include "facts.hpp"
#include "hooks.hpp"

/// A policy rates slots, while observing or just before a choice. The candidate with the lowest rating is evicted; ties
/// go to the earliest arrival. A policy is a const value: what changes from step to step lies in the lane, so one
/// policy object serves every lane and thread. Two hooks act, and a policy has at least one of them; all others are
/// optional. All are const, not overloaded, not templates:
///
///     void observe(evidence..., Ratings) const;           // once per query token, after its softmax
///     void rate(evidence..., Ratings) const;              // once per choice; every rating is 0 when it starts
///     Protection protection(std::size_t budget) const;    // without it the newest token is protected
///     Memory memory(Shape lane) const;                    // floats per slot and per lane that the lane keeps for it
///     std::size_t observation_window() const;             // it observes only so many of a prompt's last tokens
///     std::string problem() const;                        // what is wrong with the settings, or empty
///     Needs needs_by_settings() const;                    // what must be shown, where that depends on the settings
///     Scope scope;                                        // a member, static or not; without it Scope::kv_head
///     static constexpr const char* name;
///     static constexpr bool rows_alone_throw = true;      // rate() throws only where reading a row does
///     template <class Tell> void settings(Tell tell) const;  // tell("decay", decay) for each
///
/// settings() lists the members that are settings: a snapshot records them, and by name they are set, see
/// AnyPolicy::set(). Flags, numbers, std::string, and an enum with a `constexpr const char* name_of(E)` beside it.
///
/// What a hook takes is what must be shown: observe() any of const Attention&, const Heads&, const Query&, const
/// Outputs&, const Keys&, const Values&, rate() the last two only; in any order. Keys and values are read row by row,
/// when asked for.
///
/// With a rate() the ratings are its output: a choice starts clean. Without one they belong to observe() and last. A
/// policy that sums over a window starts anew where Ratings::rows is 1. One that evicts in order of arrival says so:
/// `void rate(Ratings) const {}`. A hook that throws leaves the lane as it was; for that the lane copies its ratings
/// before each call, unless the hook is noexcept, or throws only where rows do and these do not.
namespace msrnn::inline MSRNN_ABI {

namespace detail {
struct AnySetting {
    template <class... Value>
    void operator()(const char*, const Value&...) const {}
};
}  // namespace detail

template <class P>
concept Observes = requires {
    &P::observe;
}
&&detail::takes_evidence<Seen, detail::arguments_of<&P::observe>>;
template <class P>
concept Rates = requires {
    &P::rate;
}
&&detail::takes_evidence<Swept, detail::arguments_of<&P::rate>>;
template <class P>
concept Protects = requires(const P& p, std::size_t budget) {
    { p.protection(budget) } -> std::same_as<Protection>;
};
template <class P>
concept KeepsMemory = requires(const P& p, const Shape& lane) {
    { p.memory(lane) } -> std::same_as<Memory>;
};
template <class P>
concept LimitsObservation = requires(const P& p) {
    { p.observation_window() } -> std::convertible_to<std::size_t>;
};
template <class P>
concept TellsProblem = requires(const P& p) {
    { p.problem() } -> std::convertible_to<std::string>;
};
template <class P>
concept TellsSettings = requires(const P& p) {
    p.settings(detail::AnySetting{});
};
/// What must be shown may depend on the settings; what the type says then holds for the default ones.
template <class P>
concept NeedsBySettings = requires(const P& p) {
    { p.needs_by_settings() } -> std::same_as<Needs>;
};
template <class P>
concept HasScope = requires(const P& p) {
    requires std::same_as<std::remove_cvref_t<decltype(p.scope)>, Scope>;
};
/// A wrapper answers all questions itself, most of them with what the policy inside says.
template <class P>
concept StatesFacts = requires(const P& p, const Shape& lane, std::size_t budget) {
    { p.facts(lane, budget) } -> std::same_as<Facts>;
};

template <class P>
concept Policy = std::copyable<P> &&(Observes<P> || Rates<P>);

/// What the type of a policy says must be shown. A wrapper says `static constexpr Needs needs` where it knows.
template <class P>
constexpr Needs needs_of() {
    if constexpr (requires {
                      { P::needs } -> std::convertible_to<Needs>;
                  }) {
        return P::needs;
    } else {
        Needs needs;
        if constexpr (Observes<P>) needs.at_observe = detail::bits_of(detail::arguments_of<&P::observe>{});
        if constexpr (Rates<P>) needs.at_choice = detail::bits_of(detail::arguments_of<&P::rate>{});
        return needs;
    }
}
/// Whether there is an observe() that is not noexcept.
template <class P>
constexpr bool observe_may_throw() {
    if constexpr (Observes<P>)
        return detail::HookOf<decltype(&P::observe)>::may_throw;
    else
        return false;
}
/// Whether there is a rate() that is not noexcept.
template <class P>
constexpr bool rate_may_throw() {
    if constexpr (Rates<P>)
        return detail::HookOf<decltype(&P::rate)>::may_throw;
    else
        return false;
}

/// Calls the hook, if there is one, with what it takes of the evidence.
template <class P>
void observe_by(const P& policy, const Seen& seen, const Ratings& rating) noexcept(!observe_may_throw<P>()) {
    if constexpr (Observes<P>) detail::call(policy, &P::observe, seen, rating, detail::arguments_of<&P::observe>{});
}
/// The same for rate().
template <class P>
void rate_by(const P& policy, const Swept& rows, const Ratings& rating) noexcept(!rate_may_throw<P>()) {
    if constexpr (Rates<P>) detail::call(policy, &P::rate, rows, rating, detail::arguments_of<&P::rate>{});
}

/// Which heads share a lane of this policy.
template <class P>
constexpr Scope scope_of(const P& policy) {
    if constexpr (HasScope<P>)
        return policy.scope;
    else
        return Scope::kv_head;
}

/// The one place that asks a policy: a new question is a field of Facts and a line here.
template <class P>
Facts facts_of(const P& policy, const Shape& lane, std::size_t budget) {
    Facts facts;
    if constexpr (StatesFacts<P>) {
        facts = policy.facts(lane, budget);
    } else {
        if constexpr (requires {
                          { P::name } -> std::convertible_to<const char*>;
                      })
            facts.name = P::name;
        facts.scope = scope_of(policy);
        facts.needs = needs_of<P>();
        if constexpr (NeedsBySettings<P>) facts.needs = policy.needs_by_settings();
        facts.observes = Observes<P>;
        facts.rates = Rates<P>;
        facts.observe_may_throw = observe_may_throw<P>();
        facts.rate_may_throw = rate_may_throw<P>();
        if constexpr (requires {
                          { P::rows_alone_throw } -> std::convertible_to<bool>;
                      })
            facts.rows_alone_throw = P::rows_alone_throw;
        if constexpr (Protects<P>) facts.protection = policy.protection(budget);
        if constexpr (KeepsMemory<P>) facts.memory = policy.memory(lane);
        if constexpr (LimitsObservation<P>) facts.observation_window = policy.observation_window();
        if constexpr (TellsProblem<P>) facts.problem = policy.problem();
    }
    if (budget == 0) facts.protection = {};
    return facts;
}

}  // namespace msrnn::inline MSRNN_ABI

#include "checks.hpp"
