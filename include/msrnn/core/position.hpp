// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <concepts>
#include <cstdint>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Where a token stands in the text: the index RoPE rotates by. Positions may repeat, jump and go backwards.
///
/// A position goes in freely and comes out by name: it is made from any integer and read by `value()`, so that it can
/// index nothing by accident. It is never a `Slot`.
class Position {
public:
    constexpr Position() = default;
    /// Of any integer.
    template <std::integral Integer>
    constexpr Position(Integer value) : value_(static_cast<std::int64_t>(value)) {}
    /// The number, to be read by name.
    constexpr std::int64_t value() const { return value_; }
    friend constexpr auto operator<=>(Position, Position) = default;

private:
    std::int64_t value_ = 0;
};

/// How many tokens came into the lane before this one: the only clock there is.
using Arrival = std::uint64_t;

/// Arrivals of live tokens are smaller. A vacant slot has this one plus the arrival of the token that was there.
inline constexpr Arrival no_arrival = Arrival{1} << 63;

}  // namespace msrnn::inline MSRNN_ABI
