// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../attention/attend.hpp"
#include "../config.hpp"
#include "../lane/lane.hpp"
#include "../rows/rows.hpp"
#include "floats.hpp"
#include "layer_rows.hpp"
#include "prompt.hpp"
#include "undoing.hpp"
#include "window.hpp"
#include "workspace.hpp"

namespace msrnn::inline MSRNN_ABI {

/// A layer that takes tokens one at a time.
///
/// There is always memory for one token more, so that attend() allocates nothing. Whatever may throw comes before the
/// first change, or is undone: a call that throws leaves the layer as it was.
template <class P, StoredScalar Scalar>
class LayerSteps : public LayerRows<P, Scalar> {
    using Held = LayerRows<P, Scalar>;

protected:
    using Held::lane_index, Held::heads_of, Held::put_back_rows, Held::make_room, Held::rows_are_float;
    using Held::shape_, Held::lanes_, Held::heads_, Held::histories_, Held::prompt_, Held::attended_, Held::tokens_;

public:
    using Held::Held;

    /// Appends the token's key and value, attends, and lets the policy evict one. With a `turn`, see State::step().
    template <class... Turn>
    void step(Position position, Floats<const float> q, Floats<const float> k, Floats<const float> v, Floats<float> out,
              Workspace& work, Turn&... turn) {
        fit(work);
        detail::Undoing undoing([this]() noexcept { drop_half_step(); });
        for (std::size_t h = 0; h < shape_.kv_heads; ++h) attend(h, position, q, k, v, out, work, turn...);
        decide(position, work);
        undoing.not_needed();
    }
    /// Makes a workspace fit this layer; before heads attend on threads of their own.
    void fit(Workspace& work) const {
        work.fit(shape_, this->rows_with_room(), rows_are_float, masks());
        if (observes_queries() && work.queries.size() < shape_.query_numbers())
            work.queries.resize(shape_.query_numbers());
    }

    /// Stores the token's rows of one KV head and attends; see State::attend().
    void attend(std::size_t kv_head, Position position, Floats<const float> q, Floats<const float> k,
                Floats<const float> v, Floats<float> out, Workspace& work) {
        check_sizes(q, k, v, out);
        const bool last = kv_head + 1 == shape_.kv_heads;
        detail::Undoing undoing = store(kv_head, k, v);
        attend_to(heads_[kv_head].keys.view(), kv_head, position, q, out,
                  last ? nullptr : heads_[kv_head + 1].keys.view().base, work);
        undoing.not_needed();
    }
    template <class Turn>
    void attend(std::size_t kv_head, Position position, Floats<const float> q, Floats<const float> k,
                Floats<const float> v, Floats<float> out, Workspace& work, Turn& turn) {
        check_sizes(q, k, v, out);
        const std::size_t dim = shape_.head_dim;
        Buffer& turned = work.turned[kv_head];
        if (turned.size() < heads_[kv_head].room() * dim) turned.resize(heads_[kv_head].room() * dim);
        detail::Undoing undoing = store(kv_head, k, v);
        for (std::size_t row = 0; row < rows_walked(kv_head); ++row) {
            if (Slot(row) != this->lane(kv_head).next() && !this->lane(kv_head).live(Slot(row))) continue;
            const std::span<float> key(turned.data() + row * dim, dim);
            heads_[kv_head].keys.read(row, key);
            turn(Slot(row), key);
        }
        attend_to(RowsView<float>{turned.data(), dim}, kv_head, position, q, out, static_cast<const float*>(nullptr),
                  work);
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
        begin_choice(work);
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
        end_choice(room, work);
        for (std::size_t i = 0; i < lanes_.size(); ++i)
            if (lanes_[i].extent() > lanes_[i].size() + 1 && !masks()) this->close_gaps(i);
    }

private:
    template <class SeenBy>
    void decide_by(Position position, Workspace& work, SeenBy seen_by) {
        for (std::size_t i = 0; i < lanes_.size(); ++i) make_room(i, rows_after_step(lanes_[i]));
        Workspace::Room room = work.room_for(this->rows_with_room());
        begin_choice(work);
        std::size_t appended = 0;
        detail::Undoing undoing([&]() noexcept { take_back(appended, work); });
        while (appended < lanes_.size()) {
            const std::size_t i = appended;
            append_and_observe(i, position, seen_by(i), work, appended);
            lanes_[i].evict(keys_of(i, work), values_of(i, work));
        }
        undoing.not_needed();
        end_choice(room, work);
    }
    void begin_choice(Workspace& work) {
        for (std::size_t h = 0; h < heads_.size(); ++h)
            MSRNN_ASSERT(attended_[h], "msrnn: decide() before attend() of every KV head");
        keep_memory(work);
    }
    void end_choice(Workspace::Room& room, Workspace& work) {
        for (std::size_t i = 0; i < histories_.size(); ++i) histories_[i].end();
        if (prompt_ != nullptr && this->steps_since() == histories_.front().depth()) prompt_.reset();  // out of reach
        work.use(room);
        std::ranges::fill(attended_, std::uint8_t{0});
        ++tokens_;
    }

public:
    /// Gives up a token that has attended and was not decided on.
    void drop_half_step() noexcept {
        for (std::size_t h = 0; h < heads_.size(); ++h) {
            if (attended_[h] != 0) put_back_rows(h);
            attended_[h] = 0;
        }
    }

private:
    void check_sizes(Floats<const float> q, Floats<const float> k, Floats<const float> v, Floats<float> out) const {
        if (q.size() == shape_.query_numbers() && out.size() == shape_.out_numbers() &&
            k.size() == shape_.key_numbers() && v.size() == shape_.value_numbers())
            return;
        const char* const width = shape_.value_dim != 0 ? "value_dim]" : "head_dim]";
        detail::refuse(size_problem("q", q.size(), shape_.query_numbers(), "[query_heads][head_dim]"));
        detail::refuse(size_problem("out", out.size(), shape_.out_numbers(), std::string("[query_heads][") + width));
        detail::refuse(size_problem("k", k.size(), shape_.key_numbers(), "[kv_heads][head_dim]"));
        detail::refuse(size_problem("v", v.size(), shape_.value_numbers(), std::string("[kv_heads][") + width));
    }
    /// Writes the token's rows. What is returned puts back what was there, for the case that attention throws.
    auto store(std::size_t kv_head, Floats<const float> k, Floats<const float> v) {
        const Slot slot = this->lane(kv_head).next();
        const bool first_time = attended_[kv_head] == 0;
        if (first_time && !histories_.empty())
            histories_[lane_index(kv_head)].keep(kv_head % this->heads_per_lane(), heads_[kv_head], slot);
        heads_[kv_head].keys.write(slot, k.subspan(kv_head * shape_.head_dim, shape_.head_dim));
        heads_[kv_head].values.write(slot, v.subspan(kv_head * shape_.value_width(), shape_.value_width()));
        return detail::Undoing([this, kv_head, first_time]() noexcept {
            if (first_time) put_back_rows(kv_head);
        });
    }
    template <class Key>
    void attend_to(RowsView<Key> keys, std::size_t kv_head, Position position, Floats<const float> q, Floats<float> out,
                   const Key* next, Workspace& work) {
        const std::size_t first_query = kv_head * shape_.group(), n = rows_walked(kv_head);
        AttentionSettings settings = settings_of(shape_, kv_head);
        if (masks()) settings.seen_by = seen_from(position, kv_head, work);
        msrnn::attend(keys, heads_[kv_head].values.view(), n, settings, q.data() + first_query * shape_.head_dim,
                      work.weights(first_query), work.stride(), out.data() + first_query * shape_.value_width(), next);
        if (observes_queries())
            std::copy_n(q.data() + first_query * shape_.head_dim, shape_.group() * shape_.head_dim,
                        work.queries.data() + first_query * shape_.head_dim);
        attended_[kv_head] = 1;
    }
    bool observes_queries() const { return (lanes_[0].facts().needs.at_observe & Query::bit) != 0; }
    /// Rows that attention walks, that of the newest token included.
    std::size_t rows_walked(std::size_t kv_head) const {
        const Lane<P>& lane = this->lane(kv_head);
        return (std::max)(lane.extent(), lane.next() + std::size_t{1});
    }
    /// Rows that are needed when the next token of the lane is stored, and the one after it.
    static std::size_t rows_after_step(const Lane<P>& lane) {
        const std::size_t rows = (std::max)(lane.extent(), lane.next() + std::size_t{1});
        const bool due = lane.size() + 1 > lane.budget() && lane.size() + 1 - lane.budget() > lane.slack();
        return rows + (rows == lane.size() + 1 && !due);
    }
    /// Whether rows may have to be hidden: those outside a window, and vacancies where several tokens are evicted.
    bool masks() const { return shape_.window != 0 || lanes_[0].slack() != 0; }
    /// Which rows a query at this position sees; nullptr where all.
    const std::uint32_t* seen_from(Position position, std::size_t kv_head, Workspace& work) const {
        const Lane<P>& lane = this->lane(kv_head);
        const std::size_t rows = rows_walked(kv_head);
        std::uint32_t* const seen = work.seen_by(kv_head);
        bool all = true;
        for (std::size_t row = 0; row < rows; ++row) {
            const Slot slot(row);
            const bool sees = slot == lane.next() ||
                              (lane.live(slot) &&
                               (shape_.window == 0 ||
                                detail::in_window(detail::distance(position, lane.position(slot)), shape_.window)));
            seen[row] = sees;
            all = all && sees;
        }
        return all ? nullptr : seen;
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
        if (observes_queries()) {
            const std::size_t query_heads = this->heads_per_lane() * shape_.group();
            query = {.first = work.queries.data() + i * query_heads * shape_.head_dim,
                     .query_heads = query_heads,
                     .head_dim = shape_.head_dim};
        }
        lanes_[i].observe(seen, query, keys_of(i, work), values_of(i, work));
    }
    /// The weights of the token that attends, over the rows of a lane.
    Attention attention_of(std::size_t i, Workspace& work) const {
        const std::size_t query_heads = this->heads_per_lane() * shape_.group();
        return {.weights = work.weights(i * query_heads),
                .query_heads = query_heads,
                .slots = rows_walked(i * this->heads_per_lane()),
                .stride = work.stride()};
    }
    Keys keys_of(std::size_t i, Workspace& work) const { return this->keys(i * this->heads_per_lane(), work); }
    Values values_of(std::size_t i, Workspace& work) const { return this->values(i * this->heads_per_lane(), work); }

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
