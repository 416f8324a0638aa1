// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "../base/refuse.hpp"
#include "../base/shared.hpp"
#include "../config.hpp"
#include "decayed_attention.hpp"
#include "h2o.hpp"
#include "key_norm.hpp"
#include "policy.hpp"
#include "random_eviction.hpp"
#include "setting.hpp"
#include "sink_window.hpp"
#include "tova.hpp"
#include "window.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Any policy, chosen at run time, one of your own included: a value, made from it or by name.
///
///     State<AnyPolicy> state(shape, {.budget = 512}, AnyPolicy::named("tova"));
///
/// It decides as the policy it holds, bit for bit. Copies share the policy, which never changes. Cost: one call through
/// a pointer per hook, not per slot. What the policy must be shown is known at run time only: Lane::facts().
class AnyPolicy {
public:
    AnyPolicy() : AnyPolicy(Window{}) {}
    template <class P>
        requires(!std::same_as<P, AnyPolicy> && Policy<P>)
    AnyPolicy(P policy) : scope(scope_of(policy)), held_(new HeldPolicy<P>(std::move(policy))), calls_(&calls_of<P>) {}

    // A copy is all that moving would do, and what was moved from decides as before.
    AnyPolicy(const AnyPolicy&) = default;
    AnyPolicy& operator=(const AnyPolicy&) = default;
    ~AnyPolicy() = default;

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
        if (const Tova* const tova = get<Tova>(); tova != nullptr && tova->scope == Scope::kv_head) return "tova-head";
        return facts(Shape{}, 1).name;
    }

    /// The policy held, if it is a P.
    template <class P>
    const P* get() const {
        return calls_ == &calls_of<P> ? &as<P>(held_.get()) : nullptr;
    }

    Facts facts(const Shape& lane, std::size_t budget) const {
        Facts facts = calls_->facts(held_.get(), lane, budget);
        facts.scope = scope;
        return facts;
    }
    void observe(const Seen& seen, Ratings rating) const { calls_->observe(held_.get(), seen, rating); }
    void rate(const Swept& rows, Ratings rating) const { calls_->rate(held_.get(), rows, rating); }

    /// tell(name, const Setting&) for each setting of the policy held.
    template <class Tell>
    void settings(Tell tell) const {
        calls_->settings(held_.get()).each(tell);
    }
    /// False where the policy has settings and does not tell them: such a state cannot be saved.
    bool settings_known() const { return calls_->settings(held_.get()).known(); }

    Scope scope;

private:
    using Held = const detail::SharedPart*;
    template <class P>
    struct HeldPolicy : detail::SharedPart {
        explicit HeldPolicy(P of) : policy(std::move(of)) {}
        P policy;
    };
    struct Calls {
        Facts (*facts)(Held, const Shape&, std::size_t);
        void (*observe)(Held, const Seen&, const Ratings&);
        void (*rate)(Held, const Swept&, const Ratings&);
        SettingsOfPolicy (*settings)(Held);
    };
    template <class P>
    static const P& as(Held held) {
        return static_cast<const HeldPolicy<P>*>(held)->policy;
    }
    template <class P>
    static constexpr Calls calls_of{
        [](Held policy, const Shape& lane, std::size_t budget) { return facts_of(as<P>(policy), lane, budget); },
        [](Held policy, const Seen& seen, const Ratings& rating) { observe_by(as<P>(policy), seen, rating); },
        [](Held policy, const Swept& rows, const Ratings& rating) { rate_by(as<P>(policy), rows, rating); },
        [](Held policy) { return SettingsOfPolicy(as<P>(policy)); }};

    static std::string unknown(std::string_view name) {
        std::string names;
        for (const AnyPolicy& policy : known()) names.append(names.empty() ? "" : ", ").append(policy.name());
        return "msrnn: no policy is called '" + std::string(name) + "'; known are " + names;
    }

    detail::Shared<const detail::SharedPart> held_;
    const Calls* calls_;
};

}  // namespace msrnn::inline MSRNN_ABI
