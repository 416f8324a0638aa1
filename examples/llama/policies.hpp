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

inline std::invalid_argument cannot_take(const std::string& policy, std::size_t budget, const std::string& why) {
    return std::invalid_argument(policy + " cannot take a budget of " + std::to_string(budget) + " (" + why + ").");
}

}  // namespace llama
