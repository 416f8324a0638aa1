// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>

#include "../state/shape.hpp"

namespace msrnn::detail {

/// A policy's name and settings as JSON: what must be the same where a state goes on. One chosen at run time is written
/// as the policy it holds. Whole numbers are written as signed ones, so `unbounded` and `half_of_budget` are -1.
template <class P>
nlohmann::json settings_of(const P& policy);

template <class Value>
nlohmann::json setting_of(const Value& value) {
    if constexpr (std::same_as<Value, bool>)
        return value;
    else if constexpr (std::integral<Value> || std::is_enum_v<Value>)
        return static_cast<std::int64_t>(value);
    else if constexpr (std::floating_point<Value>)
        return static_cast<double>(value);
    else if constexpr (std::convertible_to<Value, std::string>)
        return std::string(value);
    else
        return settings_of(value);
}

template <class P>
nlohmann::json settings_of(const P& policy) {
    if constexpr (requires { policy.visit([](const auto&) {}); }) {
        return policy.visit([](const auto& held) { return settings_of(held); });
    } else {
        constexpr bool named = requires { std::string(P::name); };
        static_assert(named, "msrnn: a policy whose state is saved has a `static constexpr const char* name`.");
        static_assert(
            TellsSettings<P> || std::is_empty_v<P>,
            "msrnn: a policy whose state is saved has `template <class Tell> void settings(Tell tell) const`, "
            "so that a state of other settings is refused.");
        nlohmann::json settings = {{"name", P::name}};
        if constexpr (TellsSettings<P>)
            policy.settings([&](const char* name, const auto& value) { settings[name] = setting_of(value); });
        return settings;
    }
}

template <class P>
nlohmann::json settings_of(const Shape& shape, const char* scalar, const P& policy) {
    return {{"shape",
             {{"layers", shape.layers},
              {"query_heads", shape.query_heads},
              {"kv_heads", shape.kv_heads},
              {"head_dim", shape.head_dim},
              {"scale", shape.scale}}},
            {"scalar", scalar},
            {"policy", settings_of(policy)}};
}

/// The first setting that differs, in one sentence; empty where none does.
inline std::string difference(const nlohmann::json& saved, const nlohmann::json& own) {
    const nlohmann::json there = saved.flatten(), here = own.flatten();
    const auto said = [](const nlohmann::json& all, const std::string& setting) {
        const auto found = all.find(setting);
        return found == all.end() ? "not set" : found->dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    };
    for (const nlohmann::json* all : {&here, &there})
        for (const auto& [setting, value] : all->items()) {
            const auto a = there.find(setting), b = here.find(setting);
            if (a != there.end() && b != here.end() && *a == *b) continue;
            return setting.substr(1) + " is " + said(there, setting) + " in the snapshot and " + said(here, setting) +
                   " here; make the state as that of the snapshot was made";
        }
    return {};
}

}  // namespace msrnn::detail
