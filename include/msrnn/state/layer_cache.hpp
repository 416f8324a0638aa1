// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../attention/attend.hpp"
#include "../config.hpp"
#include "../lane/lane.hpp"
#include "../rows/rows.hpp"
#include "floats.hpp"
#include "layer_rows.hpp"
#include "prompt.hpp"
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
class LayerCache : public LayerRows<P, Scalar> {
    using Held = LayerRows<P, Scalar>;
    using Held::lane_index, Held::heads_of, Held::put_back_rows, Held::rows_for, Held::make_room, Held::moved,
        Held::close_gaps, Held::forget, Held::start_anew;
    using Held::shape_, Held::lanes_, Held::heads_, Held::histories_, Held::attended_, Held::tokens_;

public:
    using Held::Held;

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
        for (std::size_t row = 0; row <= this->lane(kv_head).size(); ++row) {
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
        Buffer weights = work.weights_for(this->rows_with_room());
        keep_memory(work);
        std::size_t appended = 0;
        detail::Undoing undoing([&]() noexcept { take_back(appended, work); });
        for (; appended < lanes_.size();) {
            Lane<P>& lane = lanes_[appended];
            lane.append(position);
            ++appended;
            observe_and_evict(lane, (appended - 1) * this->heads_per_lane(), work);
        }
        undoing.not_needed();
        for (std::size_t i = 0; i < histories_.size(); ++i) histories_[i].end();
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

    void set_budget(std::size_t kv_head, std::size_t budget, Workspace& work) {
        detail::refuse(problem(kv_head, budget));
        const std::size_t i = lane_index(kv_head);
        const std::size_t capacity = rows_for(lanes_[i], budget);
        Lane<P> lane = lanes_[i];
        if (capacity > lane.capacity()) lane.set_capacity(capacity);
        lane.set_budget(budget);
        const std::size_t first_head = i * this->heads_per_lane();
        if (lane.size() > budget) lane.rate(keys(first_head, work), values(first_head, work));
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

    /// The lanes that go on from these records.
    std::vector<Lane<P>> restored(std::span<const LaneRecord> records) const {
        std::vector<Lane<P>> lanes = lanes_;
        for (std::size_t i = 0; i < lanes.size(); ++i) {
            if (records[i].budget == unbounded)
                lanes[i].set_capacity((std::max)(lanes[i].capacity(), records[i].extent() + 1));
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

private:
    friend class LayerPrompt<P, Scalar>;

    void check_sizes(Floats<const float> q, Floats<const float> k, Floats<const float> v, Floats<float> out) const {
        const std::size_t queries = shape_.query_heads * shape_.head_dim, width = shape_.kv_heads * shape_.head_dim;
        if (q.size() == queries && out.size() == queries && k.size() == width && v.size() == width) return;
        detail::refuse(size_problem("q", q.size(), queries, "[query_heads][head_dim]"));
        detail::refuse(size_problem("out", out.size(), queries, "[query_heads][head_dim]"));
        detail::refuse(size_problem("k", k.size(), width, "[kv_heads][head_dim]"));
        detail::refuse(size_problem("v", v.size(), width, "[kv_heads][head_dim]"));
    }
    /// Writes the token's rows. What is returned puts back what was there, for the case that attention throws.
    auto store(std::size_t kv_head, Floats<const float> k, Floats<const float> v) {
        const std::size_t dim = shape_.head_dim;
        const Slot slot = this->lane(kv_head).next();
        const bool first_time = attended_[kv_head] == 0;
        if (first_time && !histories_.empty())
            histories_[lane_index(kv_head)].keep(kv_head % this->heads_per_lane(), heads_[kv_head], slot);
        heads_[kv_head].keys.write(slot, k.subspan(kv_head * dim, dim));
        heads_[kv_head].values.write(slot, v.subspan(kv_head * dim, dim));
        return detail::Undoing([this, kv_head, first_time]() noexcept {
            if (first_time) put_back_rows(kv_head);
        });
    }
    template <class Key>
    void attend_to(RowsView<Key> keys, std::size_t kv_head, Floats<const float> q, Floats<float> out, const Key* next,
                   Workspace& work) {
        const std::size_t dim = shape_.head_dim, first_query = kv_head * shape_.group();
        const AttentionSettings settings{.query_heads = shape_.group(), .head_dim = dim, .scale = shape_.logit_scale()};
        msrnn::attend(keys, heads_[kv_head].values.view(), this->lane(kv_head).size() + 1, settings,
                      q.data() + first_query * dim, work.weights(first_query), work.stride(),
                      out.data() + first_query * dim, next);
        if ((this->lane(kv_head).facts().needs.at_observe & Query::bit) != 0)
            std::copy_n(q.data() + first_query * dim, shape_.group() * dim, work.queries(first_query));
        attended_[kv_head] = 1;
    }

    /// Shows a lane's policy what its heads saw. Rows are those of its first KV head, read as floats.
    void observe_and_evict(Lane<P>& lane, std::size_t kv_head, Workspace& work) {
        const std::size_t first_query = kv_head * shape_.group(), query_heads = this->heads_per_lane() * shape_.group();
        const Attention seen{.weights = work.weights(first_query),
                             .query_heads = query_heads,
                             .slots = lane.extent(),
                             .stride = work.stride()};
        const Query query{.first = work.queries(first_query), .query_heads = query_heads, .head_dim = shape_.head_dim};
        lane.observe(seen, query, keys(kv_head, work), values(kv_head, work));
        lane.evict(keys(kv_head, work), values(kv_head, work));
    }
    Keys keys(std::size_t kv_head, Workspace& work) const {
        return Keys([&rows = heads_[kv_head].keys, &work](Slot slot) noexcept { return floats(rows, slot, work); });
    }
    Values values(std::size_t kv_head, Workspace& work) const {
        return Values([&rows = heads_[kv_head].values, &work](Slot slot) noexcept { return floats(rows, slot, work); });
    }
    static std::span<const float> floats(const Rows<Scalar>& rows, Slot slot, Workspace& work) {
        if constexpr (std::same_as<Scalar, float>) {
            return rows[slot];
        } else {
            rows.read(slot, work.row);
            return work.row;
        }
    }

    bool hooks_may_throw() const { return lanes_[0].facts().observe_may_throw || lanes_[0].facts().rate_may_throw; }
    /// A checkpoint of each lane, where a step may be taken back or a hook may throw.
    void keep_memory(Workspace& work) {
        for (std::size_t i = 0; i < histories_.size(); ++i) histories_[i].begin(lanes_[i]);
        if (!histories_.empty() || !hooks_may_throw()) return;
        while (work.before.size() < lanes_.size()) work.before.emplace_back();
        for (std::size_t i = 0; i < lanes_.size(); ++i) lanes_[i].checkpoint(work.before[i]);
    }
    /// The token that was appended to the first lanes has not come.
    void take_back(std::size_t appended, const Workspace& work) noexcept {
        if (histories_.empty() && !hooks_may_throw()) return;
        for (std::size_t i = 0; i < appended; ++i)
            lanes_[i].restore(histories_.empty() ? work.before[i] : histories_[i].checkpoint());
    }
};

}  // namespace msrnn::inline MSRNN_ABI
