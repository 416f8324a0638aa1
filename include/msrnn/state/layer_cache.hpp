// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../config.hpp"
#include "../lane/lane.hpp"
#include "../rows/rows.hpp"
#include "lane_choice.hpp"
#include "layer_prompt.hpp"
#include "layer_steps.hpp"
#include "shape.hpp"

namespace msrnn::inline MSRNN_ABI {

/// One layer: its lanes, the rows of their heads, and what undoes its last tokens. A State is a row of them; a program
/// that has its own idea of a model may use them as they are:
///
///     Workspace work;                                    // of all layers that take tokens one after the other
///     LayerCache<Tova> layer({.query_heads = 8, .kv_heads = 2, .head_dim = 64}, {.budget = 512});
///     layer.step(position, q, k, v, out, work);
///
/// Everything is as in State, but for the layer's number: sizes, strong guarantee, rollback, prefill.
template <class P, StoredScalar Scalar = float>
class LayerCache : public LayerSteps<P, Scalar> {
    using Steps = LayerSteps<P, Scalar>;
    using Steps::lane_index, Steps::heads_of, Steps::rows_for, Steps::moved, Steps::close_gaps, Steps::forget,
        Steps::steps_since, Steps::start_anew;
    using Steps::shape_, Steps::lanes_, Steps::heads_, Steps::histories_, Steps::prompt_, Steps::waiting_,
        Steps::waits_for_;

public:
    using Steps::Steps;
    /// Throws std::invalid_argument with the sentence of problem(shape, limits, policy, rollback). What a policy is
    /// shown as the number of the layer is `layer`.
    LayerCache(LayerShape shape, Limits limits, P policy = {}, Rollback rollback = {}, std::size_t layer = 0)
        : Steps(std::move(shape), policy, rollback, layer, [=](std::size_t) { return limits; }) {}

    // a prompt ///////////////////////////////////////////////////////////////////////////////////////////////////////

    /// Many tokens at once; see State::prefill().
    void prefill(Positions positions, Floats<const float> q, Floats<const float> k, Floats<const float> v,
                 Floats<float> out, Workspace& work, Prefill mode = Prefill::one_shot()) {
        const Prompt prompt = checked({shape_, positions, q, k, v, out}, mode);
        LayerPrompt<P, Scalar> into(*this, prompt, mode.chunk, work);
        if (mode.chunk == 1)
            into.take_steps();
        else
            into.take_chunks();
    }
    /// The same, and another policy chooses; see State::prefill().
    template <class Selector>
    void prefill(Positions positions, Floats<const float> q, Floats<const float> k, Floats<const float> v,
                 Floats<float> out, Workspace& work, Prefill mode, const Selector& selector) {
        const Prompt prompt = checked({shape_, positions, q, k, v, out}, mode);
        detail::refuse(problem(selector));
        LayerPrompt<P, Scalar>(*this, prompt, mode.chunk, work).take_chunks(selector);
    }
    // A prompt in layers that share these rows, see LayerShape::reads.

    /// This layer attends, and the prompt waits for the layer that reads its rows.
    void hold(const Prompt& prompt, std::size_t reader) {
        waiting_ = detail::Shared<const SharedPrompt<P, Scalar>>(
            new SharedPrompt<P, Scalar>(*this, prompt, undoes(prompt.tokens())));
        waits_for_ = reader;
    }
    std::size_t tokens_held() const { return waiting_.empty() ? 0 : waiting_->tokens(); }
    /// The layer that reads next attends. Another is next, or there is none and the tokens arrive.
    void read(const LayerShape& reader, Positions positions, Floats<const float> q, Floats<float> out, std::size_t next,
              Workspace& work) {
        detail::Shared<SharedPrompt<P, Scalar>> seen(
            new SharedPrompt<P, Scalar>(*waiting_, *this, reader, positions, q, out));
        if (next != no_layer) {
            waiting_ = seen;
            waits_for_ = next;
            return;
        }
        seen->arrive(*this, work);
    }
    using Steps::read;

    /// Why this selector cannot choose here, in one sentence; empty where it can.
    template <class Selector>
    std::string problem(const Selector& selector) const {
        if (std::string wrong = msrnn::problem(shape_, selector); !wrong.empty()) return wrong;
        if (scope_of(selector) != scope_of(lanes_.front().policy()))
            return "msrnn: the selector and the state's policy differ in scope; set both to layer or both to kv_head";
        for (const Lane<P>& own : lanes_)
            if (std::string wrong = LayerPrompt<P, Scalar>::problem(own, selector); !wrong.empty()) return wrong;
        return {};
    }

    // back ///////////////////////////////////////////////////////////////////////////////////////////////////////////

    /// So many tokens can be undone: of those that came by step() since anything else changed the layer, the
    /// `rollback` of the constructor at most; and before those, a prompt of no more tokens.
    std::size_t reversible() const {
        if (histories_.empty()) return 0;
        if (prompt_.empty()) return steps_since();
        return (std::min)(histories_.front().depth(), steps_since() + prompt_->tokens());
    }
    /// Undoes the last tokens, and a half step. False, and nothing changed, where tokens exceeds reversible(). Undoing
    /// steps never throws. Undoing tokens of a prompt copies the layer as it was before, and those that stay are taken
    /// again.
    [[nodiscard]] bool rollback(std::size_t tokens, Workspace& work) {
        if (tokens > reversible()) return false;
        if (undoes_prompt(tokens)) {
            LayerCache before = before_last(tokens, work);
            std::swap(*this, before);
        } else {
            undo_steps(tokens);
        }
        return true;
    }
    /// Whether undoing so many tokens undoes a part of a prompt.
    bool undoes_prompt(std::size_t tokens) const { return tokens > 0 && tokens > steps_since(); }
    /// This layer without its last tokens, where some of them are of a prompt.
    LayerCache before_last(std::size_t tokens, Workspace& work) const {
        return prompt_->after(prompt_->tokens() + steps_since() - tokens, work);
    }
    /// Undoes so many steps, and a half step.
    void undo_steps(std::size_t steps) noexcept {
        this->drop_half_step();
        for (std::size_t i = 0; i < histories_.size(); ++i)
            for (std::size_t step = 0; step < steps; ++step) histories_[i].take_back(lanes_[i], heads_of(i));
        this->tokens_ -= steps;
    }

    // now and then ///////////////////////////////////////////////////////////////////////////////////////////////////

    /// See State::set_budget().
    void set_budget(std::size_t kv_head, std::size_t budget, Workspace& work) {
        detail::refuse(problem(kv_head, budget));
        LaneChoice<P, Scalar> choice(*this, lane_index(kv_head));
        const std::size_t capacity = rows_for(choice.lane(), budget);
        choice.lane().set_budget(budget);
        if (choice.lane().size() > budget) choice.rate(work);
        choice.evict(capacity, LaneChoice<P, Scalar>::exactly);
        choice.commit();
    }
    std::string problem(std::size_t kv_head, std::size_t budget) const {
        return this->lane(kv_head).problem(budget, rows_for(this->lane(kv_head), budget));
    }
    /// See State::evict().
    void evict(std::size_t kv_head, Slot slot) {
        lanes_[lane_index(kv_head)].evict(slot);
        close_gaps(lane_index(kv_head));
    }
    /// See Lane::pin().
    bool pin(std::size_t kv_head, Slot slot) {
        if (!lanes_[lane_index(kv_head)].pin(slot)) return false;
        forget(lane_index(kv_head));
        return true;
    }
    void unpin(std::size_t kv_head, Slot slot) {
        lanes_[lane_index(kv_head)].unpin(slot);
        forget(lane_index(kv_head));
    }
    /// A new sequence; budgets stay.
    void reset() {
        for (Lane<P>& lane : lanes_) lane.reset();
        start_anew(0);
    }

    // to be kept elsewhere ///////////////////////////////////////////////////////////////////////////////////////////

    /// The lanes that go on from these records; their rows get room for a token more.
    std::vector<Lane<P>> restored(std::span<const LaneRecord> records, std::span<HeadRows<Scalar>> rows) const {
        std::vector<Lane<P>> lanes = lanes_;
        for (std::size_t i = 0; i < lanes.size(); ++i) {
            if (records[i].budget == unbounded)
                lanes[i].set_capacity((std::max)(lanes[i].capacity(), records[i].extent() + 1));
            lanes[i].restore(records[i]);
            lanes[i].reserve(lanes[i].size() + 1);
        }
        for (std::size_t h = 0; h < rows.size(); ++h) rows[h].reserve(lanes[lane_index(h)].size() + 1);
        return lanes;
    }
    /// Goes on with them and with rows that have room for a token more, [kv_heads].
    void adopt(std::vector<Lane<P>>& lanes, std::span<HeadRows<Scalar>> rows, std::uint64_t tokens) noexcept {
        lanes_.swap(lanes);
        std::ranges::move(rows, heads_.begin());
        start_anew(tokens);
    }

private:
    /// Whether a prompt of so many tokens in chunks can be undone.
    bool undoes(std::size_t tokens) const { return !histories_.empty() && tokens <= histories_.front().depth(); }

    friend class LayerPrompt<P, Scalar>;
    friend class LaneChoice<P, Scalar>;
    friend class SharedPrompt<P, Scalar>;

    static Prompt checked(Prompt prompt, Prefill mode) {
        detail::refuse(prompt.problem());
        if (mode.chunk == 0) detail::refuse("msrnn: a prefill in chunks of 0 tokens; give at least 1");
        return prompt;
    }
};

}  // namespace msrnn::inline MSRNN_ABI
