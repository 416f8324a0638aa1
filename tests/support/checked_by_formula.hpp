#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <msrnn/decide.hpp>

#include "support/beside_formula.hpp"
#include "support/catch.hpp"
#include "support/sanitized.hpp"

namespace formula {

/// A policy as it is made, for which settings_of() is found here, also if its formula was included after this file.
template <class P>
struct Default : P {};

/// Lanes of every setting that the mirror lists, through random operations: they rate and evict as the formula says.
template <class P>
void check() {
    constexpr std::uint64_t seeds = sanitized ? 2 : 8;
    Outcome all;
    std::uint64_t setting = 0;
    for (const P& policy : settings_of(Default<P>{})) {
        ++setting;
        CHECK(msrnn::problem(policy, {.budget = 24, .query_heads = 1, .head_dim = 1}).empty());
        for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
            Outcome outcome;
            Run<P>(policy, 1000 * seed + setting).go(200, outcome);
            INFO("setting " << setting << ", seed " << seed << ": " << outcome.difference);
            CHECK(outcome.difference.empty());
            all.choices += outcome.choices, all.prompts += outcome.prompts;
            all.restored += outcome.restored, all.taken_back += outcome.taken_back;
            all.worst = std::max(all.worst, outcome.worst);
        }
    }
    CHECK(all.choices > 100 * setting * seeds);
    CHECK(all.prompts > setting * seeds);
    CHECK(all.restored > setting * seeds);
    CHECK(all.taken_back > setting * seeds);
    INFO("at worst off by " << all.worst << " of the largest rating");
    CHECK(all.worst < 1e-5);
}

}  // namespace formula
