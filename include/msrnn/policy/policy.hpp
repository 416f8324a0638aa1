// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <string>

#include "../config.hpp"
#include "../core/evidence.hpp"
#include "../core/protection.hpp"
#include "../core/ratings.hpp"

/// A policy rates slots, while observing or just before a choice. The lowest-rated candidate leaves; of equals the one
/// that arrived first. A policy is a const value: what changes from step to step lies in the lane, so one policy object
/// serves every lane and thread. All hooks are const, all are optional:
///
///     void observe(const Attention&, Ratings) const;      // after a step's softmax
///     void observe(const Keys<RowOf>&, Ratings) const;    // after a step's key is written (template over RowOf)
///     void observe(const Values<RowOf>&, Ratings) const;
///     void rate(Ratings) const;                           // once before a choice; ratings are stale until then
///     Protection protection(std::size_t budget) const;    // without it the newest token is protected
///     std::size_t columns() const;                        // floats per slot that the lane keeps for the policy
///     std::size_t rows() const;                           // how many of a prompt's last tokens it wants to be shown
///     std::string validate() const;                       // empty, or what is wrong with the settings
///     Scope scope;                                        // a member, static or not; without it Scope::kv_head
///     static constexpr const char* name;
///     template <class Tell> void settings(Tell tell) const;  // tell("decay", decay) for each: what a snapshot records
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
    std::size_t rows = all_rows;  ///< of the tokens since the last choice, so many of the last
};

namespace detail {
struct AnyRow {
    std::span<const float> operator()(Slot) const { return {}; }
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
concept Validates = requires(const P& p) {
    { p.validate() } -> std::convertible_to<std::string>;
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
concept Policy = std::copyable<P> &&(ReadsWeights<P> || ReadsKeys<P> || ReadsValues<P> || RatesLate<P> || Protects<P> ||
                                     StatesNeeds<P> || requires { P::name; });

template <class P>
constexpr Needs needs(const P& policy) {
    if constexpr (StatesNeeds<P>) {
        return policy.needs();
    } else {
        Needs wanted{.weights = ReadsWeights<P>, .keys = ReadsKeys<P>, .values = ReadsValues<P>};
        if constexpr (CountsRows<P>) wanted.rows = policy.rows();
        return wanted;
    }
}

template <class P>
constexpr Scope scope_of(const P& policy) {
    if constexpr (requires { Scope{policy.scope}; })
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

namespace detail {
// A class that inherits a name twice cannot be asked for it: that finds a member of any kind, overloads and templates.
struct NamesObserve {
    int observe;
};
struct NamesRate {
    int rate;
};
struct NamesProtection {
    int protection;
};
struct NamesColumns {
    int columns;
};
struct NamesRows {
    int rows;
};
struct NamesSettings {
    int settings;
};
template <class P, class Name>
struct Both : P, Name {};
template <class P>
concept SaysObserve = !requires {
    &Both<P, NamesObserve>::observe;
};
template <class P>
concept SaysRate = !requires {
    &Both<P, NamesRate>::rate;
};
template <class P>
concept SaysProtection = !requires {
    &Both<P, NamesProtection>::protection;
};
template <class P>
concept SaysColumns = !requires {
    &Both<P, NamesColumns>::columns;
};
template <class P>
concept SaysRows = !requires {
    &Both<P, NamesRows>::rows;
};
template <class P>
concept SaysSettings = !requires {
    &Both<P, NamesSettings>::settings;
};

/// A near miss is one sentence. Instantiated by whatever takes a policy.
template <class P>
struct CheckedPolicy {
    static_assert(!SaysObserve<P> || StatesNeeds<P> || ReadsWeights<P> || ReadsKeys<P> || ReadsValues<P>,
                  "msrnn: this policy's observe() must be const and take (const Attention&, Ratings), "
                  "(const Keys<RowOf>&, Ratings) or (const Values<RowOf>&, Ratings).");
    static_assert(!SaysRate<P> || StatesNeeds<P> || RatesLate<P>,
                  "msrnn: this policy's rate() must be `void rate(Ratings) const`.");
    static_assert(!SaysProtection<P> || Protects<P>,
                  "msrnn: this policy's protection() must be `Protection protection(std::size_t budget) const`.");
    static_assert(!SaysColumns<P> || KeepsColumns<P>,
                  "msrnn: this policy's columns() must be `std::size_t columns() const`.");
    static_assert(!SaysRows<P> || CountsRows<P>, "msrnn: this policy's rows() must be `std::size_t rows() const`.");
    static_assert(!SaysSettings<P> || TellsSettings<P>,
                  "msrnn: this policy's settings() must be `template <class Tell> void settings(Tell tell) const` and "
                  "call tell(name, value).");
    static_assert(Policy<P>, "msrnn: a policy is copyable and has observe(), rate(), protection() or a name.");
};
}  // namespace detail

}  // namespace msrnn::inline MSRNN_ABI
