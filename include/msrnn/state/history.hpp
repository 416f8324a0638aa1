// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "../config.hpp"
#include "../lane/lane.hpp"
#include "../rows/rows.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The undo buffer of one lane: for each of the last `depth` steps, the ratings and columns before it and the key and
/// value rows that its token overwrote. A ring; a step allocates nothing, unless the lane grows.
///
/// bytes() = (depth + 1) * (slots * (1 + columns) floats + heads of the lane * 2 rows + 160). A step copies one such
/// entry.
template <class P, StoredScalar Scalar>
class History {
public:
    History(std::size_t depth, std::size_t heads, std::size_t head_dim, std::size_t value_dim)
        : steps_(depth + 1), rows_(heads, HeadRows<Scalar>{{depth + 1, head_dim}, {depth + 1, value_dim}}) {}

    std::size_t steps() const { return kept_; }
    std::size_t depth() const { return steps_.size() - 1; }

    /// Memory for steps of the lane as it is.
    void reserve(const Lane<P>& lane) {
        for (LaneCheckpoint& step : steps_)
            if (step.memory.size() < lane.memory_floats()) step.memory.resize(lane.memory_floats());
    }
    void shrink(const Lane<P>& lane) {
        for (LaneCheckpoint& step : steps_)
            if (step.memory.size() > lane.memory_floats()) {
                step.memory.resize(lane.memory_floats());
                step.memory.shrink_to_fit();
            }
    }
    void make_room_for(const History& other) {
        for (std::size_t i = 0; i < steps_.size(); ++i) steps_[i].memory.reserve(other.steps_[i].memory.size());
    }

    /// Before a step writes its token's rows. Each head may do so on a thread of its own.
    void keep(std::size_t head, const HeadRows<Scalar>& rows, Slot slot) { rows_[head].copy(rows, slot, Slot(now_)); }
    /// Before the token is appended. There is memory for it.
    void begin(const Lane<P>& lane) { lane.checkpoint(steps_[now_]); }
    const LaneCheckpoint& checkpoint() const { return steps_[now_]; }
    /// When it was appended and another was evicted.
    void end() {
        now_ = (now_ + 1) % steps_.size();
        kept_ = (std::min)(kept_ + 1, depth());
    }
    void forget() { kept_ = 0; }

    /// Undoes keep(): the row is again what it was.
    void put_back(std::size_t head, HeadRows<Scalar>& rows, Slot slot) const {
        rows.copy(rows_[head], Slot(now_), slot);
    }
    /// Undoes the last step. Precondition: there is one.
    void take_back(Lane<P>& lane, std::span<HeadRows<Scalar>> heads) {
        now_ = (now_ + steps_.size() - 1) % steps_.size();
        --kept_;
        lane.restore(steps_[now_]);
        for (std::size_t head = 0; head < heads.size(); ++head) put_back(head, heads[head], lane.next());
    }
    std::size_t bytes() const {
        std::size_t sum = 0;
        for (const LaneCheckpoint& step : steps_) sum += step.bytes();
        for (const HeadRows<Scalar>& head : rows_) sum += head.bytes();
        return sum;
    }

private:
    std::vector<LaneCheckpoint> steps_;   // [depth + 1]: one is that of a half step
    std::vector<HeadRows<Scalar>> rows_;  // [heads of the lane], each of so many rows
    std::size_t now_ = 0;                 // the entry of the next step
    std::size_t kept_ = 0;
};

}  // namespace msrnn::inline MSRNN_ABI
