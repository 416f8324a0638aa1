#pragma once

#include <msrnn/any_policy.hpp>
#include <vector>

/// The known policies that serve any small lane: they decide by weights of all heads together, by keys, or by nothing,
/// and a budget of five slots is enough for what they protect. The others are tested beside their mirrors.
inline const std::vector<msrnn::AnyPolicy>& simple_policies() {
    static const std::vector<msrnn::AnyPolicy> all = [] {
        std::vector<msrnn::AnyPolicy> simple;
        for (const msrnn::AnyPolicy& policy : msrnn::AnyPolicy::known()) {
            const msrnn::Needs needs = policy.facts({}, 5).needs;
            const bool shown =
                (needs.at_observe & ~msrnn::Attention::bit) == 0 && (needs.at_choice & ~msrnn::Keys::bit) == 0;
            if (shown && msrnn::problem(policy, msrnn::Limits{.budget = 5}).empty()) simple.push_back(policy);
        }
        return simple;
    }();
    return all;
}
