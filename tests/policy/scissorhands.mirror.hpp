#pragma once

#include <cmath>
#include <cstddef>
#include <msrnn/policy/scissorhands.hpp>
#include <vector>

#include "support/formula.hpp"

namespace formula {

/// A decayed sum of what each query gave, or minus one for each that gave less than an even share.
inline double rating_of(const msrnn::Scissorhands& p, const History& lane, const Token& token) {
    double rating = 0;
    for (const Query& query : lane.queries) {
        if (!query.sees(token.arrival)) continue;
        const bool unimportant = query.mean(token.arrival) < 1 / static_cast<double>(query.live.size());
        const double gave = !p.counts ? query.sum(token.arrival) : unimportant ? -1 : 0;
        rating = (query.generated == 0 ? 1 : static_cast<double>(p.decay)) * rating + gave;
    }
    return rating;
}
inline std::vector<msrnn::Scissorhands> settings_of(const msrnn::Scissorhands&) {
    return {{.recent = 2},
            {.history = 4, .recent = 3, .sinks = 2, .decay = 0.75f},
            {.history = 3, .recent = 0, .decay = 0},
            {.history = 5, .recent = 1, .decay = 0.5f, .counts = true},
            {.history = msrnn::unbounded, .recent = 4, .sinks = 1, .counts = true}};
}

}  // namespace formula
