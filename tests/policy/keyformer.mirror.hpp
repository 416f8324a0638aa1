#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <msrnn/policy/keyformer.hpp>
#include <vector>

#include "support/formula.hpp"

namespace formula {

/// e^g of the noise that one query head's query adds to the logit of a token.
inline double lifted(const msrnn::Keyformer& p, const History& lane, const Query& query, std::size_t head,
                     std::uint64_t arrival) {
    if (!p.noise) return 1;
    const auto mix = [](std::uint64_t x) {
        x += 0x9E3779B97F4A7C15u;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
        return x ^ (x >> 31);
    };
    std::uint64_t draw = mix(mix(mix(p.seed) ^ lane.layer) ^ lane.kv_head);
    draw = mix(mix(mix(draw ^ query.seen) ^ head) ^ arrival);
    return -1 / std::log((static_cast<double>(draw >> 41) + 0.5) / 8388608.0);
}

/// Softmaxes of logits and noise at a temperature, summed.
inline double rating_of(const msrnn::Keyformer& p, const History& lane, const Token& token) {
    double rating = 0;
    for (const Query& query : lane.queries) {
        if (!query.sees(token.arrival)) continue;
        const double tau =
            static_cast<double>(p.tau_init) + static_cast<double>(p.tau_delta) * static_cast<double>(query.generated);
        for (std::size_t head = 0; head < query.weight.size(); ++head) {
            const auto soft = [&](std::uint64_t arrival) {
                return std::pow(query.weight[head][arrival] * lifted(p, lane, query, head, arrival), 1 / tau);
            };
            double total = 0;
            for (const std::uint64_t other : query.live) total += soft(other);
            rating += soft(token.arrival) / total;
        }
    }
    return rating;
}
inline std::vector<msrnn::Keyformer> settings_of(const msrnn::Keyformer&) {
    return {{},
            {.recent = 1, .tau_init = 1, .tau_delta = 0},
            {.recent = 2, .tau_init = 0.5f, .tau_delta = 0.05f},
            {.recent = 3, .tau_init = 1, .tau_delta = 0.02f, .noise = true, .seed = 7}};
}

}  // namespace formula
