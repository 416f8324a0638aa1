// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI {

/// A row of storage. It says nothing about time: a slot is given out again when its token has left.
///
/// A slot comes out freely and goes in by name: it converts to `std::size_t`, so `rows + slot * width` is computed in
/// the full width of a pointer, and is made from an index only by `Slot(index)`. It never becomes a `Position`.
class Slot {
public:
    constexpr Slot() = default;
    /// Row number `row`.
    constexpr explicit Slot(std::size_t row) : row_(static_cast<std::uint32_t>(row)) {}
    /// The number of the row.
    constexpr operator std::size_t() const { return row_; }

private:
    std::uint32_t row_ = 0;
};

}  // namespace msrnn::inline MSRNN_ABI
