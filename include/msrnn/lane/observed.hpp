// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>

#include "../config.hpp"
#include "../core/position.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

/// How far a lane's policy has seen. Moved from, it has seen nothing.
struct Observed {
    bool newest = false;     ///< the newest token was shown
    bool rated = false;      ///< the policy has rated for a choice that is not made yet
    std::size_t rows = 0;    ///< query tokens observed since the last choice or the start of a prompt
    Arrival prompt_end = 0;  ///< the last prompt ends before this arrival

    Observed() = default;
    Observed(const Observed&) = default;
    Observed(Observed&& other) noexcept : Observed(std::as_const(other)) { other.reset(); }
    Observed& operator=(const Observed&) = default;
    Observed& operator=(Observed&& other) noexcept {
        *this = std::as_const(other);
        other.reset();
        return *this;
    }
    void reset() {
        const Observed nothing;
        *this = nothing;
    }
    /// Whether a policy that observes the last `window` tokens of a prompt observes the newest of so many tokens.
    bool wants(Arrival seen, std::size_t window) const { return prompt_end <= seen || prompt_end - seen < window; }
};

}  // namespace msrnn::inline MSRNN_ABI::detail
