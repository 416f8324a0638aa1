// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "../config.hpp"
#include "../rows/view.hpp"
#include "shape.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

inline constexpr std::size_t block_rows = 16;  // in the first-level cache together
inline constexpr std::size_t line_bytes = 64;

/// A piece of memory in rows.
struct RowMemory {
    const char* base = nullptr;
    std::size_t stride = 0;
    std::size_t row_bytes = 0;
};

/// Where rows of so many numbers begin.
template <RowSource View>
RowMemory memory_of(const View& rows, std::size_t width) {
    constexpr std::size_t size = sizeof(typename View::Number);
    return {reinterpret_cast<const char*>(rows.row(0)), rows.stride * size, width * size};
}

/// Prefetches rows into a cache, in the order of addresses: so many bytes at each step.
class Prefetch {
public:
    /// Of nothing: each step asks for a line that is in the cache anyway.
    explicit Prefetch(const void* read) : line_(address(read)) {}
    Prefetch(RowMemory rows, std::size_t bytes, bool into_first_level)
        : line_(address(rows.base)),
          end_(rows.stride == rows.row_bytes ? gapless : line_ + rows.row_bytes),
          bytes_(bytes),
          gap_(rows.stride - rows.row_bytes),
          row_bytes_(rows.row_bytes),
          into_first_level_(into_first_level) {}
    // Number by number: whole packs of them, which g++ takes, would wait for the last stores of single ones.
    [[gnu::always_inline]] Prefetch(const Prefetch& other)
        : line_(apart(other.line_)),
          end_(apart(other.end_)),
          bytes_(apart(other.bytes_)),
          gap_(apart(other.gap_)),
          row_bytes_(apart(other.row_bytes_)),
          into_first_level_(other.into_first_level_) {}
    Prefetch& operator=(const Prefetch&) = delete;
    /// Goes on where a copy of this one has come to.
    [[gnu::always_inline]] void go_on(const Prefetch& copy) {
        line_ = apart(copy.line_);
        end_ = apart(copy.end_);
    }

    [[gnu::always_inline]] void step() {
        if (into_first_level_)
            take<3>();
        else
            take<2>();
        line_ += bytes_;
        if (line_ < end_) return;
        line_ += gap_;
        end_ += gap_ + row_bytes_;
    }
    /// The same where often there is nothing to prefetch.
    [[gnu::always_inline]] void step_if_any() {
        if (bytes_ != 0) step();
    }
    /// The same where a row has `Lines` lines and each step takes a row.
    template <std::size_t Lines>
    [[gnu::always_inline]] void step_row_if_any() {
        if (bytes_ == 0) return;
#pragma GCC unroll 16
        for (std::size_t line = 0; line < Lines; ++line)
            if (into_first_level_)
                prefetch<3>(line_ + line * line_bytes);
            else
                prefetch<2>(line_ + line * line_bytes);
        line_ += row_bytes_ + gap_;
    }

private:
    static constexpr std::uintptr_t gapless = ~std::uintptr_t{0};
    static std::uintptr_t address(const void* memory) { return reinterpret_cast<std::uintptr_t>(memory); }
    template <class Number>
    [[gnu::always_inline]] static Number apart(Number x) {
        asm("" : "+r"(x));
        return x;
    }
    template <int Locality>
    [[gnu::always_inline]] void take() const {
        prefetch<Locality>(line_);
        if (bytes_ <= line_bytes) return;
        prefetch<Locality>(line_ + line_bytes);
#pragma GCC unroll 1
        for (std::size_t at = 2 * line_bytes; at < bytes_; at += line_bytes) prefetch<Locality>(line_ + at);
    }
    template <int Locality>
    [[gnu::always_inline]] static void prefetch(std::uintptr_t line) {
        __builtin_prefetch(reinterpret_cast<const void*>(line), 0, Locality);
    }

    // Addresses, for they may pass the end of all rows and come back.
    std::uintptr_t line_;
    std::uintptr_t end_ = gapless;  // of the row
    std::size_t bytes_ = 0;
    std::size_t gap_ = 0;  // between rows
    std::size_t row_bytes_ = 0;
    bool into_first_level_ = true;
};

/// The rows of one head in the order in which they are read, and the memory that is read after them. Pages may lie
/// anywhere: at their end the first page of what is read next is prefetched, and the memory behind it, whatever that
/// is. A prefetch never fails.
template <RowSource View>
class RowStream {
public:
    using Scalar = typename View::Number;

    /// shape.ahead bytes are between a row and what is prefetched meanwhile; 0: nothing is.
    RowStream(View rows, std::size_t n, std::size_t width, ReadShape shape, RowMemory next)
        : rows_(rows),
          n_(n),
          row_bytes_(width * sizeof(Scalar)),
          distance_(shape.ahead == 0 ? 0 : (std::max)(block_rows, shape.ahead / row_bytes_ / block_rows * block_rows)),
          into_first_level_(shape.into_first_level),
          next_(next.base != nullptr ? next : RowMemory{at(n - 1), 0, row_bytes_}) {}

    const Scalar* row(std::size_t r) const { return rows_.row(r); }
    std::size_t stride() const { return rows_.stride; }
    /// As many rows from row r on as lie `stride` apart: `most`, a block of these pages, or the last ones.
    std::size_t rows_together(std::size_t r, std::size_t most) const {
        if constexpr (requires { rows_.page_rows; })
            if (rows_.page_rows % most != 0) most = block_rows;
        return (std::min)(most, n_ - r);
    }
    /// The scales of the block at row r, where the scalar has them; the last one behind the end. Where they lie side by
    /// side they are read there: copied into `room`, a whole pack would wait for the stores of its parts.
    const float* scales(std::size_t r, float (&room)[block_rows]) const {
        const float* const first = rows_.scale(r);
        const std::size_t stride = rows_.scale_stride, last = n_ - 1 - r;
        if (last >= block_rows - 1 && stride == 1) return first;
        for (std::size_t i = 0; i < block_rows; ++i) room[i] = first[(std::min)(i, last) * stride];
        return room;
    }
    /// Bytes to prefetch at each step, where a block takes so many.
    std::size_t pace(std::size_t steps) const { return (block_rows * row_bytes_ + steps - 1) / steps; }
    /// What will be wanted when the block at row r is at work.
    Prefetch prefetch(std::size_t r, std::size_t pace) const {
        if (distance_ == 0) return Prefetch(row(r));
        r += distance_;
        const RowMemory rows = r < n_ ? RowMemory{at(r), rows_.stride * sizeof(Scalar), row_bytes_}
                                      : RowMemory{next_.base + (r - n_) * next_.stride, next_.stride, next_.row_bytes};
        return {rows, pace, into_first_level_};
    }

private:
    const char* at(std::size_t r) const { return reinterpret_cast<const char*>(row(r)); }

    View rows_;
    std::size_t n_;
    std::size_t row_bytes_;
    std::size_t distance_;
    bool into_first_level_;
    RowMemory next_;
};

}  // namespace msrnn::inline MSRNN_ABI::detail
