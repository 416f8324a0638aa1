// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstring>

#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "evidence.hpp"
#include "loops.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The softmax weights of one query token that are produced in parts: heads in separate buffers, ranks of a
/// tensor-parallel host, layers that share their cells. They are summed, and shown to the lane once:
///
///     parts.start(lane.extent());
///     parts.add({.weights = a, .query_heads = 4, .slots = n, .stride = n});
///     parts.add({.weights = b, .query_heads = 4, .slots = n, .stride = n});
///     lane.observe(parts.whole());
///
/// Rows are added one after the other, as Attention::sum() does, so heads that are added in order give the bits that
/// one part of all heads gives, however they are split. A mean stays a mean: the parts' query heads are counted. A part
/// may be a sum itself: `.query_heads = 4, ..., .rows = 1`. Cost: one addition per row and slot. Allocates where
/// `slots` is larger than ever before.
class Parts {
public:
    /// The next query token, with one weight for each of so many slots.
    void start(std::size_t slots) {
        sums_.resize(slots);
        query_heads_ = 0;
    }
    /// Adds the weights of more query heads.
    void add(const Attention& part) {
        MSRNN_ASSERT(part.slots == sums_.size(),
                     "msrnn: parts of one query token have the same slots; start() with them");
        MSRNN_ASSERT(part.rows > 0 && part.query_heads >= part.rows, "msrnn: a part of weights has at least one row");
        float* const sums = sums_.data();
        std::size_t row = 0;
        if (query_heads_ == 0 && part.slots > 0) std::memcpy(sums, part.row(row++).data(), part.slots * sizeof(float));
        for (; row < part.rows; ++row) {
            const float* const more = part.row(row).data();
            detail::each_float(part.slots, [=](auto place) { place.set(sums, place(sums) + place(more)); });
        }
        query_heads_ += part.query_heads;
    }
    /// The sum of all parts since start(), valid until the next call of start() or add().
    Attention whole() const {
        MSRNN_ASSERT(query_heads_ > 0, "msrnn: the whole of no parts; add() the weights of this token first");
        return {.weights = sums_.data(),
                .query_heads = query_heads_,
                .slots = sums_.size(),
                .stride = sums_.size(),
                .rows = 1};
    }

private:
    OwnVector<float> sums_;
    std::size_t query_heads_ = 0;
};

}  // namespace msrnn::inline MSRNN_ABI
