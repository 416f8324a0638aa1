// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "../config.hpp"
#include "../core/position.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

/// So many positions lie between a token and a query; negative where the query's position is the smaller one.
constexpr std::int64_t distance(Position query, Position token) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(query.value()) -
                                     static_cast<std::uint64_t>(token.value()));
}

/// Whether a query sees a token at this distance.
constexpr bool in_window(std::int64_t distance, std::size_t window) {
    return distance < 0 || static_cast<std::uint64_t>(distance) < window;
}

/// How many of `count` queries at consecutive positions see a token at this distance from the first of them.
constexpr std::uint32_t queries_in_window(std::int64_t distance, std::size_t window, std::size_t count) {
    if (!in_window(distance, window)) return 0;
    const std::uint64_t before = static_cast<std::uint64_t>(distance);  // modulo 2^64: the difference is exact
    if (distance < 0 && window >= count) return static_cast<std::uint32_t>(count);
    return static_cast<std::uint32_t>((std::min)(static_cast<std::uint64_t>(count), window - before));
}

}  // namespace msrnn::inline MSRNN_ABI::detail
