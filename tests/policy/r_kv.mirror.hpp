#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <msrnn/policy/r_kv.hpp>
#include <vector>

#include "support/samples.hpp"
#include "support/turned_row.hpp"

namespace mirror {

/// The whole matrix of weights of the last queries, and the whole matrix of cosines.
struct RKV : Method {
    msrnn::RKV settings;

    explicit RKV(const msrnn::RKV& as) : settings(as) {}
    Protection protection(std::size_t) const override { return {0, settings.window}; }

    static void softmax(Row& row) {
        double largest = -HUGE_VAL, total = 0;
        for (const double x : row) largest = std::max(largest, x);
        for (double& x : row) total += x = std::exp(x - largest);
        for (double& x : row) x /= total;
    }
    Row importance(const Lane& lane, const std::vector<Row>& keys, std::size_t older) const {
        const std::size_t rows = std::min(settings.window, lane.shown.size());
        Row mean(older), pooled;
        for (std::size_t r = lane.shown.size() - rows; r < lane.shown.size(); ++r) {
            Row logits;
            for (std::size_t t = 0; t < older; ++t) {
                double most = -HUGE_VAL;
                for (const auto& head : lane.shown[r].heads)
                    most = std::max(most, product(keys[t], Row(head.begin(), head.end())));
                logits.push_back(most / std::sqrt(static_cast<double>(keys[t].size())));
            }
            softmax(logits);
            for (std::size_t t = 0; t < older; ++t) mean[t] += logits[t] / static_cast<double>(rows);
        }
        for (std::size_t t = 0; t < older; ++t) {
            double most = 0;
            for (std::size_t by = 0; by < older; ++by)
                if (by + settings.kernel / 2 >= t && by <= t + settings.kernel / 2) most = std::max(most, mean[by]);
            pooled.push_back(most);
        }
        return pooled;
    }
    double rate_all(Lane& lane) const override {
        const std::size_t n = lane.tokens.size(), older = n - std::min(settings.window, n);
        std::vector<Row> keys;
        for (const Token& token : lane.tokens) keys.emplace_back(token.key.begin(), token.key.end());
        double tolerance = 1e-5;
        Row redundancy(n);
        for (std::size_t r = 0; r < n; ++r) {
            Row cosines;
            std::size_t last = 0;
            for (std::size_t c = 0; c < n; ++c) {
                const double lengths =
                    (std::sqrt(product(keys[r], keys[r])) + 1e-8) * (std::sqrt(product(keys[c], keys[c])) + 1e-8);
                cosines.push_back(r == c ? 0 : product(keys[r], keys[c]) / lengths);
                if (cosines[c] > static_cast<double>(settings.threshold)) last = c;
                if (std::abs(cosines[c] - static_cast<double>(settings.threshold)) < 1e-5) tolerance = HUGE_VAL;
            }
            cosines[last] = 0;
            for (std::size_t c = 0; c < n; ++c) redundancy[c] += cosines[c] / static_cast<double>(n);
        }
        softmax(redundancy);
        const Row pooled = importance(lane, keys, older);
        const auto mix = static_cast<double>(settings.mix);
        for (std::size_t t = 0; t < n; ++t)
            lane.tokens[t].rating = static_cast<float>((t < older ? mix * pooled[t] : 0) - (1 - mix) * redundancy[t]);
        return tolerance;
    }
};
inline Settings mirrored(const msrnn::RKV& p) { return settings_of(RKV(p)); }
inline Samples<msrnn::RKV> samples(const msrnn::RKV&) {
    return {.exact = {},
            .others = {{.window = 2, .kernel = 3, .mix = 0.5f, .threshold = 0.47f},
                       {.window = 3, .kernel = 1, .mix = 0.07f, .threshold = 0.8125f},
                       {.window = 1, .kernel = 7, .mix = 0.875f, .threshold = 0.25f},
                       {.window = 2, .kernel = 5, .mix = 0.25f, .threshold = -0.4375f}}};
}

}  // namespace mirror
