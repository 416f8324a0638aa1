#pragma once

#include <cmath>
#include <cstddef>
#include <msrnn/policy/expected_attention.hpp>
#include <vector>

#include "support/samples.hpp"
#include "support/turned_row.hpp"

namespace mirror {

/// Mean and covariance of all queries so far, turned by the mean of all rotations to come, one by one.
struct ExpectedAttention : Method {
    msrnn::ExpectedAttention settings;

    explicit ExpectedAttention(const msrnn::ExpectedAttention& as) : settings(as) {}
    Protection protection(std::size_t) const override { return {settings.sinks, 0}; }

    /// Turned by each position to come, and the mean.
    Row turned_on_average(const Row& row, std::int64_t next) const {
        Row mean(row.size());
        for (std::size_t i = 0; i < settings.future; ++i) {
            const Row one = turned(row, static_cast<double>(next) + static_cast<double>(i), settings.rope);
            for (std::size_t c = 0; c < row.size(); ++c) mean[c] += one[c] / static_cast<double>(settings.future);
        }
        return mean;
    }
    double rate_all(Lane& lane) const override {
        const std::size_t d = lane.tokens[0].key.size(), n = lane.tokens.size();
        const std::size_t heads = lane.shown.empty() ? 0 : lane.shown[0].heads.size();
        const std::int64_t next = lane.tokens.back().position + 1;
        const auto dim = static_cast<double>(d);
        Row chance(n);
        for (std::size_t h = 0; h < heads; ++h) {
            std::vector<Row> queries;
            for (const Seen& seen : lane.shown) {
                if (seen.arrival < settings.sinks) continue;
                const Row q(seen.heads[h].begin(), seen.heads[h].end());
                queries.push_back(settings.rotated ? turned(q, -static_cast<double>(seen.position), settings.rope) : q);
            }
            const auto count = static_cast<double>(queries.size());
            Row mean(d);
            for (const Row& q : queries)
                for (std::size_t c = 0; c < d; ++c) mean[c] += q[c] / count;
            const Row aim = turned_on_average(mean, next);
            std::vector<Row> deviations;  // turned: R is linear
            if (settings.covariance)
                for (Row q : queries) {
                    for (std::size_t c = 0; c < d; ++c) q[c] -= mean[c];
                    deviations.push_back(turned_on_average(q, next));
                }
            Row logits(n, -HUGE_VAL);
            double total = 0;
            for (std::size_t t = 0; t < n; ++t) {
                if (lane.tokens[t].arrival < settings.sinks) continue;
                const Row key(lane.tokens[t].key.begin(), lane.tokens[t].key.end());
                logits[t] = product(key, aim) / std::sqrt(dim);
                for (const Row& off : deviations)
                    logits[t] += product(key, off) * product(key, off) / (count * 2 * dim);
                total += std::exp(logits[t]);
            }
            for (std::size_t t = 0; t < n; ++t)
                if (lane.tokens[t].arrival >= settings.sinks)
                    chance[t] += std::exp(logits[t]) / (total * static_cast<double>(heads));
        }
        double longest = 1;
        for (std::size_t t = 0; t < n; ++t) {
            const Row value(lane.tokens[t].value.begin(), lane.tokens[t].value.end());
            const double length = settings.value_norm ? std::sqrt(product(value, value)) : 1;
            const double more = settings.value_norm ? static_cast<double>(settings.epsilon) : 0;
            lane.tokens[t].rating = static_cast<float>((chance[t] + more) * length);
            longest = std::max(longest, length);
        }
        return 1e-4 * longest;
    }
};
inline Settings mirrored(const msrnn::ExpectedAttention& p) { return settings_of(ExpectedAttention(p)); }
inline Samples<msrnn::ExpectedAttention> samples(const msrnn::ExpectedAttention&) {
    return {.exact = {},
            .others = {{.sinks = 1, .future = 3, .epsilon = 0.125f, .rope = {.theta = 10}},
                       {.sinks = 0,
                        .future = 4,
                        .covariance = false,
                        .value_norm = false,
                        .rope = {.theta = 50, .pairs = msrnn::Rope::Pairs::adjacent}},
                       {.sinks = 2, .future = 1, .covariance = false, .rotated = false, .rope = {.rotary_dim = 2}}}};
}

}  // namespace mirror
