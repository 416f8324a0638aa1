// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

/// A number whose bits all depend on all bits of x: the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
constexpr std::uint64_t mix(std::uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

}  // namespace msrnn::inline MSRNN_ABI::detail
