// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "../config.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

namespace detail {
/// An enum of named values: `constexpr const char* name_of(E)` stands beside it. They are counted from 0, and each has
/// a name of its own.
template <class E>
concept NamedValues = std::is_enum_v<E> && !std::is_convertible_v<E, int> && requires(E value) {
    { name_of(value) } -> std::convertible_to<const char*>;
};
}  // namespace detail

/// A setting of a policy whose type is known at run time only: one of five kinds.
struct Setting {
    /// What its value is.
    enum class Kind : unsigned char { flag, whole, real, text, policy };

    Kind kind = Kind::flag;      ///< says which of the following counts
    bool flag = false;           ///< true or false
    std::int64_t whole = 0;      ///< of unsigned settings too; `unbounded` and `half_of_budget` are -1
    double real = 0;             ///< of float and double
    std::string_view text = {};  ///< a word: of an enum too
    const class SettingsOfPolicy* policy = nullptr;  ///< of a wrapper: the policy inside
    bool has_sign = false;                           ///< of `whole`: else it stands for a std::uint64_t
};

/// The settings of a policy, to be told one after the other; a view of it.
class SettingsOfPolicy {
public:
    /// A view of this policy's.
    template <class P>
    explicit SettingsOfPolicy(const P& policy) : policy_(&policy), each_(&each_of<P>), name_(name_of_type<P>(policy)) {
        known_ = TellsSettings<P> || std::is_empty_v<P>;
        if constexpr (requires { policy.settings_known(); }) known_ = policy.settings_known();
    }

    const char* name() const { return name_; }
    /// False where a policy has settings and does not tell them.
    bool known() const { return known_; }
    /// tell(name, setting) for each.
    template <class Tell>
    void each(Tell tell) const {
        each_(policy_, &tell,
              [](void* sink, const char* name, const Setting& setting) { (*static_cast<Tell*>(sink))(name, setting); });
    }

private:
    using Sink = void (*)(void*, const char*, const Setting&);

    template <class P>
    static const char* name_of_type(const P& policy) {
        return facts_of(policy, Shape{}, 1).name;
    }
    template <class P>
    static void each_of(const void* policy, void* sink, Sink tell) {
        if constexpr (TellsSettings<P>)
            static_cast<const P*>(policy)->settings([=](const char* name, const auto& value, const auto&... not_told) {
                if (((value == not_told) || ...)) return;
                using Value = std::remove_cvref_t<decltype(value)>;
                if constexpr (std::same_as<Value, Setting>) {
                    tell(sink, name, value);
                } else if constexpr (std::same_as<Value, bool>) {
                    tell(sink, name, {.kind = Setting::Kind::flag, .flag = value});
                } else if constexpr (detail::NamedValues<Value>) {
                    tell(sink, name, {.kind = Setting::Kind::text, .text = name_of(value)});
                } else if constexpr (std::integral<Value> || std::is_enum_v<Value>) {
                    tell(sink, name,
                         {.kind = Setting::Kind::whole,
                          .whole = static_cast<std::int64_t>(value),
                          .has_sign = std::is_signed_v<Value>});
                } else if constexpr (std::floating_point<Value>) {
                    tell(sink, name, {.kind = Setting::Kind::real, .real = static_cast<double>(value)});
                } else if constexpr (std::convertible_to<const Value&, std::string_view>) {
                    tell(sink, name, {.kind = Setting::Kind::text, .text = std::string_view(value)});
                } else {
                    const SettingsOfPolicy inside(value);
                    tell(sink, name, {.kind = Setting::Kind::policy, .policy = &inside});
                }
            });
    }

    const void* policy_;
    void (*each_)(const void*, void*, Sink);
    const char* name_;
    bool known_ = false;
};

}  // namespace msrnn::inline MSRNN_ABI
