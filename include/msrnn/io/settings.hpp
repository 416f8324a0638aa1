// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>

#include "../config.hpp"
#include "../policy/setting.hpp"
#include "../state/shape.hpp"
#include "safetensors.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

/// A policy's name and settings as JSON: what must be the same where a state goes on. One chosen at run time is written
/// as the policy it holds. Whole numbers are written as signed ones, so `unbounded` and `half_of_budget` are -1.
inline nlohmann::json settings_of(const SettingsOfPolicy& policy) {
    nlohmann::json settings = {{"name", policy.name()}};
    policy.each([&](const char* name, const Setting& setting) {
        switch (setting.kind) {
            case Setting::Kind::flag:
                settings[name] = setting.flag;
                break;
            case Setting::Kind::whole:
                settings[name] = setting.whole;
                break;
            case Setting::Kind::real:
                if (std::isfinite(setting.real))
                    settings[name] = setting.real;
                else
                    settings[name] = std::to_string(setting.real);
                break;
            case Setting::Kind::text:
                settings[name] = std::string(setting.text);
                break;
            case Setting::Kind::policy:
                settings[name] = settings_of(*setting.policy);
                break;
        }
    });
    return settings;
}

template <class P>
nlohmann::json settings_of(const P& policy) {
    constexpr bool named = StatesFacts<P> || requires { std::string(P::name); };
    static_assert(named, "msrnn: a policy whose state is saved has a `static constexpr const char* name`.");
    static_assert(TellsSettings<P> || std::is_empty_v<P>,
                  "msrnn: a policy whose state is saved has `template <class Tell> void settings(Tell tell) const`, "
                  "so that a state of other settings is refused.");
    return settings_of(SettingsOfPolicy(policy));
}
/// Why a state of this policy, which was chosen at run time, cannot be saved; empty where it can.
template <class P>
std::string settings_problem(const P& policy) {
    const SettingsOfPolicy settings(policy);
    if (*settings.name() == 0) return "its policy has no name; give it a `static constexpr const char* name`";
    if (!settings.known())
        return "its policy " + std::string(settings.name()) +
               " has settings and does not tell them; give it settings()";
    return {};
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
