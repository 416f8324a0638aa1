// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
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

/// A layer that attends: the rows of the newest token are stored, and its queries see all rows. What follows is the
/// decision, see LayerSteps.
template <class P, StoredScalar Scalar>
class LayerAttention : public LayerRows<P, Scalar> {
    using Held = LayerRows<P, Scalar>;

protected:
    using Held::lane_index, Held::put_back_rows, Held::rows_are_float;
    using Held::shape_, Held::lanes_, Held::heads_, Held::histories_, Held::attended_;

public:
    using Held::Held;

    /// Makes a workspace fit this layer; before heads attend on threads of their own.
    void fit(Workspace& work) const {
        work.fit(shape_, this->rows_with_room(), rows_are_float, masks());
        if (observes_queries() && work.queries.size() < shape_.query_numbers())
            work.queries.resize(shape_.query_numbers());
        if (observes_outputs() && work.outputs.size() < shape_.out_numbers()) work.outputs.resize(shape_.out_numbers());
    }

    /// Stores the token's rows of one KV head and attends; see State::attend().
    void attend(std::size_t kv_head, Position position, Floats<const float> q, Floats<const float> k,
                Floats<const float> v, Floats<float> out, Workspace& work) {
        check_sizes(q, k, v, out);
        const bool last = kv_head + 1 == shape_.kv_heads;
        detail::Undoing undoing = store(kv_head, k, v);
        if (last)  // decisions follow
            for (const Lane<P>& lane : lanes_) lane.prefetch();
        attend_to(heads_[kv_head].keys.view(), shape_, kv_head, position, q, out,
                  last ? nullptr : heads_[kv_head + 1].keys.view().base, work);
        keep_queries(kv_head, q, work);
        keep_outputs(kv_head, out, work);
        attended_[kv_head] = 1;
        undoing.not_needed();
    }
    /// The same with keys as `turn` makes them.
    template <class Turn>
    void attend(std::size_t kv_head, Position position, Floats<const float> q, Floats<const float> k,
                Floats<const float> v, Floats<float> out, Workspace& work, Turn& turn) {
        check_sizes(q, k, v, out);
        turned_room(kv_head, work);
        detail::Undoing undoing = store(kv_head, k, v);
        attend_to(turned_keys(kv_head, work, turn), shape_, kv_head, position, q, out,
                  static_cast<const float*>(nullptr), work);
        keep_queries(kv_head, q, work);
        keep_outputs(kv_head, out, work);
        attended_[kv_head] = 1;
        undoing.not_needed();
    }

protected:
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
        for (std::size_t row = 0; row < rows_walked(kv_head); ++row) {
            if (Slot(row) != this->lane(kv_head).next() && !this->lane(kv_head).live(Slot(row))) continue;
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
        const std::size_t first_query = kv_head * shape.group(), n = rows_walked(kv_head);
        AttentionSettings settings = settings_of(shape, kv_head);
        if (shape.window != 0 || masks()) settings.seen_by = seen_from(position, kv_head, shape.window, work);
        msrnn::attend(keys, heads_[kv_head].values.view(), n, settings, q.data() + first_query * shape.head_dim,
                      work.weights(first_query), work.stride(), out.data() + first_query * shape.value_width(), next);
    }
    void keep_queries(std::size_t kv_head, Floats<const float> q, Workspace& work) const {
        if (!observes_queries()) return;
        const std::size_t count = shape_.group() * shape_.head_dim;
        std::copy_n(q.data() + kv_head * count, count, work.queries.data() + kv_head * count);
    }
    void keep_outputs(std::size_t kv_head, Floats<const float> out, Workspace& work) const {
        if (!observes_outputs()) return;
        const std::size_t count = shape_.group() * shape_.value_width();
        std::copy_n(out.data() + kv_head * count, count, work.outputs.data() + kv_head * count);
    }
    bool observes_outputs() const { return (lanes_[0].facts().needs.at_observe & Outputs::bit) != 0; }
    bool observes_queries() const { return (lanes_[0].facts().needs.at_observe & Query::bit) != 0; }
    /// Rows that attention walks, that of the newest token included.
    std::size_t rows_walked(std::size_t kv_head) const {
        const Lane<P>& lane = this->lane(kv_head);
        return (std::max)(lane.extent(), lane.next() + std::size_t{1});
    }
    /// Whether rows may have to be hidden: those outside a window, and vacancies where several tokens are evicted.
    bool masks() const { return shape_.window != 0 || lanes_[0].slack() != 0; }
    /// Which rows a query at this position sees; nullptr where all.
    const std::uint32_t* seen_from(Position position, std::size_t kv_head, std::size_t window, Workspace& work) const {
        const Lane<P>& lane = this->lane(kv_head);
        const std::size_t rows = rows_walked(kv_head);
        std::uint32_t* const seen = work.seen_by(kv_head);
        bool all = true;
        for (std::size_t row = 0; row < rows; ++row) {
            const Slot slot(row);
            const bool sees =
                slot == lane.next() ||
                (lane.live(slot) &&
                 (window == 0 || detail::in_window(detail::distance(position, lane.position(slot)), window)));
            seen[row] = sees;
            all = all && sees;
        }
        return all ? nullptr : seen;
    }
};

}  // namespace msrnn::inline MSRNN_ABI
