#pragma once

#include <algorithm>
#include <cstddef>
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <msrnn/policy/keep_or_skip.hpp>
#include <msrnn/policy/keep_prompt.hpp>
#include <msrnn/trace/metered.hpp>
#include <vector>

/// Every known policy with its default settings, and the wrappers around one of them, for lanes of two query heads and
/// a head_dim of eight. They are one type, so a test of all of them is compiled once.
inline const std::vector<msrnn::AnyPolicy>& known_policies() {
    static const std::vector<msrnn::AnyPolicy> all = [] {
        std::vector<msrnn::AnyPolicy> known(msrnn::AnyPolicy::known().begin(), msrnn::AnyPolicy::known().end());
        known.push_back(msrnn::Protect<msrnn::Tova>{.extra = {.sinks = 1}});
        known.push_back(msrnn::Metered<msrnn::H2O>{});
        known.push_back(msrnn::KeepPrompt<msrnn::H2O>{});
        known.push_back(msrnn::KeepOrSkip<msrnn::Tova>{});
        return known;
    }();
    return all;
}
/// A budget, this large at least, with which a policy can decide and has room for four pins.
inline std::size_t budget_for(const msrnn::AnyPolicy& policy, std::size_t at_least) {
    std::size_t budget = 1;
    while (!msrnn::problem(policy, msrnn::Limits{.budget = budget, .query_heads = 2, .head_dim = 8}).empty()) ++budget;
    return std::max(at_least, budget + 4);
}
