#pragma once

#include <cstddef>
#include <cstdint>
#include <msrnn/policy/random_eviction.hpp>

#include "support/samples.hpp"

namespace mirror {

/// A number drawn anew for each choice.
struct RandomEviction : Method {
    std::uint64_t seed;

    explicit RandomEviction(std::uint64_t number) : seed(number) {}
    Protection protection(std::size_t) const override { return {0, 1}; }
    void rate(Token& token, const Choice& choice) const override {
        const std::uint64_t lane = mix(mix(mix(seed) ^ choice.layer) ^ choice.kv_head);
        token.rating = static_cast<float>(mix(mix(lane ^ choice.seen) ^ token.arrival) >> 40);
    }
    static std::uint64_t mix(std::uint64_t x) {
        x += 0x9E3779B97F4A7C15u;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
        return x ^ (x >> 31);
    }
};
inline Settings mirrored(const msrnn::RandomEviction& p) { return settings_of(RandomEviction(p.seed)); }
inline Samples<msrnn::RandomEviction> samples(const msrnn::RandomEviction&) {
    return {.exact = {{.seed = 5}}, .others = {{.seed = 0}, {.seed = 0xFFFFFFFFFFFFFFFFu}}};
}

}  // namespace mirror
