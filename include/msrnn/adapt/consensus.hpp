// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <span>

#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "../core/selection.hpp"
#include "../core/slot.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Lanes that must drop the same tokens, because their engine has one set of rows for all of them: one rule decides.
///
///     for (auto& lane : lanes) lane.rate();               // not evict()
///     consensus.mean_of_ranks(lanes);                     // evicts the same slots from each, and returns them
///
/// The lanes hold the same tokens in the same slots, as lanes do that append() together and begin alike, and have the
/// same budget. A token is a candidate where every lane says so. Ratings of different lanes are not compared: lanes may
/// have different policies, and ratings of different size. (Where they are of one kind, add their weights and use one
/// lane: Parts. That costs less.)
///
/// - mean_of_ranks(): each lane ranks the candidates, 0 for the one that would leave first; the lowest mean leaves, of
///   equal means the earliest arrival. Down to the budget.
/// - union_of_kept(): a token leaves if every lane, alone, would evict it now. What one lane wants stays, so more than
///   the budget may stay: up to the sum of the budgets. Give the lanes capacity, or call mean_of_ranks() where it ends.
///
/// `lanes` is a range that can be walked twice. Cost: lanes * candidates * log(candidates). Allocates where there are
/// more slots than ever before.
/// Source: the `union` of the eviction modes of TensorRT-LLM #16957 is this kind of rule (one set of tokens for all
/// heads and layers of a sequence); keys_values #133 and llama.cpp's cells are engines that need one. Ranks are the
/// usual mean of rankings (Borda).
class Consensus {
public:
    /// Evicts by the mean of the ranks; the victims, weakest first, valid until the next call.
    template <class Lanes>
    std::span<const Slot> mean_of_ranks(Lanes& lanes) {
        const std::size_t over = start(lanes);
        for (const auto& lane : lanes) {
            rank(lane, candidates_.size());
            for (std::size_t place = 0; place < order_.size(); ++place) votes_[order_[place]] += place;
        }
        const auto& clock = *std::begin(lanes);
        MSRNN_ASSERT(over <= candidates_.size(),
                     "msrnn: lanes protect different tokens, and too few are left to evict");
        std::ranges::partial_sort(
            candidates_, candidates_.begin() + static_cast<std::ptrdiff_t>(over), [&](Slot a, Slot b) {
                return votes_[a] != votes_[b] ? votes_[a] < votes_[b] : clock.arrival(a) < clock.arrival(b);
            });
        candidates_.resize(over);
        return evict(lanes);
    }
    /// Evicts what every lane would evict; the victims, valid until the next call.
    template <class Lanes>
    std::span<const Slot> union_of_kept(Lanes& lanes) {
        const std::size_t over = start(lanes);
        std::size_t all = 0;
        for (const auto& lane : lanes) {
            rank(lane, over);
            for (const Slot slot : order_) ++votes_[slot];
            ++all;
        }
        std::erase_if(candidates_, [&](Slot slot) { return votes_[slot] < all; });
        return evict(lanes);
    }

private:
    /// Lists the candidates of all, and returns how many tokens are over the budget.
    template <class Lanes>
    std::size_t start(const Lanes& lanes) {
        const auto& first = *std::begin(lanes);
        candidates_.clear();
        for (const auto token : first.tokens()) {
            bool of_all = true;
            for (const auto& lane : lanes) {
                MSRNN_ASSERT(lane.size() == first.size() && lane.budget() == first.budget() && lane.live(token.slot) &&
                                 lane.arrival(token.slot) == token.arrival,
                             "msrnn: lanes that agree hold the same tokens in the same slots, with one budget");
                of_all = of_all && lane.candidate(token.slot);
            }
            if (of_all) candidates_.push_back(token.slot);
        }
        votes_.assign(first.extent(), 0);
        return first.size() > first.budget() ? first.size() - first.budget() : 0;
    }
    /// The `count` candidates that would leave this lane first, in that order.
    template <class AnyLane>
    void rank(const AnyLane& lane, std::size_t count) {
        count = (std::min)(count, candidates_.size());
        order_ = candidates_;
        std::ranges::partial_sort(order_, order_.begin() + static_cast<std::ptrdiff_t>(count), [&](Slot a, Slot b) {
            return leaves_before(lane.rating(a), lane.arrival(a), lane.rating(b), lane.arrival(b));
        });
        order_.resize(count);
    }
    template <class Lanes>
    std::span<const Slot> evict(Lanes& lanes) {
        for (auto& lane : lanes) lane.evict_rated(candidates_);
        return candidates_;
    }

    OwnVector<Slot> candidates_;  // of all lanes; at the end the victims
    OwnVector<Slot> order_;
    OwnVector<std::size_t> votes_;
};

}  // namespace msrnn::inline MSRNN_ABI
