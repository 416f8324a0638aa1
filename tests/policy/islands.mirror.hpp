#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <msrnn/policy/islands.hpp>

#include "support/samples.hpp"

namespace mirror {

/// What was looked at over as many tokens as there are, what the newest query looks at, and what follows those.
struct Islands : Method {
    std::size_t recent, reach;
    bool by_values;

    Islands(std::size_t newest, std::size_t steps, bool values)
        : Method(Weights::of_all), recent(newest), reach(steps), by_values(values) {}
    Protection protection(std::size_t budget) const override { return {0, recent_of(recent, budget)}; }
    void observe_among(Token& token, float mean, std::size_t tokens) const override {
        token.slow = (1 - 1 / static_cast<double>(tokens)) * token.slow + static_cast<double>(mean);
        token.newest = static_cast<double>(mean);
    }
    double length(const Token& token) const {
        if (!by_values) return 1;
        double squares = 0;
        for (const float x : token.value) squares += static_cast<double>(x) * static_cast<double>(x);
        return std::sqrt(squares);
    }
    double rate_all(Lane& lane) const override {
        const auto& tokens = lane.tokens;
        const std::size_t steps = reach != 0 ? reach : std::min<std::size_t>(16, tokens.size() / 64);
        for (std::size_t t = 0; t < tokens.size(); ++t) {
            const auto memory = [&](std::size_t i) {
                return tokens[i].slow / static_cast<double>(tokens.size()) * length(tokens[i]);
            };
            const auto newest = [&](std::size_t i) { return tokens[i].newest * length(tokens[i]); };
            double rating = std::max(memory(t), newest(t));
            for (std::size_t back = 1; back <= steps && back <= t; ++back) {
                if (tokens[t - back].arrival + back != tokens[t].arrival) break;
                const double lent = std::max(memory(t - back) / 2, newest(t - back));
                rating = std::max(rating, tokens[t - back].arrival == 0 ? 0 : lent);
            }
            lane.tokens[t].rating = static_cast<float>(rating);
        }
        return 1e-5;
    }
};
inline Settings mirrored(const msrnn::Islands& p) { return settings_of(Islands(mirrored_recent(p), p.reach, true)); }
inline Settings mirrored(const msrnn::IslandsByWeights& p) {
    return settings_of(Islands(mirrored_recent(p), p.reach, false));
}
inline Samples<msrnn::Islands> samples(const msrnn::Islands&) {
    return {.exact = {}, .others = {{}, {.reach = 2}, {.recent = 3, .reach = 5}, {.recent = 0, .reach = 64}}};
}
inline Samples<msrnn::IslandsByWeights> samples(const msrnn::IslandsByWeights&) {
    return {.exact = {}, .others = {{}, {.reach = 1}, {.recent = 0, .reach = 16}}};
}

}  // namespace mirror
