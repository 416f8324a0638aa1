// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>

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
    using Held::shape_, Held::lanes_, Held::heads_, Held::histories_, Held::prompt_, Held::attended_, Held::tokens_,
        Held::waits_for_, Held::read_, Held::parts_, Held::parts_before_;

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
    void fit(Workspace& work) const { work.fit(shape_, this->rows_with_room(), rows_are_float); }

    /// Stores the token's rows of one KV head and attends; see State::attend().
    void attend(std::size_t kv_head, Position position, Floats<const float> q, Floats<const float> k,
                Floats<const float> v, Floats<float> out, Workspace& work) {
        check_sizes(q, k, v, out);
        const bool last = kv_head + 1 == shape_.kv_heads;
        detail::Undoing undoing = store(kv_head, k, v);
        attend_to(heads_[kv_head].keys.view(), shape_, kv_head, position, q, out,
                  last ? nullptr : heads_[kv_head + 1].keys.view().base, work);
        attended_[kv_head] = 1;
        undoing.not_needed();
    }
    template <class Turn>
    void attend(std::size_t kv_head, Position position, Floats<const float> q, Floats<const float> k,
                Floats<const float> v, Floats<float> out, Workspace& work, Turn& turn) {
        check_sizes(q, k, v, out);
        turned_room(kv_head, work);
        detail::Undoing undoing = store(kv_head, k, v);
        attend_to(turned_keys(kv_head, work, turn), shape_, kv_head, position, q, out,
                  static_cast<const float*>(nullptr), work);
        attended_[kv_head] = 1;
        undoing.not_needed();
    }
    /// The token is appended, observed, and another evicted, in every lane.
    void decide(Position position, Workspace& work) {
        for (std::size_t h = 0; h < heads_.size(); ++h)
            MSRNN_ASSERT(attended_[h], "msrnn: decide() before attend() of every KV head");
        for (std::size_t i = 0; i < lanes_.size(); ++i)
            make_room(i, (std::min)(lanes_[i].size() + 1, lanes_[i].budget()) + 1);
        Workspace::Room room = work.room_for(this->rows_with_room());
        keep_memory(work);
        std::size_t appended = 0;
        detail::Undoing undoing([&]() noexcept { take_back(appended, work); });
        for (; appended < lanes_.size();) {
            Lane<P>& lane = lanes_[appended];
            lane.append(position);
            ++appended;
            show(lane, (appended - 1) * this->heads_per_lane(), work);
            lane.evict();
        }
        undoing.not_needed();
        for (std::size_t i = 0; i < histories_.size(); ++i) histories_[i].end(lanes_[i]);
        if (prompt_ != nullptr && this->steps_since() == histories_.front().depth()) prompt_.reset();  // out of reach
        work.use(room);
        std::ranges::fill(attended_, std::uint8_t{0});
        waits_for_ = no_layer;
        ++tokens_;
    }

    // Layers that read these rows, between attend() and the decision; see LayerShape::reads.

    /// Keeps what this layer's heads saw: the decision waits for that layer.
    void wait_for(std::size_t reader, Workspace& work) {
        for (std::size_t h = 0; h < heads_.size(); ++h)
            MSRNN_ASSERT(attended_[h], "msrnn: decide() before attend() of every KV head");
        parts_.resize(lanes_.size());
        for (std::size_t i = 0; i < lanes_.size(); ++i) {
            parts_[i].start(lanes_[i].size() + 1);
            add_weights(i, shape_, work);
        }
        waits_for_ = reader;
    }
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
    void drop_read() noexcept { std::ranges::fill(read_, std::uint8_t{0}); }

    /// Gives up a token that has attended and was not decided on.
    void drop_half_step() noexcept {
        for (std::size_t h = 0; h < heads_.size(); ++h) {
            if (attended_[h] != 0) put_back_rows(h);
            attended_[h] = 0;
        }
        waits_for_ = no_layer;
        drop_read();
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
    void turned_room(std::size_t kv_head, Workspace& work) const {
        const std::size_t floats = heads_[kv_head].room() * shape_.head_dim;
        if (work.turned[kv_head].size() < floats) work.turned[kv_head].resize(floats);
    }
    template <class Turn>
    RowsView<float> turned_keys(std::size_t kv_head, Workspace& work, Turn& turn) const {
        const std::size_t dim = shape_.head_dim;
        float* const turned = work.turned[kv_head].data();
        for (std::size_t row = 0; row <= this->lane(kv_head).size(); ++row) {
            const std::span<float> key(turned + row * dim, dim);
            heads_[kv_head].keys.read(row, key);
            turn(Slot(row), key);
        }
        return {turned, dim};
    }
    /// The query heads of this layer, or of one that reads its rows.
    template <class Key>
    void attend_to(RowsView<Key> keys, const LayerShape& shape, std::size_t kv_head, Position position,
                   Floats<const float> q, Floats<float> out, const Key* next, Workspace& work) {
        const std::size_t first_query = kv_head * shape.group(), n = this->lane(kv_head).size() + 1;
        AttentionSettings settings = shape.settings(kv_head);
        if (shape.window != 0) settings.seen_by = seen_from(position, kv_head, shape.window, work);
        msrnn::attend(keys, heads_[kv_head].values.view(), n, settings, q.data() + first_query * shape.head_dim,
                      work.weights(first_query), work.stride(), out.data() + first_query * shape.value_width(), next);
    }
    /// Which rows lie in the window of a query at this position; nullptr where all do.
    const std::uint32_t* seen_from(Position position, std::size_t kv_head, std::size_t window, Workspace& work) const {
        const Lane<P>& lane = this->lane(kv_head);
        std::uint32_t* const seen = work.seen_by(kv_head);
        bool all = true;
        for (std::size_t row = 0; row <= lane.size(); ++row) {
            const bool sees =
                row == lane.next() || detail::in_window(detail::distance(position, lane.position(Slot(row))), window);
            seen[row] = sees;
            all = all && sees;
        }
        return all ? nullptr : seen;
    }
    /// What the heads of this layer, or of one that reads its rows, saw in a lane.
    void add_weights(std::size_t lane, const LayerShape& shape, Workspace& work) {
        const std::size_t query_heads = this->heads_per_lane() * shape.group();
        parts_[lane].add({.weights = work.weights(lane * query_heads),
                          .query_heads = query_heads,
                          .slots = lanes_[lane].size() + 1,
                          .stride = work.stride()});
    }

    /// Shows a lane's policy what its heads saw. Rows are those of its first KV head, read as floats.
    void show(Lane<P>& lane, std::size_t kv_head, Workspace& work) {
        if (waits_for_ != no_layer)
            lane.observe(parts_[lane_index(kv_head)].whole());
        else
            lane.observe(work.weights(kv_head * shape_.group()), this->heads_per_lane() * shape_.group(),
                         work.stride());
        const auto floats = [&](const Rows<Scalar>& rows, Slot slot) noexcept -> std::span<const float> {
            if constexpr (rows_are_float) {
                return rows[slot];
            } else {
                const std::span<float> row = std::span(work.row).first(rows[slot].size());
                rows.read(slot, row);
                return row;
            }
        };
        const HeadRows<Scalar>& head = heads_[kv_head];
        lane.observe(Keys{[&](Slot slot) noexcept { return floats(head.keys, slot); }});
        lane.observe(Values{[&](Slot slot) noexcept { return floats(head.values, slot); }});
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
};

}  // namespace msrnn::inline MSRNN_ABI
