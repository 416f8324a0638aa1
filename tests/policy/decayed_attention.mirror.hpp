#pragma once

#include <cstddef>
#include <msrnn/policy/decayed_attention.hpp>
#include <vector>

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
