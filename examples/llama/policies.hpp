// Policies as the command line names them.
#pragma once

#include <cstdint>
#include <msrnn/any_policy.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace llama {

/// Remembers everything.
inline constexpr const char* no_bound = "full";

inline std::vector<std::string> known_policies() {
    std::vector<std::string> names{no_bound};
    for (const msrnn::AnyPolicy& policy : msrnn::AnyPolicy::known()) names.emplace_back(policy.name());
    return names;
}

inline msrnn::AnyPolicy policy_named(const std::string& name, std::uint64_t seed) {
    if (name == no_bound) return msrnn::Window{};
    if (name == "random") return msrnn::RandomEviction{.seed = seed};
    return msrnn::AnyPolicy::named(name);
}

/// The class of the library that a name stands for.
inline const char* class_of(const msrnn::AnyPolicy& policy) {
    if (policy.get<msrnn::Window>()) return "Window";
    if (policy.get<msrnn::SinkWindow>()) return "SinkWindow";
    if (const auto* tova = policy.get<msrnn::Tova>())
        return tova->scope == msrnn::Scope::kv_head ? "Tova, a lane for each KV head" : "Tova";
    if (policy.get<msrnn::H2O>()) return "H2O";
    if (policy.get<msrnn::DecayedAttention>()) return "DecayedAttention";
    if (policy.get<msrnn::KeyNorm>()) return "KeyNorm";
    return "RandomEviction";
}

/// For --help: a line for each name.
inline std::string list_of_policies() {
    std::string list = "Policies, and their classes in msrnn:\n  full         no bound, nothing is forgotten\n";
    for (const msrnn::AnyPolicy& policy : msrnn::AnyPolicy::known()) {
        const std::string name(policy.name());
        list += "  " + name + std::string(13 - name.size(), ' ') + class_of(policy) + "\n";
    }
    return list;
}

inline std::invalid_argument cannot_take(const std::string& policy, std::size_t budget, const std::string& why) {
    return std::invalid_argument(policy + " cannot take a budget of " + std::to_string(budget) + " (" + why + ").");
}

}  // namespace llama
