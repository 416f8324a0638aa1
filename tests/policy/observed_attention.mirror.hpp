#pragma once

#include <cstddef>
#include <msrnn/policy/observed_attention.hpp>
#include <vector>

#include "support/formula.hpp"

namespace formula {

/// What a token got, for each token that came since, its own included.
inline double rating_of(const msrnn::ObservedAttention&, const History& lane, const Token& token) {
    double sum = 0;
    for (const Query& query : lane.queries) sum += query.mean(token.arrival);
    return sum / static_cast<double>(lane.age(token));
}
inline std::vector<msrnn::ObservedAttention> settings_of(const msrnn::ObservedAttention&) {
    return {{}, {.recent = 3, .sinks = 2}};
}

}  // namespace formula
