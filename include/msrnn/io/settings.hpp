// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>

#include "../config.hpp"
#include "../state/shape.hpp"
#include "safetensors.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

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
        return std::isfinite(value) ? nlohmann::json(static_cast<double>(value))
                                    : nlohmann::json(std::to_string(value));
    else if constexpr (std::constructible_from<std::string, Value>)
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
inline std::string settings_problem(const nlohmann::json& saved, const nlohmann::json& own,
                                    const std::string& within = "") {
    const auto differs = [](const std::string& setting, const std::string& there, const std::string& here) {
        return setting + " is " + there + " in the snapshot and " + here +
               " here; make the state as that of the snapshot was made";
    };
    if (saved == own) return {};
    if (!saved.is_object() || !own.is_object())
        return differs(within, safetensors::shown(saved), safetensors::shown(own));
    const std::string path = within.empty() ? "" : within + "/";
    for (const auto& [name, here] : own.items()) {
        const auto there = saved.find(name);
        if (there == saved.end()) return differs(path + name, "not set", safetensors::shown(here));
        if (std::string wrong = settings_problem(*there, here, path + name); !wrong.empty()) return wrong;
    }
    for (const auto& [name, there] : saved.items())
        if (!own.contains(name))
            return differs(path + safetensors::shown_name(name), safetensors::shown(there), "not set");
    return {};
}

}  // namespace msrnn::inline MSRNN_ABI::detail
