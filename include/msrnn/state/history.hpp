// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "../lane/lane.hpp"
#include "rows.hpp"

namespace msrnn {

/// How many of the last tokens a state can take back; see State::rollback().
struct Rollback {
    std::size_t tokens = 0;
};

/// What one lane was before each of its last steps, at most `depth` of them: a copy of the lane, and the rows that the
/// step's token wrote over. A ring; nothing is allocated by a step.
///
/// bytes() = depth * (Lane::bytes(), 32 or more a slot, + heads of the lane * 2 rows). A step copies one such entry.
template <class P, StoredScalar Scalar>
class History {
public:
    History(std::size_t depth, const Lane<P>& lane, std::size_t heads, std::size_t head_dim)
        : lanes_(depth, lane), rows_(heads, HeadRows<Scalar>{{depth, head_dim}, {depth, head_dim}}) {}

    std::size_t steps() const { return steps_; }

    /// Before a step writes its token's rows. Each head may do so on a thread of its own.
    void keep(std::size_t head, const HeadRows<Scalar>& rows, Slot slot) { rows_[head].copy(rows, slot, Slot(now_)); }
    /// Before the token comes into the lane.
    void keep(const Lane<P>& lane) {
        lanes_[now_] = lane;
        now_ = (now_ + 1) % lanes_.size();
        steps_ = std::min(steps_ + 1, lanes_.size());
    }
    void forget() { steps_ = 0; }

    /// Undoes keep(head): the rows are again what they were.
    void put_back(std::size_t head, HeadRows<Scalar>& rows, Slot slot) const {
        rows.copy(rows_[head], Slot(now_), slot);
    }
    /// Undoes that many steps, of which there are as many.
    void take_back(std::size_t steps, Lane<P>& lane, std::span<HeadRows<Scalar>> heads) {
        if (steps == 0) return;
        for (std::size_t i = 0; i < steps; ++i) {
            now_ = (now_ + lanes_.size() - 1) % lanes_.size();
            for (std::size_t head = 0; head < heads.size(); ++head) put_back(head, heads[head], lanes_[now_].next());
        }
        lane = lanes_[now_];
        steps_ -= steps;
    }
    std::size_t bytes() const {
        std::size_t sum = 0;
        for (const Lane<P>& lane : lanes_) sum += lane.bytes();
        for (const HeadRows<Scalar>& head : rows_) sum += head.bytes();
        return sum;
    }

private:
    std::vector<Lane<P>> lanes_;          // [depth]
    std::vector<HeadRows<Scalar>> rows_;  // [heads of the lane], each of `depth` rows
    std::size_t now_ = 0;                 // the entry of the next step
    std::size_t steps_ = 0;
};

}  // namespace msrnn
