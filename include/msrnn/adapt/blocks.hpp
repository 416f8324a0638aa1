// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <string>

#include "../base/own_vector.hpp"
#include "../base/refuse.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "../core/loops.hpp"
#include "../core/slot.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Victims in the words of a pager (OpenVINO): whole blocks of neighbouring rows, the same number in every layer.
///
/// Block b holds the slots [b * rows, (b + 1) * rows). It may go if each of its slots is a candidate: full blocks of
/// unprotected tokens. A lane gives up (size() - budget()) / rows blocks, rounded down, those with the lowest sum of
/// ratings; of equal sums the lower block goes first. What is left over the budget is less than a block.
///
///     Lane<H2O> lane({.budget = 672, .slack = 31});   // for each layer; due() when a block can go
///     if (lanes[0].due()) {
///         for (auto& lane : lanes) lane.rate();       // not evict()
///         blocks.evict_equally(lanes, [&](const auto& lane, std::span<const std::size_t> gone) { ... });  // ascending
///     }
///
/// An engine that numbers the remaining blocks anew, as OpenVINO does, calls close_gaps(lane, [](RunMove) {}) then, and
/// copies no row. One that keeps them says where a token lies: lane.append(position, slot).
/// Sums are double, added in the order of the slots. NaN counts as the lowest. Cost: one scan of the slots and a sort
/// of the blocks. Allocates where there are more blocks than ever before. Source: OpenVINO GenAI, cache_eviction.cpp:
/// evict_logical_blocks(), with start_size as sinks, recent_size as recent and max_cache_size as budget; blocks of 32
/// tokens on a CPU. Its score of a token is what the policy rates.
class Blocks {
public:
    /// Throws std::invalid_argument where a block has no rows.
    explicit Blocks(std::size_t rows) : rows_(rows) {
        if (rows == 0) detail::refuse("msrnn: a block has 0 rows; give the engine's block size");
    }
    std::size_t rows() const { return rows_; }
    /// What OpenVINO would refuse of the lane's settings, in one sentence; empty if nothing. The rule works all the
    /// same: then a block that is protected in part stays.
    template <class AnyLane>
    std::string problem(const AnyLane& lane) const {
        if (lane.budget() % rows_ != 0) return not_whole("budget", lane.budget());
        if (lane.protection().sinks % rows_ != 0) return not_whole("sinks", lane.protection().sinks);
        if (lane.protection().recent % rows_ != 0) return not_whole("recent", lane.protection().recent);
        return {};
    }

    /// How many blocks the lane has over its budget and may give up.
    template <class AnyLane>
    std::size_t due(const AnyLane& lane) const {
        if (lane.size() <= lane.budget()) return 0;
        std::size_t whole = 0;
        for (std::size_t block = 0; (block + 1) * rows_ <= lane.extent(); ++block) whole += may_go(lane, block);
        return (std::min)(whole, (lane.size() - lane.budget()) / rows_);
    }
    /// Evicts the weakest `count` blocks by the ratings as they are, and ends the lane's choice. Returns them,
    /// ascending, valid until the next call. Precondition: count <= due(lane).
    template <class AnyLane>
    std::span<const std::size_t> evict(AnyLane& lane, std::size_t count) {
        choose(lane, count);
        slots_.clear();
        for (const std::size_t block : chosen_)
            for (std::size_t row = 0; row < rows_; ++row) slots_.push_back(Slot(block * rows_ + row));
        lane.evict_rated(slots_);
        return chosen_;
    }
    /// The same for all lanes, as many blocks from each as each can give up: use(lane, its blocks). `lanes` is a range
    /// that can be walked twice.
    template <class Lanes, class Use>
    void evict_equally(Lanes& lanes, Use use) {
        std::size_t count = (std::numeric_limits<std::size_t>::max)();
        for (const auto& lane : lanes) count = (std::min)(count, due(lane));
        for (auto& lane : lanes) use(lane, evict(lane, count));
    }

private:
    struct Rated {
        double sum;
        std::size_t block;

        bool operator<(const Rated& other) const { return sum != other.sum ? sum < other.sum : block < other.block; }
    };
    template <class AnyLane>
    bool may_go(const AnyLane& lane, std::size_t block) const {
        for (std::size_t row = 0; row < rows_; ++row)
            if (!lane.candidate(Slot(block * rows_ + row))) return false;
        return true;
    }
    template <class AnyLane>
    void choose(const AnyLane& lane, std::size_t count) {
        rated_.clear();
        for (std::size_t block = 0; (block + 1) * rows_ <= lane.extent(); ++block) {
            if (!may_go(lane, block)) continue;
            double sum = 0;
            for (const float rating : lane.ratings().subspan(block * rows_, rows_)) sum += double{comparable(rating)};
            rated_.push_back({sum == sum ? sum : -std::numeric_limits<double>::infinity(), block});
        }
        MSRNN_ASSERT(count <= rated_.size(), "msrnn: more blocks than the lane may give up; see due()");
        std::partial_sort(rated_.begin(), rated_.begin() + static_cast<std::ptrdiff_t>(count), rated_.end());
        chosen_.clear();
        for (std::size_t i = 0; i < count; ++i) chosen_.push_back(rated_[i].block);
        std::ranges::sort(chosen_);
    }
    std::string not_whole(const char* name, std::size_t value) const {
        return std::string("msrnn: ").append(name).append(" is ") + detail::text(value) +
               ", not a multiple of a block of " + detail::text(rows_) + " rows; round it up";
    }

    std::size_t rows_;
    OwnVector<Rated> rated_;
    OwnVector<std::size_t> chosen_;
    OwnVector<Slot> slots_;
};

}  // namespace msrnn::inline MSRNN_ABI
