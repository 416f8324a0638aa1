// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "../config.hpp"
#include "../lane/lane.hpp"
#include "rows.hpp"

namespace msrnn::inline MSRNN_ABI {

/// What the last steps of one lane wrote over, at most `depth` of them: the ratings and columns before each, and the
/// rows in whose place its token came. A ring; nothing is allocated by a step, unless the lane grows.
///
/// bytes() = (depth + 1) * (capacity * (1 + columns) floats + heads of the lane * 2 rows + 128): for each token that
/// can be taken back a copy of the ratings and a victim's rows. A step copies one such entry.
template <class P, StoredScalar Scalar>
class History {
public:
    History(std::size_t depth, const Lane<P>& lane, std::size_t heads, std::size_t head_dim)
        : steps_(depth + 1, Step{{}, std::vector<float>(lane.memory_floats())}),
          rows_(heads, HeadRows<Scalar>{{depth + 1, head_dim}, {depth + 1, head_dim}}) {}

    std::size_t steps() const { return kept_; }

    /// Before a step writes its token's rows. Each head may do so on a thread of its own.
    void keep(std::size_t head, const HeadRows<Scalar>& rows, Slot slot) { rows_[head].copy(rows, slot, Slot(now_)); }
    /// Before the token comes into the lane.
    void begin(const Lane<P>& lane) {
        std::vector<float>& memory = steps_[now_].memory;
        if (memory.size() < lane.memory_floats()) memory.resize(lane.memory_floats());
        lane.copy_memory(memory);
    }
    /// When it has come and another has left.
    void end(const Lane<P>& lane) {
        steps_[now_].of_lane = lane.last_step();
        now_ = (now_ + 1) % steps_.size();
        kept_ = std::min(kept_ + 1, steps_.size() - 1);
    }
    void forget() { kept_ = 0; }

    /// Undoes keep(): the row is again what it was.
    void put_back(std::size_t head, HeadRows<Scalar>& rows, Slot slot) const {
        rows.copy(rows_[head], Slot(now_), slot);
    }
    /// Undoes the last step, of which there is one.
    void take_back(Lane<P>& lane, std::span<HeadRows<Scalar>> heads) {
        now_ = (now_ + steps_.size() - 1) % steps_.size();
        --kept_;
        lane.take_back(steps_[now_].of_lane, steps_[now_].memory);
        for (std::size_t head = 0; head < heads.size(); ++head) put_back(head, heads[head], lane.next());
    }
    std::size_t bytes() const {
        std::size_t sum = steps_.size() * sizeof(Step);
        for (const Step& step : steps_) sum += step.memory.size() * sizeof(float);
        for (const HeadRows<Scalar>& head : rows_) sum += head.bytes();
        return sum;
    }

private:
    struct Step {
        LaneStep of_lane;
        std::vector<float> memory;
    };
    std::vector<Step> steps_;             // [depth + 1]: one is that of a step half done
    std::vector<HeadRows<Scalar>> rows_;  // [heads of the lane], each of so many rows
    std::size_t now_ = 0;                 // the entry of the next step
    std::size_t kept_ = 0;
};

}  // namespace msrnn::inline MSRNN_ABI
