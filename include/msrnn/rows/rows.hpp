// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "../base/refuse.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "row_memory.hpp"
#include "scalar.hpp"
#include "view.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Memory that starts at a cache line, copies included.
template <class T>
struct CacheLineAllocator {
    using value_type = T;
    static constexpr std::align_val_t line{64};

    CacheLineAllocator() = default;
    template <class Other>
    constexpr CacheLineAllocator(const CacheLineAllocator<Other>&) {}

    T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), line)); }
    void deallocate(T* memory, std::size_t) { ::operator delete(memory, line); }
    friend constexpr bool operator==(CacheLineAllocator, CacheLineAllocator) { return true; }
};

namespace detail {
/// Numbers of a block; refuses what memory cannot number.
inline std::size_t product(std::size_t rows, std::size_t width) {
    constexpr std::size_t most = (std::numeric_limits<std::ptrdiff_t>::max)() / sizeof(double);
    if (rows > most / width)
        refuse("msrnn: " + text(rows) + " x " + text(width) +
               " floats do not fit the memory of this machine; check shape and budget");
    return rows * width;
}
}  // namespace detail

/// Floats that begin at a cache line.
using Buffer = std::vector<float, CacheLineAllocator<float>>;

/// So many floats, rounded up to whole cache lines.
constexpr std::size_t whole_lines(std::size_t floats) {
    constexpr std::size_t line = 64 / sizeof(float);
    return (floats + line - 1) / line * line;
}

/// The keys or the values of one KV head: [capacity][head_dim], rows without gaps; for int8 a scale for each row.
template <StoredScalar Scalar>
class Rows {
public:
    /// Rows have a scale each: int8.
    static constexpr bool scaled = std::same_as<Scalar, std::int8_t>;

    /// Room for so many rows.
    Rows(std::size_t capacity, std::size_t head_dim)
        : head_dim_(head_dim), data_(detail::product(capacity, head_dim)), scales_(scaled ? capacity : 0) {}

    /// A row as it is stored; of int8, to be multiplied by scale(row).
    std::span<const Scalar> operator[](std::size_t row) const { return {data_.data() + row * head_dim_, head_dim_}; }
    /// The same, to be written.
    std::span<Scalar> operator[](std::size_t row) { return {data_.data() + row * head_dim_, head_dim_}; }
    /// The first rows, one after the other, and their scales.
    std::span<const Scalar> first(std::size_t rows) const { return {data_.data(), rows * head_dim_}; }
    /// The same, to be written.
    std::span<Scalar> first(std::size_t rows) { return {data_.data(), rows * head_dim_}; }
    /// Their scales, int8 only.
    std::span<const float> first_scales(std::size_t rows) const { return {scales_.data(), scaled ? rows : 0}; }
    /// The same, to be written.
    std::span<float> first_scales(std::size_t rows) { return {scales_.data(), scaled ? rows : 0}; }
    float scale(std::size_t row) const { return scaled ? scales_[row] : 1; }
    /// What attend() reads.
    RowsView<Scalar> view() const { return {data_.data(), head_dim_, scales_.data()}; }

    /// Rounds to the nearest number of the scalar; see StoredScalar.
    void write(std::size_t row, std::span<const float> numbers) {
        if constexpr (scaled)
            scales_[row] = detail::narrow(numbers, (*this)[row].data());
        else
            detail::narrow(numbers, (*this)[row].data());
    }
    /// The row as floats.
    void read(std::size_t row, std::span<float> numbers) const {
        const std::span<const Scalar> stored = (*this)[row];
        for (std::size_t d = 0; d < head_dim_; ++d) {
            numbers[d] = static_cast<float>(stored[d]);
            if constexpr (scaled) numbers[d] *= scales_[row];
        }
    }
    /// Row `to` becomes row `from` of the other.
    void copy(const Rows& rows, std::size_t from, std::size_t to) {
        std::ranges::copy(rows[from], (*this)[to].begin());
        if constexpr (scaled) scales_[to] = rows.scales_[from];
    }
    /// Memory for so many rows.
    void reserve(std::size_t capacity) {
        if (capacity <= room()) return;
        data_.resize(detail::product(capacity, head_dim_));
        if constexpr (scaled) scales_.resize(capacity);
    }
    /// After this, assigning the other one allocates nothing.
    void make_room_for(const Rows& other) {
        data_.reserve(other.data_.size());
        scales_.reserve(other.scales_.size());
    }
    /// Rows that memory is there for.
    std::size_t room() const {
        const std::size_t rows = data_.size() / head_dim_;
        return scaled && scales_.size() < rows ? scales_.size() : rows;
    }
    std::size_t bytes() const { return data_.size() * sizeof(Scalar) + scales_.size() * sizeof(float); }

private:
    std::size_t head_dim_;
    std::vector<Scalar, detail::RowAllocator<Scalar>> data_;
    Buffer scales_;
};

/// What a state stores of one KV head.
template <class Scalar>
struct HeadRows {
    Rows<Scalar> keys;    ///< [capacity][head_dim]
    Rows<Scalar> values;  ///< [capacity][value_dim]

    /// Rows that memory is there for.
    std::size_t room() const { return (std::min)(keys.room(), values.room()); }
    /// Memory for so many rows.
    void reserve(std::size_t capacity) {
        keys.reserve(capacity);
        values.reserve(capacity);
    }
    void make_room_for(const HeadRows& other) {
        keys.make_room_for(other.keys);
        values.make_room_for(other.values);
    }
    /// Row `to` becomes row `from` of the other.
    void copy(const HeadRows& rows, std::size_t from, std::size_t to) {
        keys.copy(rows.keys, from, to);
        values.copy(rows.values, from, to);
    }
    std::size_t bytes() const { return keys.bytes() + values.bytes(); }
};

}  // namespace msrnn::inline MSRNN_ABI
