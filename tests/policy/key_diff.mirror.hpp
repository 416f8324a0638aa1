#pragma once

#include <cmath>
#include <cstddef>
#include <msrnn/policy/key_diff.hpp>
#include <vector>

#include "support/samples.hpp"

namespace mirror {

/// Keys that point where the sum of all directions points go first.
struct KeyDiff : Method {
    std::size_t recent;

    explicit KeyDiff(std::size_t newest) : recent(newest) {}
    Protection protection(std::size_t budget) const override { return {0, recent_of(recent, budget)}; }
    static double length(const std::vector<double>& row) {
        double squares = 0;
        for (const double x : row) squares += x * x;
        return std::sqrt(squares);
    }
    double rate_all(Lane& lane) const override {
        std::vector<std::vector<double>> directions;
        std::vector<double> anchor(lane.tokens[0].key.size());
        for (const Token& token : lane.tokens) {
            std::vector<double> direction(token.key.begin(), token.key.end());
            const double norm = length(direction);
            for (double& x : direction) x = norm == 0 ? 0 : x / norm;
            directions.push_back(direction);
            for (std::size_t c = 0; c < anchor.size(); ++c) anchor[c] += direction[c];
        }
        const double norm = length(anchor);
        for (std::size_t t = 0; t < lane.tokens.size(); ++t) {
            double product = 0;
            for (std::size_t c = 0; c < anchor.size(); ++c) product += directions[t][c] * anchor[c];
            lane.tokens[t].rating = static_cast<float>(norm == 0 ? 0 : -product / norm);
        }
        // Where directions cancel, rounding is all that points somewhere.
        return norm < 1e-3 ? HUGE_VAL : 1e-5 * (1 + static_cast<double>(lane.tokens.size()) / norm);
    }
};
inline Settings mirrored(const msrnn::KeyDiff& p) { return settings_of(KeyDiff(mirrored_recent(p))); }
inline Samples<msrnn::KeyDiff> samples(const msrnn::KeyDiff&) { return {.exact = {}, .others = {{}, {.recent = 3}}}; }

}  // namespace mirror
