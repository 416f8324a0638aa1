// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "../base/refuse.hpp"
#include "../config.hpp"
#include "decayed_attention.hpp"
#include "h2o.hpp"
#include "key_norm.hpp"
#include "policy.hpp"
#include "random_eviction.hpp"
#include "sink_window.hpp"
#include "tova.hpp"
#include "window.hpp"

namespace msrnn::inline MSRNN_ABI {

/// One of the published policies, chosen at run time: a value, made from any of them or by name.
///
///     State<AnyPolicy> state(shape, {.budget = 512}, AnyPolicy::named("tova"));
///
/// It decides as the policy it holds, bit for bit. Cost: one dispatch per hook, not per slot.
class AnyPolicy {
    using Held = std::variant<Window, SinkWindow, Tova, H2O, DecayedAttention, KeyNorm, RandomEviction>;

public:
    constexpr AnyPolicy() = default;
    template <class P>
        requires(!std::same_as<P, AnyPolicy> && std::constructible_from<Held, std::in_place_type_t<P>, P>)
    constexpr AnyPolicy(P policy) : scope(scope_of(policy)), held_(std::in_place_type<P>, std::move(policy)) {}

    /// The policies that have a name, in the order of the README, with their default settings.
    static std::span<const AnyPolicy> known() {
        static const AnyPolicy all[] = {Window{}, SinkWindow{},       Tova{},    Tova{.scope = Scope::kv_head},
                                        H2O{},    DecayedAttention{}, KeyNorm{}, RandomEviction{}};
        return all;
    }
    /// The known policy of that name, nullptr where there is none.
    static const AnyPolicy* find(std::string_view name) {
        for (const AnyPolicy& policy : known())
            if (policy.name() == name) return &policy;
        return nullptr;
    }
    /// The same; throws std::invalid_argument, listing the known names, where there is none.
    static AnyPolicy named(std::string_view name) {
        const AnyPolicy* const found = find(name);
        if (found == nullptr) detail::refuse(unknown(name));
        return *found;
    }
    /// As the tables of the field name it: "tova-head" is `Tova` with one lane per KV head.
    std::string_view name() const {
        return std::visit(
            []<class P>(const P& policy) -> std::string_view {
                if constexpr (std::same_as<P, Tova>)
                    if (policy.scope == Scope::kv_head) return "tova-head";
                return P::name;
            },
            held_);
    }

    /// The policy held, if it is a P.
    template <class P>
    const P* get() const {
        return std::get_if<P>(&held_);
    }

    Needs needs() const {
        return std::visit([](const auto& policy) { return msrnn::needs(policy); }, held_);
    }
    Protection protection(std::size_t budget) const {
        return std::visit([=](const auto& policy) { return protection_of(policy, budget); }, held_);
    }
    std::size_t columns() const {
        return std::visit([](const auto& policy) { return columns_of(policy); }, held_);
    }
    std::string problem() const {
        return std::visit(
            []<class P>(const P& policy) -> std::string {
                if constexpr (TellsProblem<P>)
                    return policy.problem();
                else
                    return {};
            },
            held_);
    }
    void observe(const Attention& seen, Ratings rating) const noexcept {
        std::visit(
            [&]<class P>(const P& policy) {
                if constexpr (ReadsWeights<P>) policy.observe(seen, rating);
            },
            held_);
    }
    template <class RowOf>
    void observe(const Keys<RowOf>& keys, Ratings rating) const noexcept(noexcept(keys(Slot()))) {
        std::visit(
            [&]<class P>(const P& policy) {
                if constexpr (ReadsKeys<P>) policy.observe(keys, rating);
            },
            held_);
    }
    template <class RowOf>
    void observe(const Values<RowOf>& values, Ratings rating) const noexcept(noexcept(values(Slot()))) {
        std::visit(
            [&]<class P>(const P& policy) {
                if constexpr (ReadsValues<P>) policy.observe(values, rating);
            },
            held_);
    }
    void rate(Ratings rating) const noexcept {
        std::visit(
            [&]<class P>(const P& policy) {
                if constexpr (RatesLate<P>) policy.rate(rating);
            },
            held_);
    }

    /// use(policy) with the policy held, by its own type.
    template <class Use>
    decltype(auto) visit(Use use) const {
        return std::visit(use, held_);
    }

    Scope scope = scope_of(Window{});

private:
    static std::string unknown(std::string_view name) {
        std::string names;
        for (const AnyPolicy& policy : known()) names.append(names.empty() ? "" : ", ").append(policy.name());
        return "msrnn: no policy is called '" + std::string(name) + "'; known are " + names;
    }

    Held held_;
};

}  // namespace msrnn::inline MSRNN_ABI
