#pragma once

#include <msrnn/policy/tri_attention.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <msrnn/policy/tri_attention.hpp>
#include <vector>

#include "support/samples.hpp"
#include "support/turned_row.hpp"

namespace mirror {

/// What the mean query gives to a key at each distance to come, one by one.
struct TriAttention : Method {
    msrnn::TriAttention settings;

    explicit TriAttention(const msrnn::TriAttention& as) : settings(as) {}
    Protection protection(std::size_t) const override { return {0, 0}; }

    double rate_all(Lane& lane) const override {
        const std::size_t d = lane.tokens[0].key.size(), n = lane.tokens.size();
        const std::size_t heads = lane.shown.empty() ? 0 : lane.shown[0].heads.size();
        const std::size_t count = std::min(lane.shown.size(), settings.queries);
        const double next = static_cast<double>(lane.tokens.back().position) + 1;
        Row best(n, heads == 0 ? 0 : -HUGE_VAL);
        double tolerance = 1e-5;
        for (std::size_t h = 0; h < heads; ++h) {
            Row mean(d), length(d / 2);
            for (std::size_t s = 0; s < count; ++s) {
                const Seen& seen = lane.shown[s];
                const Row q = turned(Row(seen.heads[h].begin(), seen.heads[h].end()),
                                     -static_cast<double>(seen.position), settings.rope);
                for (std::size_t c = 0; c < d; ++c) mean[c] += q[c] / static_cast<double>(count);
                const auto pairs = pairs_of(q, settings.rope);
                for (std::size_t i = 0; i < pairs.size(); ++i)
                    length[i] += std::abs(pairs[i]) / static_cast<double>(count);
            }
            const auto mean_pairs = pairs_of(mean, settings.rope);
            Row raw;
            double largest = 1e-3;
            for (const Token& token : lane.tokens) {
                const Row key(token.key.begin(), token.key.end());
                const auto key_pairs = pairs_of(key, settings.rope);
                double score = 0, distances = 0;
                for (double far = 1; far <= static_cast<double>(settings.farthest); far *= 2, ++distances)
                    score += product(turned(mean, next + far, settings.rope), key);
                score /= distances;
                for (std::size_t i = 0; i < key_pairs.size(); ++i)
                    score += std::max(length[i] - std::abs(mean_pairs[i]), 0.0) * std::abs(key_pairs[i]);
                raw.push_back(score);
                largest = std::max(largest, std::abs(score));
            }
            double sum = 0, squares = 0;
            for (const double x : raw) sum += x;
            for (const double x : raw)
                squares += (x - sum / static_cast<double>(n)) * (x - sum / static_cast<double>(n));
            const double deviation = std::sqrt(squares / std::max(static_cast<double>(n) - 1, 1.0));
            for (std::size_t t = 0; t < n; ++t)
                best[t] = std::max(best[t], deviation == 0 ? 0 : (raw[t] - sum / static_cast<double>(n)) / deviation);
            // Where scores are all but equal, rounding decides.
            tolerance = deviation < 1e-3 * largest ? HUGE_VAL : std::max(tolerance, 1e-4 * largest / deviation);
            if (tolerance > 1e300) break;
        }
        for (std::size_t t = 0; t < n; ++t) lane.tokens[t].rating = static_cast<float>(best[t]);
        return tolerance;
    }
};
inline Settings mirrored(const msrnn::TriAttention& p) { return settings_of(TriAttention(p)); }
inline Samples<msrnn::TriAttention> samples(const msrnn::TriAttention&) {
    return {.exact = {},
            .others = {{.farthest = 64, .rope = {.theta = 100}},
                       {.queries = 5, .rope = {.theta = 10, .pairs = msrnn::Rope::Pairs::adjacent}},
                       {.farthest = 1, .rope = {.rotary_dim = 2}}}};
}

}  // namespace mirror
