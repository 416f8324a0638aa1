#pragma once

#include <algorithm>
#include <cstddef>
#include <msrnn/decide.hpp>
#include <vector>

namespace llama {

/// Which place in time order each token of a lane has, the earliest 0. Doubles, because a rotation turns by them.
class Ranks {
public:
    /// Of the tokens in the lane, and of the one that comes next.
    template <class Lane>
    void read(const Lane& lane) {
        order_.clear();
        for (msrnn::Slot slot; slot < lane.extent(); slot = msrnn::Slot(slot + 1))
            if (lane.live(slot)) order_.push_back(slot);
        std::sort(order_.begin(), order_.end(),
                  [&](msrnn::Slot a, msrnn::Slot b) { return lane.arrival(a) < lane.arrival(b); });
        order_.push_back(lane.next());
        rank_.resize(lane.extent() + 1);
        for (std::size_t i = 0; i < order_.size(); ++i) rank_[order_[i]] = static_cast<double>(i);
    }

    double operator[](msrnn::Slot slot) const { return rank_[slot]; }
    double newest() const { return static_cast<double>(order_.size() - 1); }

private:
    std::vector<msrnn::Slot> order_;
    std::vector<double> rank_;
};

}  // namespace llama
