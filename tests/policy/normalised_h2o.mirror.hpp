#pragma once

#include <algorithm>
#include <cstddef>
#include <msrnn/policy/normalised_h2o.hpp>
#include <vector>

#include "support/formula.hpp"

namespace formula {

/// The rows of a prompt are one row. Each row counts by the largest of a token and those that arrived after it; the sum
/// is divided by the queries that the token was shown to.
inline double rating_of(const msrnn::NormalisedH2O& p, const History& lane, const Token& token) {
    double rating = 0, met = 0;
    for (std::size_t first = 0, end; first < lane.queries.size(); first = end) {
        end = first + 1;
        while (lane.queries[first].generated == 0 && end < lane.queries.size() && lane.queries[end].generated == 0 &&
               !lane.starts_prompt(lane.queries[end].seen - 1) &&
               lane.queries[end].seen == lane.queries[end - 1].seen + 1)
            ++end;
        for (std::size_t q = first; q < end; ++q) met += lane.queries[q].sees(token.arrival) ? 1 : 0;
        const auto& live = lane.queries[end - 1].live;
        const auto found = std::find(live.begin(), live.end(), token.arrival);
        double largest = 0;
        for (auto at = found; at != live.end() && at - found < static_cast<std::ptrdiff_t>(p.max_pool); ++at) {
            double row = 0;
            for (std::size_t q = first; q < end; ++q) row += lane.queries[q].sum(*at);
            largest = std::max(largest, row);
        }
        rating += largest;
    }
    return met == 0 ? 0 : rating / met;
}
inline std::vector<msrnn::NormalisedH2O> settings_of(const msrnn::NormalisedH2O&) {
    return {{.sinks = 0, .recent = 2, .max_pool = 1},
            {.sinks = 2, .recent = 3, .max_pool = 3, .window = 4},
            {.sinks = 1, .max_pool = 7, .window = msrnn::unbounded}};
}

}  // namespace formula
