// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "../base/number.hpp"
#include "../base/shared.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "policy.hpp"
#include "set_by_name.hpp"
#include "setting.hpp"
#include "tova.hpp"
#include "window.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Any policy, chosen at run time, one of your own included: a value, made from it or by name.
///
///     State<AnyPolicy> state(shape, {.budget = 512}, AnyPolicy::named("decayed:decay=0.5,scope=layer"));
///
/// It decides as the policy it holds, bit for bit. Copies share the policy, which never changes. Cost: one call through
/// a pointer per hook, not per slot. What the policy must be shown is known at run time only: Lane::facts().
class AnyPolicy {
public:
    AnyPolicy() : AnyPolicy(Window{}) {}
    /// Holds this policy.
    template <class P>
        requires(!std::same_as<P, AnyPolicy> && Policy<P>)
    AnyPolicy(P policy) : scope(scope_of(policy)), held_(new HeldPolicy<P>(std::move(policy))), calls_(&calls_of<P>) {}

    // A copy is all that moving would do, and what was moved from decides as before.
    AnyPolicy(const AnyPolicy&) = default;
    AnyPolicy& operator=(const AnyPolicy&) = default;
    ~AnyPolicy() = default;

    /// The policies that the library knows by a name, in the order of the README, with their default settings. One of
    /// your own joins them in Policies.
    static std::span<const AnyPolicy> known();
    /// The known policy of that name alone, nullptr where there is none.
    static const AnyPolicy* find(std::string_view name);
    /// A known policy with settings, see Policies; throws std::invalid_argument where there is none, or what is wrong.
    static AnyPolicy named(std::string_view text);
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
    void observe(const Seen& seen, const Ratings& rating) const { calls_->observe(held_.get(), seen, rating); }
    void rate(const Swept& rows, const Ratings& rating) const { calls_->rate(held_.get(), rows, rating); }

    /// tell(name, const Setting&) for each setting of the policy held.
    template <class Tell>
    void settings(Tell tell) const {
        calls_->settings(held_.get()).each(tell);
    }
    /// False where the policy has settings and does not tell them: such a state cannot be saved.
    bool settings_known() const { return calls_->settings(held_.get()).known(); }
    /// Sets one setting, written as named() reads it: set("decay", "0.5"). Empty, or what is wrong in one sentence;
    /// then nothing has changed. Copies keep what they have. Whether all settings together make sense problem() says.
    std::string set(std::string_view setting, std::string_view value) {
        std::string wrong;
        AnyPolicy changed = *this;
        changed.held_ = calls_->set(held_.get(), setting, value, wrong);
        if (!wrong.empty()) return wrong;
        if (setting == "scope") changed.scope = changed.calls_->facts(changed.held_.get(), Shape{}, 1).scope;
        *this = changed;
        return {};
    }
    /// As named() reads it, with every setting: "decayed:decay=0.9,recent=half,scope=layer".
    std::string text() const { return text_of(calls_->settings(held_.get()), ":", ""); }

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
        detail::Shared<const detail::SharedPart> (*set)(Held, std::string_view, std::string_view, std::string&);
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
        [](Held policy) { return SettingsOfPolicy(as<P>(policy)); },
        [](Held policy, std::string_view setting, std::string_view value, std::string& wrong) {
            auto* const changed = new HeldPolicy<P>(as<P>(policy));
            const detail::Shared<const detail::SharedPart> owner(changed);
            wrong = detail::set_by_name(changed->policy, setting, value);
            return owner;
        }};

    static std::string text_of(const SettingsOfPolicy& policy, const char* open, const char* close) {
        std::string list;
        policy.each([&](const char* name, const Setting& setting) {
            list.append(list.empty() ? "" : ",");
            if (setting.kind == Setting::Kind::policy)
                list.append(text_of(*setting.policy, "(", ")"));
            else
                list.append(name).append("=").append(text_of(name, setting));
            if (setting.kind == Setting::Kind::policy) open = "(", close = ")";
        });
        const std::string name(policy.name());
        return list.empty() ? name : name + open + list + close;
    }
    static std::string text_of(std::string_view name, const Setting& setting) {
        if (setting.kind == Setting::Kind::flag) return setting.flag ? "true" : "false";
        if (setting.kind == Setting::Kind::text) return std::string(setting.text);
        if (setting.kind == Setting::Kind::real) return detail::number_text(setting.real);
        if (setting.has_sign) return detail::text(setting.whole);
        if (setting.whole == -1) return std::string(detail::word_for_most(name));
        return detail::text(static_cast<std::uint64_t>(setting.whole));
    }

    detail::Shared<const detail::SharedPart> held_;
    const Calls* calls_;
};

}  // namespace msrnn::inline MSRNN_ABI

#include "policies.hpp"
