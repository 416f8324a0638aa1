// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include "../config.hpp"
#include "../rows/view.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

inline constexpr std::size_t tile_rows = 4;      // side by side
inline constexpr std::size_t block_rows = 16;    // in the first-level cache together
inline constexpr std::size_t far_bytes = 16384;  // prefetched into the second-level cache, so much ahead
inline constexpr std::size_t near_rows = 8;      // into the first-level cache
inline constexpr std::size_t line_bytes = 64;

/// A piece of memory in rows.
struct RowMemory {
    const char* base = nullptr;
    std::size_t stride = 0;
    std::size_t row_bytes = 0;
};

/// Prefetches rows, four at a time and a line of each: one such step after every `pace` calls of tick().
class Prefetch {
public:
    Prefetch(RowMemory rows, std::size_t pace)
        : line_(rows.base), end_(rows.base + rows.row_bytes), rows_(rows), pace_(pace), left_(pace) {}

    bool first_pass = true;  ///< over the block: what is near needs to be prefetched once

    [[gnu::always_inline]] void tick() {
        if (--left_ != 0) return;
        left_ = pace_;
        __builtin_prefetch(line_, 0, 2);
        __builtin_prefetch(line_ + rows_.stride, 0, 2);
        __builtin_prefetch(line_ + 2 * rows_.stride, 0, 2);
        __builtin_prefetch(line_ + 3 * rows_.stride, 0, 2);
        line_ += line_bytes;
        if (line_ < end_) return;
        end_ += 4 * rows_.stride;
        line_ = end_ - rows_.row_bytes;
    }

private:
    const char* line_;
    const char* end_;
    RowMemory rows_;
    std::size_t pace_;
    std::size_t left_;
};

/// The rows of one head in the order in which they are read, and the memory that is read after them. Pages may lie
/// anywhere: at their end the first page of what is read next is prefetched, and the memory behind it, whatever that
/// is. A prefetch never fails.
template <RowSource View>
class RowStream {
public:
    using Scalar = typename View::Number;

    RowStream(View rows, std::size_t n, std::size_t head_dim, RowMemory next)
        : rows_(rows),
          n_(n),
          row_bytes_(head_dim * sizeof(Scalar)),
          distance_((std::max)(2 * near_rows, far_bytes / row_bytes_ / block_rows * block_rows)),
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
    /// What will be wanted when row r is at work. `bytes` of each four rows are read between two calls of tick().
    Prefetch prefetch(std::size_t r, std::size_t bytes, std::size_t passes) const {
        const std::size_t pace = (std::max)(tile_rows * line_bytes / bytes, std::size_t{1}) * passes;
        r += distance_;
        if (r < n_) return {{at(r), rows_.stride * sizeof(Scalar), row_bytes_}, pace};
        return {{next_.base + (r - n_) * next_.stride, next_.stride, next_.row_bytes}, pace};
    }
    RowMemory memory() const { return {at(0), rows_.stride * sizeof(Scalar), row_bytes_}; }

private:
    const char* at(std::size_t r) const { return reinterpret_cast<const char*>(row(r)); }

    View rows_;
    std::size_t n_;
    std::size_t row_bytes_;
    std::size_t distance_;
    RowMemory next_;
};

}  // namespace msrnn::inline MSRNN_ABI::detail
