// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "../config.hpp"
#include "mix.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Drops a token drawn uniformly among the candidates: the baseline every method must beat.
///
/// rating[slot] = 24 bits of a hash of (seed, layer, KV head, tokens seen, arrival of the slot), drawn anew before each
/// choice: a rating drawn once per token would be reservoir sampling. There is no generator to save, so threads, forks
/// and the order of lanes change nothing. Protects the newest. Needs nothing. Cost: one hash per slot, and the scan.
struct RandomEviction {
    static constexpr const char* name = "random";
    static constexpr Scope scope = Scope::kv_head;

    std::uint64_t seed = 0;

    template <class Tell>
    void settings(Tell tell) const {
        tell("seed", seed);
    }
    constexpr Protection protection(std::size_t) const { return {.sinks = 0, .recent = 1}; }
    void rate(Ratings rating) const noexcept {
        const std::uint64_t draw = mix(mix(mix(mix(seed) ^ rating.lane.layer) ^ rating.lane.kv_head) ^ rating.seen);
        for (std::size_t slot = 0; slot < rating.size(); ++slot)
            rating[slot] = static_cast<float>(mix(draw ^ rating.arrival[slot]) >> 40);
    }

private:
    static constexpr std::uint64_t mix(std::uint64_t x) { return detail::mix(x); }
};

}  // namespace msrnn::inline MSRNN_ABI
