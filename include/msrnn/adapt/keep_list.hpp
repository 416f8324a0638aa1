// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "../core/slot.hpp"

namespace msrnn::inline MSRNN_ABI {

/// What a lane keeps in the words of an engine that removes a tail and keeps stretches of it (MNN): the last `remove`
/// rows go, but for pairs (begin, rows) that count from the first of them.
///
///     lane.evict();
///     keep.read(lane);
///     meta.remove = keep.remove();
///     meta.reserve = keep.pairs().data();
///     meta.n_reserve = keep.count();              // the engine moves the rows before its next step
///     close_gaps(lane, [](RunMove) {});           // the lane follows, see moves.hpp
///
/// `remove` starts at the first gap: rows before it are not touched. Pairs ascend, do not touch, and are not empty,
/// which MNN demands. The lane's slots are the engine's rows, in order: one lane for all heads of a layer, or for the
/// model. Not for quantised keys or values: there MNN ignores the pairs and drops the whole tail. Cost: one scan of the
/// slots. Allocates where there are more pairs than ever before. Source: MNN, source/core/KVMeta.hpp and
/// CPUKVCacheManager::onRealloc().
class KeepList {
public:
    /// Takes what the lane keeps now.
    template <class AnyLane>
    void read(const AnyLane& lane) {
        const std::size_t extent = lane.extent();
        std::size_t first = 0;
        while (first < extent && lane.live(Slot(first))) ++first;
        remove_ = extent - first;
        pairs_.clear();
        for (std::size_t row = first; row < extent; ++row) {
            if (!lane.live(Slot(row))) continue;
            if (row > first && lane.live(Slot(row - 1)))
                ++pairs_.back();
            else {
                pairs_.push_back(static_cast<int>(row - first));
                pairs_.push_back(1);
            }
        }
    }
    /// Rows from the first gap on.
    std::size_t remove() const { return remove_; }
    int count() const { return static_cast<int>(pairs_.size() / 2); }
    std::span<int> pairs() { return pairs_; }  ///< begin, rows, begin, rows ...

private:
    std::size_t remove_ = 0;
    OwnVector<int> pairs_;
};

}  // namespace msrnn::inline MSRNN_ABI
