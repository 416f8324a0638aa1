// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "../base/text.hpp"
#include "../config.hpp"
#include "mix.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Keyformer: accumulated attention at a temperature that rises, so that later queries decide less sharply.
///
/// tau = tau_init + tau_delta * tokens generated since the prompt. rating[slot] = sum over queries and the lane's query
/// heads of softmax((logit + g) / tau) over the live tokens: weight^(1/tau), divided by the sum of its row. The noise g
/// is 0, or with `noise` a number of the Gumbel distribution, drawn by a hash of (seed, layer, KV head, query head,
/// arrival of the query, arrival of the token): there is no generator to save, so threads, forks and the order of lanes
/// change nothing. The newest `recent` tokens are protected, half the budget unless given. One lane for a KV head.
/// Needs weights by head. Cost: 2 * query_heads * slots additions; where tau is not 1 a power for each weight, with
/// noise a hash and a logarithm too. Source: d-matrix-ai/keyformer-llm (MLSys 2024), attention.py. Deviations: a token
/// that has just left the recent window is a candidate like any other, where that code hides it at once and for good
/// (key tokens of a prompt then stay for ever); the noise of that code differs from run to run. Powers and logarithms
/// are those of the C library: ratings may differ in the last bit from one to another.
struct Keyformer {
    static constexpr const char* name = "keyformer";
    static constexpr Scope scope = Scope::kv_head;

    std::size_t recent = half_of_budget;
    float tau_init = 1;       ///< temperature of a prompt
    float tau_delta = 0.01f;  ///< for each generated token
    /// Gumbel noise is added to logits.
    bool noise = false;
    std::uint64_t seed = 0;

    template <class Tell>
    void settings(Tell tell) const {
        tell("recent", recent);
        tell("tau_init", tau_init);
        tell("tau_delta", tau_delta);
        tell("noise", noise);
        tell("seed", seed);
    }
    constexpr Protection protection(std::size_t budget) const {
        return {.sinks = 0, .recent = recent_slots(recent, budget)};
    }
    std::string problem() const {
        if (!(tau_init > 0 && tau_init <= most))
            return std::string("tau_init is ").append(detail::text(tau_init)).append("; it must be over 0 and finite");
        if (!(tau_delta >= 0 && tau_delta <= most))
            return std::string("tau_delta is ")
                .append(detail::text(tau_delta))
                .append("; a temperature rises, so it must be 0 or more and finite");
        return {};
    }

    void observe(const Heads& seen, Ratings rating) const noexcept {
        const float tau = tau_init + tau_delta * static_cast<float>(rating.generated());
        const std::uint64_t lane =
            detail::mix(detail::mix(detail::mix(seed) ^ rating.lane.layer) ^ rating.lane.kv_head);
        for (std::size_t head = 0; head < seen.query_heads; ++head) {
            const std::uint64_t query = detail::mix(detail::mix(lane ^ rating.seen) ^ head);
            const auto lifted = [&, row = seen(head)](std::size_t slot) {
                return noise ? row[slot] * lift(query, rating.arrival[slot]) : row[slot];
            };
            float largest = 0;
            if (tau != 1) rating.each([&](std::size_t slot) { largest = (std::max)(largest, lifted(slot)); });
            const auto softened = [&](std::size_t slot) {
                return tau == 1 ? lifted(slot) : std::pow(lifted(slot) / largest, 1 / tau);
            };
            float total = 0;
            rating.each([&](std::size_t slot) { total += softened(slot); });
            if (total > 0) rating.each([&](std::size_t slot) { rating[slot] += softened(slot) / total; });
        }
    }

private:
    static constexpr float most = (std::numeric_limits<float>::max)();

    /// e^g for a draw g of the Gumbel distribution: 1 / -ln u, u uniform between 0 and 1, both excluded.
    static float lift(std::uint64_t query, Arrival token) noexcept {
        const auto draw = static_cast<float>(detail::mix(query ^ token) >> 41);
        return -1 / std::log((draw + 0.5f) * 0x1p-23f);
    }
};

}  // namespace msrnn::inline MSRNN_ABI
