#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <msrnn/policy/lag_kv.hpp>
#include <vector>

#include "support/samples.hpp"

namespace mirror {

/// The spread of a block's rows over the channels, in units of the range of the block behind it. Without blocks that
/// are thinned for good: the owner of a lane does that, and the golden scores have it.
struct LagKV : Method {
    msrnn::LagKV settings;

    explicit LagKV(const msrnn::LagKV& as) : settings(as) {}
    Protection protection(std::size_t) const override { return {settings.sinks, 0}; }

    using Rows = std::vector<std::vector<float>>;
    static double spread(const std::vector<float>& row, const Rows& next) {
        std::vector<double> y;
        for (std::size_t c = 0; c < row.size(); ++c) {
            double low = HUGE_VAL, high = -HUGE_VAL;
            for (const auto& other : next) {
                low = std::min(low, static_cast<double>(other[c]));
                high = std::max(high, static_cast<double>(other[c]));
            }
            y.push_back(high == low ? 0 : (static_cast<double>(row[c]) - low) / (high - low));
        }
        double mean = 0, squares = 0;
        for (const double x : y) mean += x / static_cast<double>(y.size());
        for (const double x : y) squares += (x - mean) * (x - mean);
        return y.size() == 1 ? 0 : std::sqrt(squares / static_cast<double>(y.size() - 1));
    }
    static std::vector<double> shares(const Rows& block, const Rows& next) {
        std::vector<double> list;
        double largest = 0, total = 0;
        for (const auto& row : block) list.push_back(spread(row, next));
        for (const double x : list) largest = std::max(largest, x);
        for (double& x : list) total += x = std::exp(x - largest);
        for (double& x : list) x /= total;
        return list;
    }
    double rate_all(Lane& lane) const override {
        const std::size_t n = lane.tokens.size(), lag = settings.lag, base = std::min(settings.sinks, n);
        const std::size_t blocks = (n - base) / lag;
        for (std::size_t t = 0; t < n; ++t)
            lane.tokens[t].rating =
                t < base || blocks >= 2 ? 1 : static_cast<float>(t - base) / static_cast<float>(n - base);
        double tolerance = 1e-4;
        for (std::size_t b = 0; b + 1 < blocks; ++b) {
            Rows keys, values, next_keys, next_values;
            for (std::size_t i = 0; i < lag; ++i) {
                keys.push_back(lane.tokens[base + b * lag + i].key);
                values.push_back(lane.tokens[base + b * lag + i].value);
                next_keys.push_back(lane.tokens[base + (b + 1) * lag + i].key);
                next_values.push_back(lane.tokens[base + (b + 1) * lag + i].value);
            }
            const auto of_keys = shares(keys, next_keys), of_values = shares(values, next_values);
            std::vector<double> scores;
            for (std::size_t i = 0; i < lag; ++i)
                scores.push_back(static_cast<double>(settings.key_weight) * of_keys[i] +
                                 static_cast<double>(settings.value_weight) * of_values[i]);
            for (std::size_t i = 0; i < lag; ++i) {
                double rank = 0;
                for (std::size_t j = 0; j < lag; ++j) {
                    rank += scores[j] < scores[i] || (scores[j] == scores[i] && j < i);
                    const bool alike = keys[i] == keys[j] && values[i] == values[j];
                    if (settings.ranks && !alike && std::abs(scores[i] - scores[j]) < 1e-5) tolerance = HUGE_VAL;
                }
                lane.tokens[base + b * lag + i].rating =
                    static_cast<float>(settings.ranks ? rank / static_cast<double>(lag) : scores[i]);
            }
        }
        return tolerance;
    }
};
inline Settings mirrored(const msrnn::LagKV& p) { return settings_of(LagKV(p)); }
inline Samples<msrnn::LagKV> samples(const msrnn::LagKV&) {
    return {.exact = {},
            .others = {{.lag = 4},
                       {.sinks = 1, .lag = 3, .ranks = false},
                       {.sinks = 0, .lag = 5, .ranks = false, .key_weight = 1, .value_weight = 0.25f}}};
}

}  // namespace mirror
