// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <type_traits>

#include "../config.hpp"
#include "../core/evidence.hpp"
#include "../core/protection.hpp"
#include "../core/ratings.hpp"

/// A policy rates slots, while observing or just before a choice. The candidate with the lowest rating is evicted; ties
/// go to the earliest arrival. A policy is a const value: what changes from step to step lies in the lane, so one
/// policy object serves every lane and thread. It has observe() or rate(); all other hooks are optional; all are const:
///
///     void observe(const Attention&, Ratings) const;      // once per query token, after its softmax
///     void observe(const Keys<RowOf>&, Ratings) const;    // then, after its key is written (template over RowOf)
///     void observe(const Values<RowOf>&, Ratings) const;  // then
///     void rate(Ratings) const;                           // once per choice; every rating is 0 when it starts
///     Protection protection(std::size_t budget) const;    // without it the newest token is protected
///     std::size_t columns() const;                        // floats per slot that the lane keeps for the policy
///     std::size_t rows() const;                           // it observes only so many of a prompt's last tokens
///     std::string problem() const;                       // empty, or what is wrong with the settings
///     Scope scope;                                        // a member, static or not; without it Scope::kv_head
///     static constexpr const char* name;
///     template <class Tell> void settings(Tell tell) const;  // tell("decay", decay) for each: what a snapshot records
///
/// With a rate() the ratings are its output: a choice starts clean. Without one they belong to observe() and last. A
/// policy that sums over a window starts anew where Ratings::rows is 1. One that evicts in order of arrival says so:
/// `void rate(Ratings) const {}`. A hook that throws leaves the lane as it was; for that the lane copies its ratings
/// before each call, unless the hook is noexcept.
namespace msrnn::inline MSRNN_ABI {

/// Which heads share one decision: all heads of a layer drop the same tokens, or each KV head drops its own.
enum class Scope : unsigned char { layer, kv_head };

constexpr const char* name_of(Scope scope) { return scope == Scope::layer ? "layer" : "kv_head"; }

/// Every token of a prompt.
inline constexpr std::size_t all_rows = unbounded;

/// What a policy must be shown before it can choose. A value, because some policies know it only at run time.
struct Needs {
    bool weights = false;
    bool keys = false;
    bool values = false;
    std::size_t rows = all_rows;  ///< of a prompt's tokens, so many of the last
    bool rates = false;           ///< it rates once per choice: ratings are 0 before

    constexpr bool any() const { return weights || keys || values; }
};

namespace detail {
struct AnyRow {
    std::span<const float> operator()(Slot) const noexcept { return {}; }
};
struct AnySetting {
    template <class Value>
    void operator()(const char*, const Value&) const {}
};
}  // namespace detail

template <class P>
concept ReadsWeights = requires(const P& p, const Attention& seen, Ratings r) {
    p.observe(seen, r);
};
template <class P>
concept ReadsKeys = requires(const P& p, const Keys<detail::AnyRow>& keys, Ratings r) {
    p.observe(keys, r);
};
template <class P>
concept ReadsValues = requires(const P& p, const Values<detail::AnyRow>& values, Ratings r) {
    p.observe(values, r);
};
template <class P>
concept RatesLate = requires(const P& p, Ratings r) {
    p.rate(r);
};
template <class P>
concept Protects = requires(const P& p, std::size_t budget) {
    { p.protection(budget) } -> std::same_as<Protection>;
};
template <class P>
concept KeepsColumns = requires(const P& p) {
    { p.columns() } -> std::convertible_to<std::size_t>;
};
template <class P>
concept CountsRows = requires(const P& p) {
    { p.rows() } -> std::convertible_to<std::size_t>;
};
template <class P>
concept TellsProblem = requires(const P& p) {
    { p.problem() } -> std::convertible_to<std::string>;
};
template <class P>
concept TellsSettings = requires(const P& p) {
    p.settings(detail::AnySetting{});
};
/// Wrappers know their needs at run time, or by what they wrap.
template <class P>
concept StatesNeeds = requires(const P& p) {
    { p.needs() } -> std::same_as<Needs>;
};

template <class P>
concept Policy = std::copyable<P> &&
    (ReadsWeights<P> || ReadsKeys<P> || ReadsValues<P> || RatesLate<P> || StatesNeeds<P>);

template <class P>
constexpr Needs needs(const P& policy) {
    if constexpr (StatesNeeds<P>) {
        return policy.needs();
    } else {
        Needs wanted{.weights = ReadsWeights<P>, .keys = ReadsKeys<P>, .values = ReadsValues<P>, .rates = RatesLate<P>};
        if constexpr (CountsRows<P>) wanted.rows = policy.rows();
        return wanted;
    }
}

template <class P>
concept HasScope = requires(const P& p) {
    requires std::same_as<std::remove_cvref_t<decltype(p.scope)>, Scope>;
};

template <class P>
constexpr Scope scope_of(const P& policy) {
    if constexpr (HasScope<P>)
        return policy.scope;
    else
        return Scope::kv_head;
}

template <class P>
constexpr Protection protection_of(const P& policy, std::size_t budget) {
    if constexpr (Protects<P>)
        return budget == 0 ? Protection{} : policy.protection(budget);
    else
        return {.sinks = 0, .recent = 1};
}

template <class P>
constexpr std::size_t columns_of(const P& policy) {
    if constexpr (KeepsColumns<P>)
        return policy.columns();
    else
        return 0;
}

}  // namespace msrnn::inline MSRNN_ABI

#include "checks.hpp"
