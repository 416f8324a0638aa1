// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../config.hpp"
#include "../lane/lane.hpp"
#include "../rows/rows.hpp"
#include "floats.hpp"
#include "layer_attention.hpp"
#include "undoing.hpp"
#include "workspace.hpp"

namespace msrnn::inline MSRNN_ABI {

/// A layer that takes tokens one at a time.
///
/// There is always memory for one token more, so that attend() allocates nothing. Whatever may throw comes before the
/// first change, or is undone: a call that throws leaves the layer as it was.
template <class P, StoredScalar Scalar>
class LayerSteps : public LayerAttention<P, Scalar> {
    using Held = LayerAttention<P, Scalar>;

protected:
    using Held::lane_index, Held::heads_of, Held::put_back_rows, Held::make_room, Held::rows_walked, Held::masks,
        Held::observes_queries, Held::observes_outputs, Held::attend_to, Held::turned_keys, Held::turned_room;
    using Held::shape_, Held::lanes_, Held::heads_, Held::histories_, Held::prompt_, Held::attended_, Held::tokens_,
        Held::waits_for_, Held::read_, Held::waiting_, Held::parts_, Held::parts_before_;

public:
    using Held::Held;

    /// Appends the token's key and value, attends, and lets the policy evict one. With a `turn`, see State::step().
    template <class... Turn>
    void step(Position position, Floats<const float> q, Floats<const float> k, Floats<const float> v, Floats<float> out,
              Workspace& work, Turn&... turn) {
        this->fit(work);
        detail::Undoing undoing([this]() noexcept { drop_half_step(); });
        for (std::size_t h = 0; h < shape_.kv_heads; ++h) this->attend(h, position, q, k, v, out, work, turn...);
        decide(position, work);
        undoing.not_needed();
    }
    /// The token is appended, observed, and another evicted, in every lane.
    void decide(Position position, Workspace& work) {
        decide_by(position, work, [&](std::size_t i) { return attention_of(i, work); });
    }
    /// The same by weights that come from outside, [lanes of the layer].
    void decide(Position position, std::span<const Attention> seen, Workspace& work) {
        if (seen.size() != lanes_.size())
            detail::refuse("msrnn: weights of " + detail::text(seen.size()) + " lanes; give them for the " +
                           detail::text(lanes_.size()) + " of the layer");
        decide_by(position, work, [&](std::size_t i) { return seen[i]; });
    }
    /// The same with a rule between the halves of the choice, where a lane is due: rule(std::span<Lane<P>>) may read
    /// ratings and set budgets.
    template <std::invocable<std::span<Lane<P>>> Rule>
    void decide(Position position, Rule rule, Workspace& work) {
        std::vector<Lane<P>> before = lanes_;
        detail::Undoing undoing([&]() noexcept { lanes_.swap(before); });
        begin_choice(work, false);
        for (std::size_t i = 0; i < lanes_.size(); ++i) append_and_observe(i, position, attention_of(i, work), work);
        if (std::ranges::any_of(lanes_, &Lane<P>::due)) {
            for (std::size_t i = 0; i < lanes_.size(); ++i) lanes_[i].rate(keys_of(i, work), values_of(i, work));
            rule(std::span(lanes_));
            for (Lane<P>& lane : lanes_) lane.evict_rated();
        } else {
            for (Lane<P>& lane : lanes_) lane.evict(std::span<const Slot>());
        }
        for (std::size_t i = 0; i < lanes_.size(); ++i) make_room(i, lanes_[i].next() + std::size_t{1});
        Workspace::Room room = work.room_for(this->rows_with_room());
        undoing.not_needed();
        work.use(room);
        end_choice();
        for (std::size_t i = 0; i < lanes_.size(); ++i)
            if (lanes_[i].extent() > lanes_[i].size() + 1 && !masks()) this->close_gaps(i);
    }

    // A decision in parts, for layers that take one together; see Scope::model.

    /// Memory for the token that attends, and the next one. Whatever else may throw is undone by take_back().
    void make_room_for_next() {
        for (std::size_t i = 0; i < lanes_.size(); ++i) make_room(i, rows_after_step(lanes_[i]));
    }
    /// Whether a choice may have to be undone. Rows that are stored here never throw.
    bool hooks_may_throw() const {
        const Facts& policy = lanes_[0].facts();
        return policy.observe_may_throw || (policy.rate_may_throw && !policy.rows_alone_throw);
    }
    /// Keeps what take_back() needs, where it may be called, from the checkpoint `first` of the workspace on.
    void begin_choice(Workspace& work, bool may_be_taken_back, std::size_t first = 0) {
        for (std::size_t h = 0; h < heads_.size(); ++h)
            MSRNN_ASSERT(attended_[h], "msrnn: decide() before attend() of every KV head");
        for (std::size_t i = 0; i < histories_.size(); ++i) histories_[i].begin(lanes_[i]);
        if (!histories_.empty() || !may_be_taken_back) return;
        while (work.before.size() < first + lanes_.size()) work.before.emplace_back();
        for (std::size_t i = 0; i < lanes_.size(); ++i) lanes_[i].checkpoint(work.before[first + i]);
    }
    /// Every lane appends, observes what seen_by(lane) says, and evicts; or none does, where a hook throws.
    template <class SeenBy>
    void choose(Position position, Workspace& work, SeenBy seen_by, std::size_t first = 0) {
        std::size_t appended = 0;
        detail::Undoing undoing([&]() noexcept { take_back(appended, work, first); });
        while (appended < lanes_.size()) {
            const std::size_t i = appended;
            if (i + 1 < lanes_.size()) lanes_[i + 1].prefetch();
            append_and_observe(i, position, seen_by(i), work, appended);
            lanes_[i].evict(keys_of(i, work), values_of(i, work));
        }
        undoing.not_needed();
    }
    /// Undoes the append of the token to the first lanes.
    void take_back(std::size_t appended, const Workspace& work, std::size_t first = 0) noexcept {
        if (histories_.empty() && work.before.size() < first + appended) return;
        for (std::size_t i = 0; i < appended; ++i)
            lanes_[i].restore(histories_.empty() ? work.before[first + i] : histories_[i].checkpoint());
    }
    /// The token is decided on.
    void end_choice() noexcept {
        for (std::size_t i = 0; i < histories_.size(); ++i) histories_[i].end();
        if (!prompt_.empty() && this->steps_since() == histories_.front().depth()) prompt_.reset();  // out of reach
        std::ranges::fill(attended_, std::uint8_t{0});
        waits_for_ = no_layer;
        ++tokens_;
    }
    /// The weights of the token that attends, over the rows of a lane.
    Attention attention_of(std::size_t i, Workspace& work) const {
        if (waits_for_ != no_layer) return parts_[i].whole();
        const std::size_t query_heads = this->heads_per_lane() * shape_.group();
        return {.weights = work.weights(i * query_heads),
                .query_heads = query_heads,
                .slots = rows_walked(i * this->heads_per_lane()),
                .stride = work.stride()};
    }

private:
    template <class SeenBy>
    void decide_by(Position position, Workspace& work, SeenBy seen_by) {
        make_room_for_next();
        Workspace::Room room = work.room_for(this->rows_with_room());
        begin_choice(work, hooks_may_throw());
        choose(position, work, seen_by);
        work.use(room);
        end_choice();
    }

public:
    // Layers that read these rows, between attend() and the decision; see LayerShape::reads.

    /// Keeps what this layer's heads saw: the decision waits for that layer.
    void wait_for(std::size_t reader, Workspace& work) {
        for (std::size_t h = 0; h < heads_.size(); ++h)
            MSRNN_ASSERT(attended_[h], "msrnn: decide() before attend() of every KV head");
        parts_.resize(lanes_.size());
        for (std::size_t i = 0; i < lanes_.size(); ++i) {
            parts_[i].start(rows_walked(i * this->heads_per_lane()));
            add_weights(i, shape_, work);
        }
        waits_for_ = reader;
    }
    /// Weights of another layer, where one decision is taken for both; and what undoes it.
    void join(const Attention& seen) {
        parts_before_ = parts_;
        parts_.front().add(seen);
    }
    /// Undoes join().
    void unjoin() noexcept { parts_.swap(parts_before_); }
    /// The decision waits for this layer.
    void wait_as_well(std::size_t next) { waits_for_ = next; }
    /// The query heads of the layer that reads next, which belong to this KV head.
    template <class... Turn>
    void read(const LayerShape& reader, std::size_t kv_head, Position position, Floats<const float> q,
              Floats<float> out, Workspace& work, Turn&... turn) {
        if constexpr (sizeof...(Turn) == 0) {
            attend_to(heads_[kv_head].keys.view(), reader, kv_head, position, q, out,
                      static_cast<const Scalar*>(nullptr), work);
        } else {
            turned_room(kv_head, work);
            attend_to(turned_keys(kv_head, work, turn...), reader, kv_head, position, q, out,
                      static_cast<const float*>(nullptr), work);
        }
        read_[kv_head] = 1;
    }
    /// All its heads have. Another layer is next, or there is none and the token is decided on.
    void end_read(const LayerShape& reader, std::size_t next, Position position, Workspace& work) {
        for (std::size_t h = 0; h < heads_.size(); ++h)
            MSRNN_ASSERT(read_[h], "msrnn: decide() before attend() of every KV head");
        parts_before_ = parts_;
        detail::Undoing undoing([this]() noexcept { parts_.swap(parts_before_); });
        for (std::size_t i = 0; i < lanes_.size(); ++i) add_weights(i, reader, work);
        if (next == no_layer) decide(position, work);
        undoing.not_needed();
        waits_for_ = next;
        drop_read();
    }
    /// Gives up what this layer's readers have attended to.
    void drop_read() noexcept { std::ranges::fill(read_, std::uint8_t{0}); }

    /// Gives up a token, or a prompt, that has attended and was not decided on.
    void drop_half_step() noexcept {
        for (std::size_t h = 0; h < heads_.size(); ++h) {
            if (attended_[h] != 0) put_back_rows(h);
            attended_[h] = 0;
        }
        waits_for_ = no_layer;
        waiting_.reset();
        drop_read();
    }

private:
    /// What the heads of this layer, or of one that reads its rows, saw in a lane.
    void add_weights(std::size_t lane, const LayerShape& shape, Workspace& work) {
        const std::size_t query_heads = this->heads_per_lane() * shape.group();
        parts_[lane].add({.weights = work.weights(lane * query_heads),
                          .query_heads = query_heads,
                          .slots = rows_walked(lane * this->heads_per_lane()),
                          .stride = work.stride()});
    }

    /// Rows that are needed when the next token of the lane is stored, and the one after it.
    static std::size_t rows_after_step(const Lane<P>& lane) {
        const std::size_t rows = (std::max)(lane.extent(), lane.next() + std::size_t{1});
        const bool due = lane.size() + 1 > lane.budget() && lane.size() + 1 - lane.budget() > lane.slack();
        return rows + (rows == lane.size() + 1 && !due);
    }
    void append_and_observe(std::size_t i, Position position, const Attention& seen, Workspace& work) {
        std::size_t appended = 0;
        append_and_observe(i, position, seen, work, appended);
    }
    /// Shows a lane's policy what its heads saw. Rows are those of its first KV head, read as floats. Counts the token
    /// as appended before the policy may throw.
    void append_and_observe(std::size_t i, Position position, const Attention& seen, Workspace& work,
                            std::size_t& appended) {
        lanes_[i].append(position);
        ++appended;
        Query query;
        Outputs outputs;
        const std::size_t query_heads = this->heads_per_lane() * shape_.group();
        if (observes_queries())
            query = {.first = work.queries.data() + i * query_heads * shape_.head_dim,
                     .query_heads = query_heads,
                     .head_dim = shape_.head_dim};
        if (observes_outputs())
            outputs = {.first = work.outputs.data() + i * query_heads * shape_.value_width(),
                       .query_heads = query_heads,
                       .value_dim = shape_.value_width()};
        lanes_[i].observe(seen, query, outputs, keys_of(i, work), values_of(i, work));
    }
    Keys keys_of(std::size_t i, Workspace& work) const { return this->keys(i * this->heads_per_lane(), work); }
    Values values_of(std::size_t i, Workspace& work) const { return this->values(i * this->heads_per_lane(), work); }
};

}  // namespace msrnn::inline MSRNN_ABI
