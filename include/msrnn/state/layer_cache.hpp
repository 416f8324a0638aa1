// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../config.hpp"
#include "../lane/lane.hpp"
#include "attend.hpp"
#include "floats.hpp"
#include "history.hpp"
#include "prompt.hpp"
#include "rows.hpp"
#include "shape.hpp"
#include "undoing.hpp"
#include "workspace.hpp"

namespace msrnn::inline MSRNN_ABI {

template <class P, StoredScalar Scalar>
class LayerPrompt;

/// One layer of a State: its lanes, the rows of their heads, and what its last steps overwrote.
///
/// There is always memory for one token more, so that attend() allocates nothing. Whatever may throw comes before the
/// first change, or is undone: a call that throws leaves the layer as it was.
template <class P, StoredScalar Scalar>
class LayerCache {
public:
    template <class LimitsOf>
    LayerCache(const Shape& shape, std::size_t layer, std::size_t lanes, const P& policy, Rollback rollback,
               LimitsOf limits_of)
        : shape_(shape), attended_(shape.kv_heads) {
        lanes_.reserve(lanes);
        heads_.reserve(shape.kv_heads);
        for (std::size_t i = 0; i < lanes; ++i) {
            const Limits limits = with_rows(limits_of(layer, i));
            detail::refuse(validate(shape, limits, policy, rollback));
            lanes_.emplace_back(Limits{limits.budget, limits.budget == unbounded ? detail::most_rows : limits.rows()},
                                policy, LaneId{layer, i});
            const Rows<Scalar> rows(detail::rows_at_once(limits.rows()), shape.head_dim);
            heads_.insert(heads_.end(), shape.kv_heads / lanes, HeadRows<Scalar>{rows, rows});
            if (rollback.tokens > 0) {
                histories_.emplace_back(rollback.tokens, shape.kv_heads / lanes, shape.head_dim);
                histories_.back().reserve(lanes_.back());
            }
        }
    }

    // one token //////////////////////////////////////////////////////////////////////////////////////////////////////

    template <class... Turn>
    void step(Position position, Floats<const float> q, Floats<const float> k, Floats<const float> v, Floats<float> out,
              Workspace& work, Turn&... turn) {
        detail::Undoing undoing([this]() noexcept { drop_half_step(); });
        for (std::size_t h = 0; h < shape_.kv_heads; ++h) attend(h, q, k, v, out, work, turn...);
        decide(position, work);
        undoing.not_needed();
    }
    /// Stores the token's rows of one KV head and attends; see State::attend().
    void attend(std::size_t kv_head, Floats<const float> q, Floats<const float> k, Floats<const float> v,
                Floats<float> out, Workspace& work) {
        check_sizes(q, k, v, out);
        const bool last = kv_head + 1 == shape_.kv_heads;
        detail::Undoing undoing = store(kv_head, k, v);
        attend_to(heads_[kv_head].keys.view(), kv_head, q, out, last ? nullptr : heads_[kv_head + 1].keys.view().base,
                  work);
        undoing.not_needed();
    }
    template <class Turn>
    void attend(std::size_t kv_head, Floats<const float> q, Floats<const float> k, Floats<const float> v,
                Floats<float> out, Workspace& work, Turn& turn) {
        check_sizes(q, k, v, out);
        Rows<float>& turned = work.turned[kv_head];
        turned.reserve(heads_[kv_head].room());
        detail::Undoing undoing = store(kv_head, k, v);
        for (std::size_t row = 0; row <= lane(kv_head).size(); ++row) {
            const std::span<float> key = turned[row];
            heads_[kv_head].keys.read(row, key);
            turn(Slot(row), key);
        }
        attend_to(turned.view(), kv_head, q, out, static_cast<const float*>(nullptr), work);
        undoing.not_needed();
    }
    /// The token is appended, observed, and another evicted, in every lane.
    void decide(Position position, Workspace& work) {
        for (std::size_t h = 0; h < heads_.size(); ++h)
            MSRNN_ASSERT(attended_[h], "msrnn: decide() before attend() of every KV head");
        for (std::size_t i = 0; i < lanes_.size(); ++i)
            make_room(i, (std::min)(lanes_[i].size() + 1, lanes_[i].budget()) + 1);
        Buffer weights = work.weights_for(rows_with_room());
        keep_memory(work);
        std::size_t appended = 0;
        detail::Undoing undoing([&]() noexcept { take_back(appended, work); });
        for (; appended < lanes_.size();) {
            Lane<P>& lane = lanes_[appended];
            lane.append(position);
            ++appended;
            show(lane, (appended - 1) * heads_per_lane(), work);
            lane.evict();
        }
        undoing.not_needed();
        for (std::size_t i = 0; i < histories_.size(); ++i) histories_[i].end(lanes_[i]);
        work.use(weights);
        std::ranges::fill(attended_, std::uint8_t{0});
        ++tokens_;
    }
    /// Gives up a token that has attended and was not decided on.
    void drop_half_step() noexcept {
        for (std::size_t h = 0; h < heads_.size(); ++h) {
            if (attended_[h] != 0) put_back_rows(h);
            attended_[h] = 0;
        }
    }

    // back ///////////////////////////////////////////////////////////////////////////////////////////////////////////

    std::size_t reversible() const {
        std::size_t fewest = histories_.empty() ? 0 : unbounded;
        for (const History<P, Scalar>& history : histories_) fewest = (std::min)(fewest, history.steps());
        return fewest;
    }
    /// Takes back that many steps, of which there are so many, and a half step.
    void rollback(std::size_t steps) noexcept {
        drop_half_step();
        for (std::size_t i = 0; i < histories_.size(); ++i)
            for (std::size_t step = 0; step < steps; ++step) histories_[i].take_back(lanes_[i], heads_of(i));
        tokens_ -= steps;
    }

    // now and then ///////////////////////////////////////////////////////////////////////////////////////////////////

    void set_budget(std::size_t kv_head, std::size_t budget) {
        detail::refuse(misfit(kv_head, budget));
        const std::size_t i = lane_index(kv_head);
        const std::size_t capacity = with_rows({.budget = budget}).rows();
        Lane<P> lane = lanes_[i];
        if (capacity > lane.capacity()) lane.set_capacity(capacity);
        lane.set_budget(budget);
        lane.evict();
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
    std::string misfit(std::size_t kv_head, std::size_t budget) const {
        return lane(kv_head).misfit(budget, with_rows({.budget = budget}).rows());
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

    /// The lanes that go on from these records.
    std::vector<Lane<P>> restored(std::span<const LaneRecord> records) const {
        std::vector<Lane<P>> lanes = lanes_;
        for (std::size_t i = 0; i < lanes.size(); ++i) {
            lanes[i].restore(records[i]);
            lanes[i].reserve(lanes[i].size() + 1);
        }
        return lanes;
    }
    /// Goes on with them and with rows that have room for a token more, [kv_heads].
    void adopt(std::vector<Lane<P>>& lanes, std::span<HeadRows<Scalar>> rows, std::uint64_t tokens) noexcept {
        lanes_.swap(lanes);
        std::ranges::move(rows, heads_.begin());
        start_anew(tokens);
    }
    /// After this, assigning the other layer, which is like this one, allocates nothing.
    void make_room_for(const LayerCache& other) {
        for (std::size_t i = 0; i < lanes_.size(); ++i) lanes_[i].make_room_for(other.lanes_[i]);
        for (std::size_t h = 0; h < heads_.size(); ++h) heads_[h].make_room_for(other.heads_[h]);
        for (std::size_t i = 0; i < histories_.size(); ++i) histories_[i].make_room_for(other.histories_[i]);
    }
    bool is_like(const LayerCache& other) const {
        return lanes_.size() == other.lanes_.size() && heads_.size() == other.heads_.size() &&
               histories_.size() == other.histories_.size() && shape_.head_dim == other.shape_.head_dim &&
               (histories_.empty() || histories_[0].depth() == other.histories_[0].depth());
    }

    // to look at /////////////////////////////////////////////////////////////////////////////////////////////////////

    const Lane<P>& lane(std::size_t kv_head) const { return lanes_[lane_index(kv_head)]; }
    std::span<const Lane<P>> lanes() const { return lanes_; }
    std::span<const HeadRows<Scalar>> rows() const { return heads_; }
    std::size_t heads_per_lane() const { return heads_.size() / lanes_.size(); }
    /// Tokens that came since the start, less those taken back.
    std::uint64_t tokens() const { return tokens_; }
    bool between_steps() const {
        return std::ranges::none_of(attended_, [](std::uint8_t attended) { return attended != 0; });
    }
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
        return sum;
    }

private:
    friend class LayerPrompt<P, Scalar>;

    std::size_t lane_index(std::size_t kv_head) const {
        MSRNN_ASSERT(kv_head < heads_.size(), "msrnn: no such KV head");
        return kv_head / heads_per_lane();
    }
    std::span<HeadRows<Scalar>> heads_of(std::size_t lane) {
        return std::span(heads_).subspan(lane * heads_per_lane(), heads_per_lane());
    }

    void check_sizes(Floats<const float> q, Floats<const float> k, Floats<const float> v, Floats<float> out) const {
        const std::size_t queries = shape_.query_heads * shape_.head_dim, width = shape_.kv_heads * shape_.head_dim;
        if (q.size() == queries && out.size() == queries && k.size() == width && v.size() == width) return;
        detail::refuse(wrong_size("q", q.size(), queries, "[query_heads][head_dim]"));
        detail::refuse(wrong_size("out", out.size(), queries, "[query_heads][head_dim]"));
        detail::refuse(wrong_size("k", k.size(), width, "[kv_heads][head_dim]"));
        detail::refuse(wrong_size("v", v.size(), width, "[kv_heads][head_dim]"));
    }
    /// Writes the token's rows. What is returned puts back what was there, for the case that attention throws.
    auto store(std::size_t kv_head, Floats<const float> k, Floats<const float> v) {
        const std::size_t dim = shape_.head_dim;
        const Slot slot = lane(kv_head).next();
        const bool first_time = attended_[kv_head] == 0;
        if (first_time && !histories_.empty())
            histories_[lane_index(kv_head)].keep(kv_head % heads_per_lane(), heads_[kv_head], slot);
        heads_[kv_head].keys.write(slot, k.subspan(kv_head * dim, dim));
        heads_[kv_head].values.write(slot, v.subspan(kv_head * dim, dim));
        return detail::Undoing([this, kv_head, first_time]() noexcept {
            if (first_time) put_back_rows(kv_head);
        });
    }
    void put_back_rows(std::size_t kv_head) noexcept {
        if (!histories_.empty())
            histories_[lane_index(kv_head)].put_back(kv_head % heads_per_lane(), heads_[kv_head], lane(kv_head).next());
    }
    template <class Key>
    void attend_to(RowsView<Key> keys, std::size_t kv_head, Floats<const float> q, Floats<float> out, const Key* next,
                   Workspace& work) {
        const std::size_t dim = shape_.head_dim, first_query = kv_head * shape_.group();
        msrnn::attend(keys, heads_[kv_head].values.view(), lane(kv_head).size() + 1, dim, q.data() + first_query * dim,
                      shape_.group(), shape_.logit_scale(), work.weights(first_query), work.stride(),
                      out.data() + first_query * dim, next);
        attended_[kv_head] = 1;
    }

    /// Shows a lane's policy what its heads saw. Rows are those of its first KV head, read as floats.
    void show(Lane<P>& lane, std::size_t kv_head, Workspace& work) {
        const std::size_t query_heads = heads_per_lane() * shape_.group();
        lane.observe(work.weights(kv_head * shape_.group()), query_heads, work.stride());
        const auto floats = [&work](const Rows<Scalar>& rows, Slot slot) noexcept -> std::span<const float> {
            if constexpr (std::same_as<Scalar, float>) {
                return rows[slot];
            } else {
                rows.read(slot, work.row);
                return work.row;
            }
        };
        const HeadRows<Scalar>& head = heads_[kv_head];
        lane.observe(Keys{[&](Slot slot) noexcept { return floats(head.keys, slot); }});
        lane.observe(Values{[&](Slot slot) noexcept { return floats(head.values, slot); }});
    }

    /// Memory for so many rows of a lane in use.
    void make_room(std::size_t i, std::size_t rows) {
        lanes_[i].reserve(rows);
        for (HeadRows<Scalar>& head : heads_of(i))
            if (head.room() < rows) head.reserve((std::min)(lanes_[i].capacity(), (std::max)(rows, 2 * head.room())));
        if (!histories_.empty()) histories_[i].reserve(lanes_[i]);
    }
    /// A copy of all ratings and columns, where a step may be taken back.
    void keep_memory(Workspace& work) {
        for (std::size_t i = 0; i < histories_.size(); ++i) histories_[i].begin(lanes_[i]);
        if (!histories_.empty() || detail::hooks_never_throw<P>) return;
        std::size_t floats = 0;
        for (const Lane<P>& lane : lanes_) floats += lane.memory_floats();
        if (work.before.size() < floats) work.before.resize(floats);
        std::span<float> to = work.before;
        for (const Lane<P>& lane : lanes_) {
            lane.copy_memory(to);
            to = to.subspan(lane.memory_floats());
        }
    }
    /// The token that was appended to the first lanes has not come.
    void take_back(std::size_t appended, const Workspace& work) noexcept {
        if (histories_.empty() && detail::hooks_never_throw<P>) return;
        std::span<const float> before = work.before;
        for (std::size_t i = 0; i < appended; ++i) {
            const std::size_t floats = lanes_[i].memory_floats();
            lanes_[i].take_back(lanes_[i].last_step(), histories_.empty() ? before : histories_[i].memory());
            if (histories_.empty()) before = before.subspan(floats);
        }
    }

    /// The first `size` rows of a head after these moves, in memory for `room` rows.
    HeadRows<Scalar> moved(const HeadRows<Scalar>& head, std::size_t size, const std::vector<Move>& moves,
                           std::size_t room) const {
        const Rows<Scalar> none(room, shape_.head_dim);
        HeadRows<Scalar> rows{none, none};
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
    /// What came before cannot be taken back: rows may move, and a history knows of steps alone.
    void forget(std::size_t i) {
        if (histories_.empty()) return;
        histories_[i].forget();
        histories_[i].shrink(lanes_[i]);
    }
    void start_anew(std::uint64_t tokens) noexcept {
        for (std::size_t i = 0; i < lanes_.size(); ++i) forget(i);
        std::ranges::fill(attended_, std::uint8_t{0});
        tokens_ = tokens;
    }

    Shape shape_;
    std::vector<Lane<P>> lanes_;                 // [1 or kv_heads]
    std::vector<HeadRows<Scalar>> heads_;        // [kv_heads]
    std::vector<History<P, Scalar>> histories_;  // one for each lane, or none where nothing is to be taken back
    OwnVector<std::uint8_t> attended_;           // [kv_heads]: since the last decide()
    std::uint64_t tokens_ = 0;
};

}  // namespace msrnn::inline MSRNN_ABI
