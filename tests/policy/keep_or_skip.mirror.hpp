#pragma once

#include <msrnn/policy/keep_or_skip.hpp>
#include <vector>

#include "policy/key_norm.mirror.hpp"
#include "support/formula.hpp"

namespace formula {

/// As the policy inside, and nothing recent is protected.
template <class P>
double rating_of(const msrnn::KeepOrSkip<P>& p, const History& lane, const Token& token) {
    return rating_of(p.policy, lane, token);
}
inline std::vector<msrnn::KeepOrSkip<msrnn::KeyNorm>> settings_of(const msrnn::KeepOrSkip<msrnn::KeyNorm>&) {
    using Inner = msrnn::KeyNorm;
    using Wrapped = msrnn::KeepOrSkip<Inner>;
    return {Wrapped{}, Wrapped{.policy = Inner{.recent = 3}}};
}

}  // namespace formula
