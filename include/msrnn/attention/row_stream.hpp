// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

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

/// How the lines of a block are spread over the steps of its work: so many at each of so many steps.
struct Pace {
    std::size_t every = 1;
    std::size_t lines = 0;

    Pace() = default;
    Pace(std::size_t lines_of_block, std::size_t steps)
        : every(steps > lines_of_block ? steps / lines_of_block : 1),
          lines(every > 1 ? 1 : (lines_of_block + steps - 1) / steps) {}
};

/// Prefetches rows into a cache, in the order of addresses: some lines at each call of step(), or at every so many
/// calls.
class Prefetch {
public:
    Prefetch() = default;
    Prefetch(RowMemory rows, Pace pace, bool into_first_level)
        : line_(rows.base),
          end_(rows.stride == rows.row_bytes ? nullptr : rows.base + rows.row_bytes),
          row_bytes_(rows.row_bytes),
          stride_(rows.stride),
          every_(pace.every),
          left_(pace.every),
          lines_(pace.lines),
          into_first_level_(into_first_level) {}

    [[gnu::always_inline]] void step() {
        if (lines_ == 0 || --left_ != 0) return;
        left_ = every_;
        if (into_first_level_)
            take<3>();
        else
            take<2>();
        line_ += lines_ * line_bytes;
        if (end_ == nullptr || line_ < end_) return;
        end_ += stride_;
        line_ = end_ - row_bytes_;
    }

private:
    template <int Locality>
    [[gnu::always_inline]] void take() const {
        __builtin_prefetch(line_, 0, Locality);
        if (lines_ == 1) return;
        __builtin_prefetch(line_ + line_bytes, 0, Locality);
#pragma GCC unroll 1
        for (std::size_t i = 2; i < lines_; ++i) __builtin_prefetch(line_ + i * line_bytes, 0, Locality);
    }

    const char* line_ = nullptr;
    const char* end_ = nullptr;  // of the row; nullptr where rows have no gaps
    std::size_t row_bytes_ = 0;
    std::size_t stride_ = 0;
    std::size_t every_ = 1;
    std::size_t left_ = 1;
    std::size_t lines_ = 0;
    bool into_first_level_ = false;
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
    /// The scales of the block at row r, where the scalar has them; the last one behind the end.
    void read_scales(std::size_t r, float (&scales)[block_rows]) const {
        const float* const first = rows_.scale(r);
        const std::size_t stride = rows_.scale_stride, last = n_ - 1 - r;
        if (last >= block_rows - 1 && stride == 1)
            std::copy_n(first, block_rows, scales);  // of a known length: no call
        else
            for (std::size_t i = 0; i < block_rows; ++i) scales[i] = first[(std::min)(i, last) * stride];
    }
    /// For a block whose work takes so many steps.
    Pace pace(std::size_t steps) const {
        if (distance_ == 0) return {};
        return {(block_rows * row_bytes_ + line_bytes - 1) / line_bytes, steps};
    }
    /// What will be wanted when the block at row r is at work.
    Prefetch prefetch(std::size_t r, Pace pace) const {
        if (distance_ == 0) return {};
        r += distance_;
        const RowMemory rows = r < n_ ? RowMemory{at(r), rows_.stride * sizeof(Scalar), row_bytes_}
                                      : RowMemory{next_.base + (r - n_) * next_.stride, next_.stride, next_.row_bytes};
        return {rows, pace, into_first_level_};
    }
    RowMemory memory() const { return {at(0), rows_.stride * sizeof(Scalar), row_bytes_}; }

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
