// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

#include "../base/number.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "policy.hpp"
#include "setting.hpp"

/// Sets what settings() tells: one list of settings serves both directions.
namespace msrnn::inline MSRNN_ABI::detail {

constexpr bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' || c == 127; }

/// As it stands in a sentence: of one line, and not for ever.
inline std::string quoted(std::string_view text) {
    constexpr std::size_t longest = 60;
    std::string result = "'";
    for (const char c : text.substr(0, longest)) result += is_control(c) ? '?' : c;
    return result + (text.size() > longest ? "...'" : "'");
}

/// The word for the largest number: `recent` counts tokens of the budget, others are without a bound.
inline std::string_view word_for_most(std::string_view setting) { return setting == "recent" ? "half" : "unbounded"; }

/// A value is read into `value`, or the answer says what it takes.
template <class Value>
std::string read_setting(std::string_view name, std::string_view text, Value& value) {
    if constexpr (std::same_as<Value, bool>) {
        if (text != "true" && text != "false") return "true or false";
        value = text == "true";
    } else if constexpr (NamedValues<Value>) {
        std::string names;
        const auto known = [](std::string_view one, int before) {
            for (int i = 0; i < before; ++i)
                if (one == name_of(static_cast<Value>(i))) return true;
            return false;
        };
        for (int i = 0; !known(name_of(static_cast<Value>(i)), i); ++i) {
            const std::string_view one = name_of(static_cast<Value>(i));
            if (one == text) return value = static_cast<Value>(i), std::string();
            names.append(names.empty() ? "" : ", ").append(one);
        }
        return "one of " + names;
    } else if constexpr (std::unsigned_integral<Value> && sizeof(Value) == sizeof(std::uint64_t)) {
        const std::string_view word = word_for_most(name);
        std::uint64_t number = (std::numeric_limits<std::uint64_t>::max)();
        if (text != word && !read_number(text, number))
            return std::string("a whole number from 0 on, or ").append(word);
        value = static_cast<Value>(number);
    } else if constexpr (std::integral<Value>) {
        constexpr Value least = (std::numeric_limits<Value>::min)(), most = (std::numeric_limits<Value>::max)();
        std::uint64_t number = 0;
        const bool negative = std::signed_integral<Value> && text.starts_with('-');
        const std::uint64_t end = static_cast<std::uint64_t>(most) + (negative ? 1 : 0);
        if (!read_number(text.substr(negative ? 1 : 0), number) || number > end)
            return "a whole number from " + detail::text(std::int64_t{least}) + " to " +
                   detail::text(static_cast<std::uint64_t>(most));
        value = static_cast<Value>(negative ? 0 - number : number);
    } else if constexpr (std::floating_point<Value>) {
        double number = 0;
        constexpr auto most = static_cast<double>((std::numeric_limits<Value>::max)());
        if (!read_number(text, number) || number > most || number < -most) return "a number, as 0.5";
        value = static_cast<Value>(number);
    } else {
        value = text;
    }
    return {};
}

template <class Value>
concept CanBeRead = std::same_as<Value, bool> || NamedValues<Value> || std::integral<Value> ||
    std::floating_point<Value> || std::same_as<Value, std::string>;

/// Whether the value is a member of the policy, or of a member: not a temporary, nor what a pointer leads to.
template <class P, class Value>
bool lies_in(const P& policy, const Value& value) {
    const auto begin = reinterpret_cast<std::uintptr_t>(&policy), at = reinterpret_cast<std::uintptr_t>(&value);
    return at >= begin && at + sizeof(Value) <= begin + sizeof(P);
}

/// A policy whose scope is a member: settings() may show it by name, as text.
template <class P>
concept HasOwnScope = HasScope<P> && std::is_member_object_pointer_v<decltype(&P::scope)> && requires(P& policy) {
    policy.scope = Scope::layer;
};

inline std::string name_in_sentence(const char* name) { return *name == 0 ? "this policy" : name; }

/// Sets the setting that settings() tells under this name. Empty, or one sentence; then the policy is as it was.
template <class P>
std::string set_by_name(P& policy, std::string_view name, std::string_view text) {
    std::string names, wrong;
    bool found = false;
    const std::string whose = name_in_sentence(SettingsOfPolicy(policy).name());
    const auto read_into = [&](auto& value) {
        const std::string takes = read_setting(name, text, value);
        if (!takes.empty()) wrong = std::string(name) + " of " + whose + " is " + quoted(text) + "; it takes " + takes;
    };
    if constexpr (TellsSettings<P>)
        policy.settings([&](const char* told, const auto& value, const auto&...) {
            using Value = std::remove_cvref_t<decltype(value)>;
            names.append(names.empty() ? "" : ", ").append(told);
            if (found || told != name) return;
            found = true;
            // The policy is no constant, so neither are its members: settings() only shows them as such.
            if constexpr (CanBeRead<Value>)
                if (lies_in(policy, value)) return read_into(const_cast<Value&>(value));
            if constexpr (HasOwnScope<P>)
                if (name == "scope") return read_into(policy.scope);
            wrong = std::string(name) + " of " + whose + " cannot be set by name; set it where the policy is made";
        });
    if (found) return wrong;
    const std::string has = whose + " has no setting " + quoted(name);
    if (name == "sinks" || name == "recent")
        return has + "; write protect(" + whose + "," + std::string(name) + "=4) to protect tokens beside what it does";
    if (!names.empty()) return has + "; it has " + names;
    return has + (SettingsOfPolicy(policy).known() ? "; it has none" : ": it does not tell them; give it settings()");
}

}  // namespace msrnn::inline MSRNN_ABI::detail
