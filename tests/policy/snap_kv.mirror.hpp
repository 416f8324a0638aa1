#pragma once

#include <algorithm>
#include <cstddef>
#include <msrnn/policy/snap_kv.hpp>
#include <vector>

#include "support/formula.hpp"

namespace formula {

/// What the last queries gave, each head alone or their mean; pooled. Normalised, a query counts times the tokens
/// before it.
inline double rating_of(const msrnn::SnapKV& p, const History& lane, const Token& token) {
    const std::vector<Query> rows = lane.last(lane.rows);
    const auto summed = [&](const Token& of) {
        double mean = 0, largest = 0;
        for (std::size_t head = 0; head < lane.query_heads; ++head) {
            double sum = 0;
            for (const Query& row : rows) {
                const double before = static_cast<double>(row.live.size() - 1);
                const double last = static_cast<double>(rows.back().live.size() - 1);
                const double weight = of.arrival < row.weight[head].size() ? row.weight[head][of.arrival] : 0;
                sum += p.normalised ? weight * before / last : weight;
            }
            mean += sum / static_cast<double>(lane.query_heads);
            largest = std::max(largest, sum);
        }
        return p.group == msrnn::SnapKV::Group::maximum ? largest : mean;
    };
    return pooled(lane.before(p.window), token, p.kernel, p.pooling == msrnn::Pooling::maximum, summed);
}
inline std::vector<msrnn::SnapKV> settings_of(const msrnn::SnapKV&) {
    using enum msrnn::SnapKV::Group;
    return {{.window = 4},
            {.window = 2, .kernel = 3, .pooling = msrnn::Pooling::maximum},
            {.window = 3, .kernel = 5, .group = maximum},
            {.window = 2, .kernel = 1, .group = maximum, .queries = msrnn::unbounded},
            {.window = 6, .kernel = 1, .normalised = true},
            {.window = 5, .kernel = 3, .group = maximum, .normalised = true}};
}

}  // namespace formula
