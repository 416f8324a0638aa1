#pragma once

#include <cmath>
#include <cstddef>
#include <msrnn/policy/cake.hpp>
#include <vector>

#include "support/formula.hpp"

namespace formula {

/// Mean and variance of what each head's last queries gave; later the mean of the newest query; pooled.
inline double rating_of(const msrnn::Cake& p, const History& lane, const Token& token) {
    const auto raw = [&](const Token& of) {
        if (lane.generated() != 0) return lane.queries.back().mean(of.arrival);
        const std::vector<Query> rows = lane.last(lane.rows);
        const auto n = static_cast<double>(rows.size());
        double sum = 0;
        for (std::size_t head = 0; head < lane.query_heads; ++head) {
            double mean = 0, variance = 0;
            for (const Query& row : rows) mean += row.weight[head][of.arrival] / n;
            for (const Query& row : rows) variance += std::pow(row.weight[head][of.arrival] - mean, 2);
            sum += mean + (rows.size() < 2 ? 0 : static_cast<double>(p.gamma) * variance / (n - 1));
        }
        return sum / static_cast<double>(lane.query_heads);
    };
    return pooled(lane.before(p.window), token, p.kernel, false, raw);
}
inline std::vector<msrnn::Cake> settings_of(const msrnn::Cake&) {
    return {
        {.window = 2, .kernel = 1, .gamma = 0}, {.window = 4, .kernel = 5}, {.window = 6, .kernel = 3, .gamma = 10}};
}

}  // namespace formula
