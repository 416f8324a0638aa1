// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../config.hpp"
#include "../lane/lane.hpp"
#include "../rows/rows.hpp"
#include "layer_steps.hpp"
#include "shape.hpp"

namespace msrnn::inline MSRNN_ABI {

template <class P, StoredScalar Scalar>
class LayerPrompt;

/// One layer of a State: its lanes, the rows of their heads, and what its last steps overwrote.
template <class P, StoredScalar Scalar>
class LayerCache : public LayerSteps<P, Scalar> {
    using Steps = LayerSteps<P, Scalar>;
    using Steps::lane_index, Steps::heads_of, Steps::rows_for, Steps::moved, Steps::close_gaps, Steps::forget,
        Steps::start_anew;
    using Steps::shape_, Steps::lanes_, Steps::heads_, Steps::histories_;

public:
    using Steps::Steps;

    // back ///////////////////////////////////////////////////////////////////////////////////////////////////////////

    std::size_t reversible() const {
        std::size_t fewest = histories_.empty() ? 0 : unbounded;
        for (const History<P, Scalar>& history : histories_) fewest = (std::min)(fewest, history.steps());
        return fewest;
    }
    /// Takes back that many steps, of which there are so many, and a half step.
    void rollback(std::size_t steps) noexcept {
        this->drop_half_step();
        for (std::size_t i = 0; i < histories_.size(); ++i)
            for (std::size_t step = 0; step < steps; ++step) histories_[i].take_back(lanes_[i], heads_of(i));
        this->tokens_ -= steps;
    }

    // now and then ///////////////////////////////////////////////////////////////////////////////////////////////////

    void set_budget(std::size_t kv_head, std::size_t budget, Workspace& work) {
        detail::refuse(problem(kv_head, budget));
        const std::size_t i = lane_index(kv_head);
        const std::size_t capacity = rows_for(lanes_[i], budget);
        Lane<P> lane = lanes_[i];
        if (capacity > lane.capacity()) lane.set_capacity(capacity);
        lane.set_budget(budget);
        const std::size_t first_head = i * this->heads_per_lane();
        if (lane.size() > budget) lane.rate(this->keys(first_head, work), this->values(first_head, work));
        lane.evict_rated();
        std::vector<Move> moves;
        lane.compact([&](Move move) { moves.push_back(move); });
        lane.set_capacity(capacity);
        const std::size_t enough = (std::max)(detail::rows_at_once(capacity), lane.size() + 1);
        std::vector<HeadRows<Scalar>> rows;
        for (const HeadRows<Scalar>& head : heads_of(i)) rows.push_back(moved(head, lane.size(), moves, enough));

        lanes_[i] = std::move(lane);
        std::ranges::move(rows, heads_of(i).begin());
        forget(i);
    }
    std::string problem(std::size_t kv_head, std::size_t budget) const {
        return this->lane(kv_head).problem(budget, rows_for(this->lane(kv_head), budget));
    }
    void evict(std::size_t kv_head, Slot slot) {
        lanes_[lane_index(kv_head)].evict(slot);
        close_gaps(lane_index(kv_head));
    }
    bool pin(std::size_t kv_head, Slot slot) {
        if (!lanes_[lane_index(kv_head)].pin(slot)) return false;
        forget(lane_index(kv_head));
        return true;
    }
    void unpin(std::size_t kv_head, Slot slot) {
        lanes_[lane_index(kv_head)].unpin(slot);
        forget(lane_index(kv_head));
    }
    void reset() {
        for (Lane<P>& lane : lanes_) lane.reset();
        start_anew(0);
    }

    // to be kept elsewhere ///////////////////////////////////////////////////////////////////////////////////////////

    /// The lanes that go on from these records; their rows get room for a token more.
    std::vector<Lane<P>> restored(std::span<const LaneRecord> records, std::span<HeadRows<Scalar>> rows) const {
        std::vector<Lane<P>> lanes = lanes_;
        for (std::size_t i = 0; i < lanes.size(); ++i) {
            if (records[i].budget == unbounded)
                lanes[i].set_capacity((std::max)(lanes[i].capacity(), records[i].extent() + 1));
            lanes[i].restore(records[i]);
            lanes[i].reserve(lanes[i].size() + 1);
        }
        for (std::size_t h = 0; h < rows.size(); ++h) rows[h].reserve(lanes[lane_index(h)].size() + 1);
        return lanes;
    }
    /// Goes on with them and with rows that have room for a token more, [kv_heads].
    void adopt(std::vector<Lane<P>>& lanes, std::span<HeadRows<Scalar>> rows, std::uint64_t tokens) noexcept {
        lanes_.swap(lanes);
        std::ranges::move(rows, heads_.begin());
        start_anew(tokens);
    }

private:
    friend class LayerPrompt<P, Scalar>;
};

}  // namespace msrnn::inline MSRNN_ABI
