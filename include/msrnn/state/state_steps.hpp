// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "../base/refuse.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "callables.hpp"
#include "floats.hpp"
#include "state_layers.hpp"
#include "undoing.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The layers of a state, which take tokens one at a time.
///
/// A layer that reads the rows of an earlier one (LayerShape::reads) takes the token after it, with empty k and v. The
/// earlier layer's decision waits until the last such layer has attended: then its policy observes the sum of all their
/// weights, once. Layers that read the same rows take the token in order. A pass that was cancelled meanwhile is put
/// right by rollback(0) or realign().
///
/// With Scope::model all layers take the token in order, and the last one decides for all: the policy observes the sum
/// of all their weights, and the same tokens leave every layer.
template <class P, StoredScalar Scalar>
class StateSteps : public StateLayers<P, Scalar> {
    using Layers = StateLayers<P, Scalar>;

protected:
    using Layers::Layers, Layers::shape_, Layers::layers_, Layers::work_, Layers::at, Layers::place,
        Layers::reads_another;

public:
    // one token ////////////////////////////////////////

    /// Appends the token's key and value, attends, and lets the policy evict one.
    void step(std::size_t layer, Position position, Floats<const float> q, Floats<const float> k, Floats<const float> v,
              Floats<float> out) {
        if (waits(layer))
            step_in_order(layer, position, q, k, v, out);
        else
            at(layer).step(position, q, k, v, out, work_);
    }

    /// The same with keys as `turn` makes them: turn(slot, key) may change the copy of each stored key that this step's
    /// attention sees, std::span<float>. With keys stored un-rotated and turned by their rank in the cache, these are
    /// the cache positions of StreamingLLM. The stored keys stay, so nothing drifts. The new token's slot is
    /// lane(layer, kv_head).next(). Cost: a copy of the keys, and the turns.
    template <KeyTurn Turn>
    void step(std::size_t layer, Position position, Floats<const float> q, Floats<const float> k, Floats<const float> v,
              Floats<float> out, Turn turn) {
        if (waits(layer))
            step_in_order(layer, position, q, k, v, out, turn);
        else
            at(layer).step(position, q, k, v, out, work_, turn);
    }
    /// What is no turn is refused by the compiler in one sentence.
    template <class Other>
        requires(!KeyTurn<Other>)
    void step(std::size_t, Position, Floats<const float>, Floats<const float>, Floats<const float>, Floats<float>,
              Other) {
        static_assert(KeyTurn<Other>, "msrnn: a turn is called as turn(Slot, std::span<float> key).");
    }

    /// First half of a step, for one KV head and its query heads: stores the rows and attends. The spans are those of
    /// the whole layer; only this head's part is read and written, so the heads of a layer may run on different
    /// threads. The token is not appended until decide() is called. Between attend() and decide() only rollback() may
    /// be called, and no other layer may attend.
    void attend(std::size_t layer, std::size_t kv_head, Position position, Floats<const float> q, Floats<const float> k,
                Floats<const float> v, Floats<float> out) {
        attend_one(layer, kv_head, position, q, k, v, out);
    }
    /// The same with keys as `turn` makes them, see step().
    template <KeyTurn Turn>
    void attend(std::size_t layer, std::size_t kv_head, Position position, Floats<const float> q, Floats<const float> k,
                Floats<const float> v, Floats<float> out, Turn turn) {
        attend_one(layer, kv_head, position, q, k, v, out, turn);
    }
    /// The same without a position, for layers without a window.
    void attend(std::size_t layer, std::size_t kv_head, Floats<const float> q, Floats<const float> k,
                Floats<const float> v, Floats<float> out) {
        attend(layer, kv_head, unplaced(layer), q, k, v, out);
    }
    /// The same with keys as `turn` makes them, see step().
    template <KeyTurn Turn>
    void attend(std::size_t layer, std::size_t kv_head, Floats<const float> q, Floats<const float> k,
                Floats<const float> v, Floats<float> out, Turn turn) {
        attend(layer, kv_head, unplaced(layer), q, k, v, out, turn);
    }

    /// Second half, once after every KV head of the layer has attended: the token is appended at the same `position`,
    /// the policy sees what attention saw, and each lane evicts down to its budget.
    void decide(std::size_t layer, Position position) {
        if (this->decides_as_one()) return decide_as_one(layer, position);
        const std::size_t next = place(layer).next_reader;
        if (reads_another(layer))
            at(layer).end_read(shape_.each[layer], next, position, work_);
        else if (next != no_layer)
            at(layer).wait_for(next, work_);
        else
            at(layer).decide(position, work_);
    }
    /// The same by weights from outside, one Attention for each lane of the layer: those of all ranks of a
    /// tensor-parallel host, added up. They are over rows [0, extent) of the lane, the newest token's included.
    void decide(std::size_t layer, Position position, std::span<const Attention> seen) {
        refuse_sharing(layer);
        at(layer).decide(position, seen, work_);
    }
    /// The same with a rule between seeing and evicting, for steps in which a lane is due: rule(std::span<Lane<P>>) is
    /// called when the lanes of the layer have rated, and may set their budgets (AdaKV). A lane takes a larger budget
    /// where Limits gave it the capacity. Copies the lanes, so that a rule that throws changes nothing. A step that
    /// evicts several tokens of a lane moves rows, unless there is slack, and can then not be undone.
    template <std::invocable<std::span<Lane<P>>> Rule>
    void decide(std::size_t layer, Position position, Rule rule) {
        refuse_sharing(layer);
        at(layer).decide(position, std::move(rule), work_);
    }

protected:
    bool shares_rows(std::size_t layer) const { return place(layer).next_reader != no_layer || reads_another(layer); }
    /// Whether other layers have a part in the decision of this one.
    bool waits(std::size_t layer) const { return shares_rows(layer) || this->decides_as_one(); }
    static void refuse_rows(Floats<const float> k, Floats<const float> v) {
        if (k.empty() && v.empty()) return;
        detail::refuse(size_problem("k", k.size(), 0, "empty where a layer reads the keys of another"));
        detail::refuse(size_problem("v", v.size(), 0, "empty where a layer reads the values of another"));
    }
    /// Layers that share rows take a token in order, and so do all layers where they decide as one.
    void refuse_order(std::size_t layer) const {
        if (this->decides_as_one()) {
            std::size_t next = 0;
            while (next < layers_.size() && layers_[next].waits_for() != no_layer) ++next;
            if (layer != next)
                detail::refuse("msrnn: all layers decide as one, and layer " + detail::text(layer) +
                               " is given the token before layer " + detail::text(next) +
                               "; step the layers in order, or give the token up with rollback(0)");
            return;
        }
        const std::size_t next = at(layer).waits_for();
        if (next == (reads_another(layer) ? layer : no_layer)) return;
        std::string name = "msrnn: layer " + detail::text(layer);
        if (!reads_another(layer))
            detail::refuse(std::move(name) + " waits for layer " + detail::text(next) +
                           ", which reads its rows; let that attend, or give the token up with rollback(0)");
        detail::refuse(std::move(name) + " reads the rows of layer " + detail::text(shape_.each[layer].reads) +
                       ", which waits for " +
                       (next == no_layer ? "a token of its own" : "layer " + detail::text(next)) +
                       "; step the layers in order");
    }

private:
    void decide_as_one(std::size_t layer, Position position) {
        LayerCache<P, Scalar>& first = layers_.front();
        const std::size_t next = layer + 1;
        if (layer == 0 && next != layers_.size()) return first.wait_for(next, work_);
        if (layer == 0) return choose_for_all(position, first.attention_of(0, work_));
        first.join(at(layer).attention_of(0, work_));
        if (next != layers_.size()) return at(layer).wait_as_well(next);
        detail::Undoing undoing([&]() noexcept { first.unjoin(); });
        choose_for_all(position, first.attention_of(0, work_));
        undoing.not_needed();
    }
    void choose_for_all(Position position, const Attention& seen) {
        for (LayerCache<P, Scalar>& layer : layers_) layer.make_room_for_next();
        Workspace::Room room = work_.room_for(this->rows_with_room());
        const bool may_throw = std::ranges::any_of(layers_, [](const auto& layer) { return layer.hooks_may_throw(); });
        for (std::size_t i = 0; i < layers_.size(); ++i) layers_[i].begin_choice(work_, may_throw, i);
        std::size_t chosen = 0;
        detail::Undoing undoing([&]() noexcept {
            for (std::size_t i = 0; i < chosen; ++i) layers_[i].take_back(1, work_, i);
        });
        for (; chosen < layers_.size(); ++chosen)
            layers_[chosen].choose(
                position, work_, [&](std::size_t) { return seen; }, chosen);
        undoing.not_needed();
        work_.use(room);
        for (LayerCache<P, Scalar>& layer : layers_) layer.end_choice();
    }
    /// A layer that has to wait for others, or others for it.
    template <class... Turn>
    void step_in_order(std::size_t layer, Position position, Floats<const float> q, Floats<const float> k,
                       Floats<const float> v, Floats<float> out, Turn&... turn) {
        refuse_order(layer);
        detail::Undoing undoing([this, layer]() noexcept {
            if (reads_another(layer))
                at(layer).drop_read();
            else
                at(layer).drop_half_step();
        });
        for (std::size_t h = 0; h < at(layer).rows().size(); ++h) attend_one(layer, h, position, q, k, v, out, turn...);
        decide(layer, position);
        undoing.not_needed();
    }
    template <class... Turn>
    void attend_one(std::size_t layer, std::size_t kv_head, Position position, Floats<const float> q,
                    Floats<const float> k, Floats<const float> v, Floats<float> out, Turn&... turn) {
        LayerCache<P, Scalar>& cache = at(layer);
        if (waits(layer)) refuse_order(layer);
        if (!reads_another(layer)) return cache.attend(kv_head, position, q, k, v, out, work_, turn...);
        const LayerShape& reader = shape_.each[layer];
        if (q.size() != reader.query_numbers() || out.size() != reader.out_numbers()) {
            detail::refuse(size_problem("q", q.size(), reader.query_numbers(), "[query_heads][head_dim]"));
            detail::refuse(size_problem("out", out.size(), reader.out_numbers(), "[query_heads][value_dim]"));
        }
        refuse_rows(k, v);
        if (cache.tokens_held() != 0)
            detail::refuse("msrnn: layer " + detail::text(layer) + " is given a token, and layer " +
                           detail::text(reader.reads) + ", whose rows it reads, has taken a prompt of " +
                           detail::text(cache.tokens_held()) + "; give both the same");
        cache.read(reader, kv_head, position, q, out, work_, turn...);
    }
    void refuse_sharing(std::size_t layer) const {
        if (this->decides_as_one())
            detail::refuse(
                "msrnn: all layers decide as one; that decision takes neither weights from outside nor a "
                "rule");
        if (shares_rows(layer))
            detail::refuse("msrnn: layer " + detail::text(layer) +
                           " shares rows with another; its decision takes neither weights from outside nor a rule");
    }
    /// In place of a position, where none is needed.
    Position unplaced(std::size_t layer) const {
        if (const std::size_t window = reads_another(layer) ? shape_.each[layer].window : at(layer).shape().window;
            window != 0)
            detail::refuse("msrnn: layer " + detail::text(layer) + " has a window of " + detail::text(window) +
                           " positions; give attend() the position of the token");
        return {};
    }
};

}  // namespace msrnn::inline MSRNN_ABI
