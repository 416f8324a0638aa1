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

/// What is not set is left out, so that files of older versions say the same.
template <class Described>
nlohmann::json described(const Described& shape) {
    nlohmann::json settings = {{"query_heads", shape.query_heads},
                               {"kv_heads", shape.kv_heads},
                               {"head_dim", shape.head_dim},
                               {"scale", shape.scale}};
    if (shape.value_dim != 0) settings["value_dim"] = shape.value_dim;
    if (shape.soft_cap != 0) settings["soft_cap"] = shape.soft_cap;
    if (shape.window != 0) settings["window"] = shape.window;
    if (!shape.sinks.empty()) settings["sinks"] = shape.sinks;
    return settings;
}
inline nlohmann::json settings_of(const Shape& shape) {
    nlohmann::json settings = shape.each.empty() ? described(shape) : nlohmann::json::object();
    settings["layers"] = shape.layers;
    for (const LayerShape& layer : shape.each) {
        settings["each"].push_back(described(layer));
        if (layer.reads != no_layer) settings["each"].back()["reads"] = layer.reads;
    }
    return settings;
}

/// Of a state: its shape, scalar and policy, or the policies of its layers where they differ.
template <class State>
nlohmann::json settings_of_state(const State& state, const char* scalar) {
    nlohmann::json policies;
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer)
        policies.push_back(settings_of(state.lane(layer, 0).policy()));
    bool alike = true;
    for (const nlohmann::json& policy : policies) alike = alike && policy == policies.front();
    return {{"shape", settings_of(state.shape())}, {"scalar", scalar}, {"policy", alike ? policies.front() : policies}};
}
/// Whether a program that reads the second version can read these.
inline bool fits_second_version(const nlohmann::json& settings) {
    return settings["policy"].is_object() && settings["shape"].size() == 5 && !settings["shape"].contains("each");
}

/// The first setting that differs, in one sentence; empty where none does.
inline std::string settings_problem(const nlohmann::json& saved, const nlohmann::json& own,
                                    const std::string& within = "") {
    const auto differs = [](const std::string& setting, const std::string& there, const std::string& here) {
        return setting + " is " + there + " in the snapshot and " + here +
               " here; make the state as that of the snapshot was made";
    };
    if (saved == own) return {};
    if (saved.is_array() && own.is_array() && saved.size() == own.size()) {
        for (std::size_t i = 0; i < own.size(); ++i)
            if (std::string wrong = settings_problem(saved[i], own[i], within + "/" + std::to_string(i));
                !wrong.empty())
                return wrong;
    }
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
