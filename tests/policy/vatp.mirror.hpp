#pragma once

#include <cmath>
#include <cstddef>
#include <msrnn/policy/vatp.hpp>
#include <vector>

#include "support/formula.hpp"

namespace formula {

/// The sum of a token's weights, times the sum of the magnitudes of its value.
inline double rating_of(const msrnn::Vatp&, const History& lane, const Token& token) {
    double sum = 0, size = 0;
    for (const Query& query : lane.queries) sum += query.sum(token.arrival);
    for (const double x : token.value) size += std::abs(x);
    return sum * size;
}
inline std::vector<msrnn::Vatp> settings_of(const msrnn::Vatp&) {
    return {{}, {.recent = 1, .sinks = 2, .history = 3}, {.recent = 0, .history = 8}};
}

}  // namespace formula
