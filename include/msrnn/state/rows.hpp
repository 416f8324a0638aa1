// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "../core/slot.hpp"
#include "../lane/limits.hpp"

namespace msrnn {

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
/// Floats of a block; refuses what memory cannot number.
inline std::size_t product(std::size_t rows, std::size_t width) {
    constexpr std::size_t most = std::numeric_limits<std::ptrdiff_t>::max() / sizeof(double);
    if (rows > most / width)
        refuse("msrnn: " + std::to_string(rows) + " x " + std::to_string(width) +
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

/// A view of rows: row r begins at base + r * stride.
template <class Scalar>
struct RowsView {
    const Scalar* base = nullptr;
    std::size_t stride = 0;
};

/// The keys or the values of one KV head: [capacity][head_dim], rows without gaps.
template <class Scalar>
class Rows {
public:
    Rows(std::size_t capacity, std::size_t head_dim)
        : head_dim_(head_dim), data_(detail::product(capacity, head_dim)) {}

    std::span<Scalar> operator[](std::size_t row) { return {data_.data() + row * head_dim_, head_dim_}; }
    std::span<const Scalar> operator[](std::size_t row) const { return {data_.data() + row * head_dim_, head_dim_}; }
    RowsView<Scalar> view() const { return {data_.data(), head_dim_}; }
    void copy(Slot from, Slot to) { std::ranges::copy((*this)[from], (*this)[to].begin()); }
    void reserve(std::size_t capacity) {
        const std::size_t floats = detail::product(capacity, head_dim_);
        if (floats > data_.size()) data_.resize(floats);
    }
    std::size_t bytes() const { return data_.size() * sizeof(Scalar); }

private:
    std::size_t head_dim_;
    std::vector<Scalar, CacheLineAllocator<Scalar>> data_;
};

/// What a state stores of one KV head.
template <class Scalar>
struct HeadRows {
    Rows<Scalar> keys, values;

    void reserve(std::size_t capacity) {
        keys.reserve(capacity);
        values.reserve(capacity);
    }
    void copy(Slot from, Slot to) {
        keys.copy(from, to);
        values.copy(from, to);
    }
    std::size_t bytes() const { return keys.bytes() + values.bytes(); }
};

}  // namespace msrnn
