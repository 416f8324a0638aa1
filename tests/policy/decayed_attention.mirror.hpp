#pragma once

#include <cmath>
#include <cstddef>
#include <msrnn/policy/decayed_attention.hpp>
#include <vector>

#include "support/formula.hpp"
#include "support/samples.hpp"

namespace mirror {

/// A sum of mean weights of which each step forgets a share, and a recent window.
struct DecayedAttention : Method {
    float decay;
    std::size_t recent;

    explicit DecayedAttention(float kept, std::size_t newest = half)
        : Method(Weights::of_all), decay(kept), recent(newest) {}
    Protection protection(std::size_t budget) const override { return {0, recent_of(recent, budget)}; }
    void observe_weight(Token& token, float, float mean) const override { token.rating = decay * token.rating + mean; }
};
inline Settings mirrored(const msrnn::DecayedAttention& p) {
    return settings_of(DecayedAttention(p.decay, mirrored_recent(p)));
}
inline Samples<msrnn::DecayedAttention> samples(const msrnn::DecayedAttention&) {
    return {.exact = {{.decay = 0.5f}, {.decay = 1, .recent = 0, .scope = msrnn::Scope::layer}},
            .others = {{.decay = 0.9f},
                       {.decay = 0.9f, .recent = 0},
                       {.decay = 0.9f, .recent = 1},
                       {.decay = 0.9f, .recent = 5},
                       {.decay = 0},
                       {.decay = 1}}};
}

}  // namespace mirror

namespace formula {

/// Each weight halves in so many queries, at the budget that the lane has when they come.
inline double rating_of(const msrnn::DecayedAttention& p, const History& lane, const Token& token) {
    double rating = 0;
    for (const Query& query : lane.queries)
        rating = rating * std::pow(0.5, 1 / (static_cast<double>(p.half_life) * static_cast<double>(query.budget))) +
                 query.mean(token.arrival);
    return rating;
}
inline std::vector<msrnn::DecayedAttention> settings_of(const msrnn::DecayedAttention&) {
    return {{.recent = 2, .half_life = 0.25f}, {.recent = 0, .half_life = 2}};
}

}  // namespace formula
