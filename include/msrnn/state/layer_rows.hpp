// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "../base/own_vector.hpp"
#include "../base/shared.hpp"
#include "../config.hpp"
#include "../core/parts.hpp"
#include "../lane/lane.hpp"
#include "../rows/rows.hpp"
#include "history.hpp"
#include "shape.hpp"
#include "shared_prompt.hpp"
#include "taken_prompt.hpp"
#include "workspace.hpp"

namespace msrnn::inline MSRNN_ABI {

/// What a layer of a state holds: its lanes, the rows of their heads, and what its last steps overwrote.
template <class P, StoredScalar Scalar>
class LayerRows {
public:
    /// limits_of(lane) -> Limits.
    template <class LimitsOf>
    LayerRows(LayerShape shape, const P& policy, Rollback rollback, std::size_t layer, LimitsOf limits_of)
        : shape_(accepted(std::move(shape), policy)), attended_(shape_.kv_heads), read_(shape_.kv_heads) {
        if (scope_of(policy) == Scope::model) layer = 0;  // all layers decide alike
        const std::size_t lanes = lanes_of(shape_, policy);
        lanes_.reserve(lanes);
        heads_.reserve(shape_.kv_heads);
        for (std::size_t i = 0; i < lanes; ++i) {
            const Limits limits = lane_limits(shape_, limits_of(i), policy);
            detail::refuse(msrnn::problem(shape_, limits, policy, rollback));
            lanes_.emplace_back(limits, policy, LaneId{layer, i});
            heads_.insert(heads_.end(), shape_.kv_heads / lanes, empty_rows(detail::rows_at_once(limits.rows())));
            if (rollback.tokens > 0) {
                histories_.emplace_back(rollback.tokens, shape_.kv_heads / lanes, shape_.head_dim,
                                        shape_.value_width());
                histories_.back().reserve(lanes_.back());
            }
        }
    }

    /// After this, assigning the other layer, which is like this one, allocates nothing.
    void make_room_for(const LayerRows& other) {
        for (std::size_t i = 0; i < lanes_.size(); ++i) lanes_[i].make_room_for(other.lanes_[i]);
        for (std::size_t h = 0; h < heads_.size(); ++h) heads_[h].make_room_for(other.heads_[h]);
        for (std::size_t i = 0; i < histories_.size(); ++i) histories_[i].make_room_for(other.histories_[i]);
    }
    /// Whether one can be assigned to the other without memory.
    bool is_like(const LayerRows& other) const {
        return lanes_.size() == other.lanes_.size() && heads_.size() == other.heads_.size() &&
               histories_.size() == other.histories_.size() && shape_ == other.shape_ && parts_.empty() &&
               other.parts_.empty() && (histories_.empty() || histories_[0].depth() == other.histories_[0].depth());
    }

    // to look at /////////////////////////////////////////////////////////////////////////////////////////////////////

    /// As it was made.
    const LayerShape& shape() const { return shape_; }
    /// The lane that decides for this KV head.
    const Lane<P>& lane(std::size_t kv_head) const { return lanes_[lane_index(kv_head)]; }
    /// One, or one for each KV head.
    std::span<const Lane<P>> lanes() const { return lanes_; }
    std::span<const HeadRows<Scalar>> rows() const { return heads_; }
    /// Room for the rows of one KV head.
    HeadRows<Scalar> empty_rows(std::size_t rows) const {
        return {{rows, shape_.head_dim}, {rows, shape_.value_width()}};
    }
    /// KV heads that share a lane.
    std::size_t heads_per_lane() const { return heads_.size() / lanes_.size(); }
    /// Tokens that came since the start, less those taken back.
    std::uint64_t tokens() const { return tokens_; }
    /// The layer that must read these rows before the token is decided on; no_layer where none does.
    std::size_t waits_for() const { return waits_for_; }
    /// No KV head has attended for a token that is not decided on.
    bool between_steps() const {
        return waiting_.empty() && std::ranges::none_of(attended_, [](std::uint8_t attended) { return attended != 0; });
    }
    /// Rows that memory is there for, of the head that has most.
    std::size_t rows_with_room() const {
        std::size_t most = 0;
        for (const HeadRows<Scalar>& head : heads_) most = (std::max)(most, head.room());
        return most;
    }
    std::size_t bytes() const {
        std::size_t sum = 0;
        for (const HeadRows<Scalar>& head : heads_) sum += head.bytes();
        for (const Lane<P>& lane : lanes_) sum += lane.bytes();
        for (const History<P, Scalar>& history : histories_) sum += history.bytes();
        if (!prompt_.empty()) sum += prompt_->bytes();
        if (!waiting_.empty()) sum += waiting_->bytes();
        return sum;
    }

protected:
    // The rows of a KV head for a policy, as floats; one row is valid until the next is read.
    Keys keys(std::size_t kv_head, Workspace& work) const {
        return Keys([&rows = heads_[kv_head].keys, &work](Slot slot) noexcept { return floats(rows, slot, work); });
    }
    Values values(std::size_t kv_head, Workspace& work) const {
        return Values([&rows = heads_[kv_head].values, &work](Slot slot) noexcept { return floats(rows, slot, work); });
    }
    static std::span<const float> floats(const Rows<Scalar>& rows, Slot slot, Workspace& work) {
        if constexpr (rows_are_float) {
            return rows[slot];
        } else {
            const std::span<float> row = std::span(work.row).first(rows[slot].size());
            rows.read(slot, row);
            return row;
        }
    }

    static constexpr bool rows_are_float = std::same_as<Scalar, float>;

    static LayerShape accepted(LayerShape shape, const P& policy) {
        detail::refuse(msrnn::problem(shape, policy));
        return shape;
    }
    /// Steps that can be undone, since anything else changed the layer.
    std::size_t steps_since() const {
        std::size_t fewest = histories_.empty() ? 0 : unbounded;
        for (const History<P, Scalar>& history : histories_) fewest = (std::min)(fewest, history.steps());
        return fewest;
    }
    std::size_t lane_index(std::size_t kv_head) const {
        MSRNN_ASSERT(kv_head < heads_.size(), "msrnn: no such KV head");
        return kv_head / heads_per_lane();
    }
    std::span<HeadRows<Scalar>> heads_of(std::size_t lane) {
        return std::span(heads_).subspan(lane * heads_per_lane(), heads_per_lane());
    }

    void put_back_rows(std::size_t kv_head) noexcept {
        if (!histories_.empty())
            histories_[lane_index(kv_head)].put_back(kv_head % heads_per_lane(), heads_[kv_head], lane(kv_head).next());
    }
    static std::size_t rows_for(const Lane<P>& lane, std::size_t budget) {
        return budget == unbounded ? (std::max)(lane.capacity(), lane.size() + 1) : budget + lane.slack() + 1;
    }
    /// Memory for so many rows of a lane in use. The capacity of an unbounded one grows with it.
    void make_room(std::size_t i, std::size_t rows) {
        if (rows > lanes_[i].capacity()) lanes_[i].set_capacity((std::max)(rows, 2 * lanes_[i].capacity()));
        lanes_[i].reserve(rows);
        for (HeadRows<Scalar>& head : heads_of(i))
            if (head.room() < rows) head.reserve((std::min)(lanes_[i].capacity(), (std::max)(rows, 2 * head.room())));
        if (!histories_.empty()) histories_[i].reserve(lanes_[i]);
    }
    /// The first `size` rows of a head after these moves, in memory for `room` rows.
    HeadRows<Scalar> moved(const HeadRows<Scalar>& head, std::size_t size, const std::vector<Move>& moves,
                           std::size_t room) const {
        HeadRows<Scalar> rows = empty_rows(room);
        for (std::size_t row = 0; row < size; ++row) rows.copy(head, Slot(row), Slot(row));
        for (const Move move : moves) rows.copy(head, move.from, move.to);
        return rows;
    }
    /// Attention walks [0, size()], so no vacancy may lie before the slot that the next token takes.
    void close_gaps(std::size_t i) {
        forget(i);
        lanes_[i].compact([&](Move move) {
            for (HeadRows<Scalar>& head : heads_of(i)) head.copy(head, move.from, move.to);
        });
    }
    /// Earlier steps cannot be undone any more: rows may move, and a history holds steps only.
    void forget(std::size_t i) {
        if (histories_.empty()) return;
        prompt_.reset();
        histories_[i].forget();
        histories_[i].shrink(lanes_[i]);
    }
    void start_anew(std::uint64_t tokens) noexcept {
        for (std::size_t i = 0; i < lanes_.size(); ++i) forget(i);
        std::ranges::fill(attended_, std::uint8_t{0});
        waits_for_ = no_layer;
        waiting_.reset();
        tokens_ = tokens;
    }

    LayerShape shape_;
    std::vector<Lane<P>> lanes_;                 // [1 or kv_heads]
    std::vector<HeadRows<Scalar>> heads_;        // [kv_heads]
    std::vector<History<P, Scalar>> histories_;  // one for each lane, or none where nothing is to be taken back
    detail::Shared<const TakenPrompt<P, Scalar>> prompt_;  // the last one, where it can be undone
    OwnVector<std::uint8_t> attended_;                     // [kv_heads]: since the last decide()
    std::uint64_t tokens_ = 0;

    // Where other layers read these rows.
    std::size_t waits_for_ = no_layer;                       // the one that reads next, while a token waits for it
    OwnVector<std::uint8_t> read_;                           // [kv_heads]: that one has attended
    detail::Shared<const SharedPrompt<P, Scalar>> waiting_;  // a prompt that waits for it
    std::vector<Parts> parts_, parts_before_;  // of each lane: what was seen of the token; and before the last layer
};

}  // namespace msrnn::inline MSRNN_ABI
