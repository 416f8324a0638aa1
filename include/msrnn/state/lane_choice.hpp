// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "../config.hpp"
#include "../lane/lane.hpp"
#include "../rows/rows.hpp"
#include "taken_prompt.hpp"
#include "workspace.hpp"

namespace msrnn::inline MSRNN_ABI {

/// A choice of one lane of a layer that is made beside it: rate(), a rule that may set any budget, evict(), and only
/// then commit(). What may throw comes before anything has changed.
template <class P, StoredScalar Scalar>
class LaneChoice {
public:
    LaneChoice(LayerCache<P, Scalar>& layer, std::size_t lane)
        : layer_(&layer), index_(lane), lane_(layer.lanes_[lane]) {
        lane_.set_capacity(detail::most_rows);
    }

    Lane<P>& lane() { return lane_; }
    void rate(Workspace& work) {
        const std::size_t first_head = index_ * layer_->heads_per_lane();
        if (lane_.size() > 0) lane_.rate(layer_->keys(first_head, work), layer_->values(first_head, work));
    }
    enum Fit { exactly, about };
    /// Down to the budget, without gaps, with memory for so many rows as the budget wants.
    void evict() { evict(lane_.budget() != unbounded ? lane_.budget() + lane_.slack() + 1 : lane_.size() + 1, about); }
    /// The same for a capacity of one's own. About so much memory: rows that are there stay where they are while no
    /// more than a fourth of them is too much, so that budgets which move a little move no memory.
    void evict(std::size_t capacity, Fit fit) {
        lane_.evict_rated();
        lane_.compact([this](Move move) { moves_.push_back(move); });
        lane_.set_capacity(capacity);
        const std::size_t enough = (std::max)(detail::rows_at_once(capacity), lane_.size() + 1);
        for (const HeadRows<Scalar>& head : layer_->heads_of(index_))
            if (fit == exactly || head.room() < enough || head.room() > enough + enough / 4)
                rows_.push_back(
                    layer_->moved(head, lane_.size(), moves_, fit == exactly ? enough : enough + enough / 8));
    }
    /// Rows of a head after commit().
    std::size_t room() const { return rows_.empty() ? layer_->heads_of(index_).front().room() : rows_.front().room(); }
    void commit() noexcept {
        std::swap(layer_->lanes_[index_], lane_);
        const auto heads = layer_->heads_of(index_);
        if (rows_.empty())
            for (HeadRows<Scalar>& head : heads)
                for (const Move move : moves_) head.copy(head, move.from, move.to);
        else
            std::ranges::move(rows_, heads.begin());
        layer_->forget(index_);
    }

private:
    LayerCache<P, Scalar>* layer_;
    std::size_t index_;
    Lane<P> lane_;
    std::vector<Move> moves_;
    std::vector<HeadRows<Scalar>> rows_;  // [heads of the lane], or empty where those of the layer stay
};

}  // namespace msrnn::inline MSRNN_ABI
