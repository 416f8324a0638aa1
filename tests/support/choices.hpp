#pragma once

#include <msrnn/any_policy.hpp>
#include <vector>

#include "support/differential.hpp"

/// Every policy that the mirror knows, by one type, so that a test of all compiles as one.
namespace differential {

using AnyProtected = msrnn::Protect<msrnn::AnyPolicy>;

struct Choice {
    AnyProtected policy;
    mirror::Settings settings;
};

/// Sums of these are exact, in any order, where weights and keys are multiples of 2^-10.
inline const std::vector<Choice>& choices() {
    static const std::vector<Choice> all = [] {
        std::vector<Choice> made;
        mirror::for_each_policy([&](const auto& policy) {
            for (const auto& sample : mirror::samples(policy).exact)
                made.push_back({{.policy = sample}, mirrored(sample)});
        });
        return made;
    }();
    return all;
}

/// One of them, half of the time with more protection.
inline Choice any_choice(Random& random) {
    Choice choice = choices()[random.below(choices().size())];
    const auto [sinks, recent] =
        random.one_of<msrnn::Protection>({{}, {}, {}, {.sinks = 3}, {.recent = 4}, {.sinks = 1, .recent = 2}});
    choice.policy.extra = {.sinks = sinks, .recent = recent};
    choice.settings.extra_sinks = sinks;
    choice.settings.extra_recent = recent;
    return choice;
}

/// Lanes of any choice and random limits: with wide stamps and hooks that may throw, or with narrow stamps.
inline bool run_one_choice(Random& random, std::uint64_t operations, Plan plan, Outcome& outcome) {
    const auto [policy, settings] = any_choice(random);
    if (random.one_in(2)) return run_one<std::uint8_t>(random, operations, policy, settings, plan, outcome);
    return run_one<std::int32_t>(random, operations, Moody<AnyProtected>{policy}, settings, plan, outcome);
}
inline Outcome run_choices(std::uint64_t seed, std::uint64_t steps, std::uint64_t operations = 500) {
    return until<Outcome>(seed, steps, [&](Random& random, Outcome& outcome) {
        run_one_choice(random, operations, {.troubles = true, .exact = true}, outcome);
    });
}

}  // namespace differential
