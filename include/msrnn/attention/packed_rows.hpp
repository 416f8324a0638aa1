// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>

#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "../rows/rows.hpp"

namespace msrnn::inline MSRNN_ABI {

namespace detail {
/// Floats that are not filled, on a cache line of their own.
class Scratch {
public:
    Scratch() = default;
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() { ::operator delete(memory_, CacheLineAllocator<float>::line); }
    /// Once.
    float* take(std::size_t floats) { return memory_ = CacheLineAllocator<float>{}.allocate(floats); }

private:
    float* memory_ = nullptr;
};
}  // namespace detail

/// Keys and values of one KV head as the products of a prompt take them: attend() packs each row once for all calls
/// that are given the same PackedRows, where it packs all rows at each call without.
///
/// For calls over the same rows, of the same widths: what one call has read must not change before the next. `rows` is
/// how many there will be, stored_rows and the whole prompt. Memory: as many floats as such rows have numbers, rows
/// rounded up to a multiple of 128, values to a multiple of 32; the first call allocates it.
class PackedRows {
public:
    /// Room for so many rows; nothing is allocated yet.
    explicit PackedRows(std::size_t rows) : rows_((rows + most_together - 1) / most_together * most_together) {}

    /// Forgets the rows: for another head of the same widths.
    void clear() noexcept { std::ranges::fill(packed_, std::uint8_t{0}); }

    // For attend() ////////////////////////////////////////

    /// Rows of keys that are packed together, at least.
    static constexpr std::size_t least_together = 8;
    /// Rows of values that are packed together.
    static constexpr std::size_t most_together = 128;

    /// Memory for rows of these widths, at the first call.
    void reserve(std::size_t key_width, std::size_t value_width) {
        if (keys_ != nullptr) return;
        packed_.resize(rows_ / least_together + rows_ / most_together * 2);
        keys_ = memory_.take(rows_ * (key_width + value_width));
        values_ = keys_ + rows_ * key_width;
    }
    /// [panels][key_width][rows of a panel]
    float* keys() const { return keys_; }
    /// [slabs][value_width / panel][rows of a slab][panel]
    float* values() const { return values_; }
    /// How many rows of this panel of keys are packed.
    std::uint8_t& keys_packed(std::size_t panel) { return packed_[panel]; }
    /// How many rows of this slab of values are packed.
    std::uint8_t& values_packed(std::size_t slab) { return packed_[rows_ / least_together + 2 * slab]; }
    /// Not 0 where a value of the slab is no finite number.
    std::uint8_t& values_not_finite(std::size_t slab) { return packed_[rows_ / least_together + 2 * slab + 1]; }

private:
    std::size_t rows_;
    detail::Scratch memory_;
    float* keys_ = nullptr;
    float* values_ = nullptr;
    OwnVector<std::uint8_t> packed_;
};

}  // namespace msrnn::inline MSRNN_ABI
