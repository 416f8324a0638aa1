#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <msrnn/policy/keep_prompt.hpp>
#include <vector>

#include "policy/h2o.mirror.hpp"
#include "policy/key_norm.mirror.hpp"
#include "support/formula.hpp"

namespace formula {

/// Tokens of prompts stay; or of each prompt the first and the last. Prompts without a token between them are one.
template <class P>
double rating_of(const msrnn::KeepPrompt<P>& p, const History& lane, const Token& token) {
    const double inner = rating_of(p.policy, lane, token);
    if (!lane.of_prompt(token.arrival)) return inner;
    if (p.ends == 0) return HUGE_VAL;
    std::uint64_t first = token.arrival, end = token.arrival + 1;
    while (first > 0 && lane.of_prompt(first - 1)) --first;
    while (end < lane.seen && lane.of_prompt(end)) ++end;
    std::size_t before = 0, behind = 0;
    for (const Token& other : lane.tokens) {
        before += other.arrival >= first && other.arrival < token.arrival;
        behind += other.arrival > token.arrival && other.arrival < end;
    }
    const std::size_t kept =
        std::max<std::size_t>(1, static_cast<std::size_t>(p.ends * static_cast<float>(lane.budget)));
    return before < kept || behind < kept ? HUGE_VAL : inner;
}
inline std::vector<msrnn::KeepPrompt<msrnn::H2O>> settings_of(const msrnn::KeepPrompt<msrnn::H2O>&) {
    using Inner = msrnn::H2O;
    using Wrapped = msrnn::KeepPrompt<Inner>;
    return {Wrapped{.policy = Inner{.recent = 2}}, Wrapped{.policy = Inner{.recent = 1}, .ends = 0.1f},
            Wrapped{.policy = Inner{.recent = 0}, .ends = 0.25f}};
}
inline std::vector<msrnn::KeepPrompt<msrnn::KeyNorm>> settings_of(const msrnn::KeepPrompt<msrnn::KeyNorm>&) {
    using Inner = msrnn::KeyNorm;
    using Wrapped = msrnn::KeepPrompt<Inner>;
    return {Wrapped{.policy = Inner{.recent = 1}}, Wrapped{.policy = Inner{.recent = 0}, .ends = 0.05f}};
}

}  // namespace formula
