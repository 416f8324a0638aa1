// SPDX-License-Identifier: MIT
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <concepts>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../config.hpp"
#include "../lane/lane.hpp"
#include "../rows/rows.hpp"
#include "../rows/scalar.hpp"
#include "callables.hpp"
#include "floats.hpp"
#include "layer_cache.hpp"
#include "shape.hpp"
#include "state_prompts.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The bounded multi-state of one sequence: a key row and a value row per token kept, attention over them, and a policy
/// that evicts one token a step once the budget is reached.
///
///     State<Tova> state({.layers = 32, .query_heads = 32, .kv_heads = 8, .head_dim = 128}, {.budget = 512});
///     state.step(layer, position, q, k, v, out);       // for every layer of every token
///
/// q and out are [query_heads][head_dim], k and v are [kv_heads][head_dim], float: spans, or Eigen vectors and maps
/// over the caller's memory. Other sizes are refused (std::invalid_argument). Keys come rotated by their true position
/// and are stored as they are.
///
/// A lane decides for a KV head, for a layer, or with Scope::model for all layers: these then take a token in order,
/// and the last one decides.
///
/// A step attends over at most budget + 1 rows, the newest included, and evicts afterwards. Until the budget is reached
/// every output is bit-identical to that of an unbounded state. With `unbounded` as budget nothing is ever evicted.
/// Memory grows by doubling while rows are used for the first time, so that a large budget costs nothing before; then a
/// step allocates nothing.
///
/// Keys and values are stored as `Scalar`: float, Eigen::bfloat16, Eigen::half, or std::int8_t with a scale for each
/// row and head; see StoredScalar for how they are rounded. A policy is shown the stored rows, as floats.
///
/// If a call throws, for want of memory, out of a hook of the policy or out of a callable of yours, the state is as it
/// was before the call; `out` may hold anything, and so may the row of a victim that the token would have taken. Moved
/// from, a state has no layers: assign to it before you use it (std::invalid_argument, as for any layer that there is
/// not).
///
/// A key or query that is NaN, or a logit of plus infinity, makes outputs and weights NaN while its token stays. A key
/// that is NaN gets a rating that is NaN and is evicted first, within budget steps, unless it is protected or the
/// policy is RandomEviction. A value that is NaN affects outputs only.
///
/// A State is a value: copying it forks the sequence. A batch is a vector of them. The heads of a layer may attend on
/// different threads; everything else of one State belongs to one thread at a time.
template <class P, StoredScalar Scalar = float>
class State : public StatePrompts<P, Scalar> {
    using Layers = StatePrompts<P, Scalar>;
    using Layers::shape_, Layers::layers_, Layers::work_, Layers::at, Layers::rows_with_room;

public:
    /// One budget for every lane. Throws std::invalid_argument with the sentence of
    /// problem(shape, limits, policy, rollback).
    State(Shape shape, Limits limits, P policy = {}, Rollback rollback = {})
        : State(
              std::move(shape), limits, [&](std::size_t) -> const P& { return policy; }, rollback) {}

    /// A budget per lane: budget_of(layer, kv_head) -> slots. Where a layer decides as one, kv_head is 0.
    template <BudgetCallable BudgetOf>
    State(Shape shape, BudgetOf budget_of, P policy = {}, Rollback rollback = {})
        : State(
              std::move(shape), budget_of, [&](std::size_t) -> const P& { return policy; }, rollback) {}

    /// A policy per layer: policy_of(layer) -> P. Scopes may differ, so lanes(layer) may be one or as many as KV heads.
    template <PolicyCallable<P> PolicyOf>
    State(Shape shape, Limits limits, PolicyOf policy_of, Rollback rollback = {})
        : State(Exactly{}, std::move(shape), policy_of, rollback, [=](std::size_t, std::size_t) { return limits; }) {}
    /// A budget per lane, and a policy per layer.
    template <BudgetCallable BudgetOf, PolicyCallable<P> PolicyOf>
    State(Shape shape, BudgetOf budget_of, PolicyOf policy_of, Rollback rollback = {})
        : State(Exactly{}, std::move(shape), policy_of, rollback, [&](std::size_t layer, std::size_t kv_head) {
              return Limits{.budget = detail::budget_given_by(budget_of, layer, kv_head)};
          }) {}

    /// What says no budget, and a shape in the wrong place, are refused by the compiler in one sentence.
    template <class Other>
        requires(!BudgetCallable<Other> && !std::convertible_to<Other, Limits>)
    State(Shape shape, Other&&, P = {}, Rollback = {}) : State(std::move(shape), Limits{}) {
        static_assert(BudgetCallable<Other>,
                      "msrnn: a State<P> is made of a Shape, then Limits such as {.budget = 512}, or a callable "
                      "(layer, kv_head) -> a whole number; then the policy.");
    }
    /// The same.
    template <std::same_as<Limits> First>
    State(First limits, Shape shape, P = {}, Rollback = {}) : State(std::move(shape), limits) {
        static_assert(!std::same_as<First, Limits>,
                      "msrnn: a State<P> is made of a Shape, then Limits; here they are swapped.");
    }

    State(const State&) = default;
    State(State&&) noexcept = default;
    State& operator=(State&&) noexcept = default;
    /// Into the memory that is there, where the states are alike in shape and rollback.
    State& operator=(const State& other) {
        if (!this->is_like(other)) return *this = State(other);
        this->make_room_for(other);
        this->assign(other);
        return *this;
    }
    ~State() = default;

    // back ////////////////////////////////////////

    /// Undoes the last `tokens` tokens in every layer, with their evictions, bit for bit: as if they were never
    /// appended. A pending attend() without decide() is discarded. For speculative decoding: a draft's tokens come by
    /// step(), or in one prefill(), and those that are not accepted are undone. False, and nothing changed, where
    /// tokens exceeds reversible().
    ///
    /// Steps: what a step keeps for it says History; undoing allocates nothing and never throws. A prompt in chunks, of
    /// no more tokens than Rollback has: each layer is copied before it, and the copy is kept, with the prompt's q, k
    /// and v, until it is out of reach. Undoing tokens of it copies that once more; tokens of it that stay are taken
    /// again in the same mode, so the state is that which took them alone.
    [[nodiscard]] bool rollback(std::size_t tokens) {
        if (tokens > reversible()) return false;
        undo([=](const LayerCache<P, Scalar>&) { return tokens; });
        return true;
    }
    /// So many tokens can be undone: of those that came by step() since anything else changed the state, the
    /// `rollback` of the constructor at most; a prompt of no more tokens before those counts too, what was before it
    /// does not. Of layers that differ, the fewest count.
    std::size_t reversible() const {
        std::size_t fewest = layers_.empty() ? 0 : unbounded;
        for (const LayerCache<P, Scalar>& layer : layers_) fewest = (std::min)(fewest, layer.reversible());
        return fewest;
    }
    /// The way back after a pass that was cancelled between two layers: undoes in each layer the tokens that others
    /// have not taken, and a half step. False, and nothing changed, where a layer cannot go back so far; then reset(),
    /// load a snapshot, or take the missing steps.
    [[nodiscard]] bool realign() {
        std::uint64_t fewest = unbounded;
        for (const LayerCache<P, Scalar>& layer : layers_) fewest = (std::min)(fewest, layer.tokens());
        for (const LayerCache<P, Scalar>& layer : layers_)
            if (layer.tokens() - fewest > layer.reversible()) return false;
        undo([=](const LayerCache<P, Scalar>& layer) { return static_cast<std::size_t>(layer.tokens() - fewest); });
        return true;
    }

    // now and then ////////////////////////////////////////

    /// A new budget for the lane that decides for this KV head; what is over it is evicted at once, weakest first, and
    /// its memory is given back (positions and arrivals of the victims stay readable until the layer's next step).
    /// Throws std::invalid_argument and changes nothing where the budget does not fit protection or pins.
    void set_budget(std::size_t layer, std::size_t kv_head, std::size_t budget) {
        change(
            layer, [&](LayerCache<P, Scalar>& one, std::size_t head) { one.set_budget(head, budget, work_); }, kv_head);
        work_.shrink(rows_with_room());
    }
    using Layers::problem;
    /// Why this budget does not fit protection or pins, in one sentence; empty where it does.
    std::string problem(std::size_t layer, std::size_t kv_head, std::size_t budget) const {
        return at(layer).problem(kv_head, budget);
    }
    /// Evicts the token in this slot of the lane that decides for this KV head; another token may take the slot. See
    /// Lane::evict(slot).
    void evict(std::size_t layer, std::size_t kv_head, Slot slot) {
        change(
            layer, [=](LayerCache<P, Scalar>& one, std::size_t head) { one.evict(head, slot); }, kv_head);
    }
    /// See Lane::pin().
    [[nodiscard]] bool pin(std::size_t layer, std::size_t kv_head, Slot slot) {
        if (!this->decides_as_one()) return at(layer).pin(kv_head, slot);
        return std::ranges::all_of(layers_, [=](LayerCache<P, Scalar>& one) { return one.pin(0, slot); });
    }
    void unpin(std::size_t layer, std::size_t kv_head, Slot slot) {
        if (!this->decides_as_one()) return at(layer).unpin(kv_head, slot);
        for (LayerCache<P, Scalar>& one : layers_) one.unpin(0, slot);
    }

    /// A new sequence. Budgets and memory stay.
    void reset() {
        for (LayerCache<P, Scalar>& layer : layers_) layer.reset();
    }

private:
    struct Exactly {};
    template <class PolicyOf, class LimitsOf>
    State(Exactly, Shape shape, PolicyOf policy_of, Rollback rollback, LimitsOf limits_of)
        : Layers(accepted(std::move(shape))) {
        for (std::size_t i = 0; i < shape_.layers; ++i) {
            if (this->reads_another(i)) continue;
            const LayerShape of_layer = shape_.layer(i);
            const P policy = std::invoke(policy_of, i);
            LayerCache<P, Scalar> made(of_layer, policy, rollback, i, [&](std::size_t lane) {
                const Limits limits = lane_limits(of_layer, limits_of(i, lane), policy);
                detail::refuse(msrnn::problem(policy, limits));
                detail::refuse(detail::memory_problem(of_layer, shape_.layers, limits, rollback));
                return limits;
            });
            if (layers_.empty()) layers_.reserve(shape_.layers);
            layers_.push_back(std::move(made));
        }
        this->place_layers();
        for (std::size_t i = 0; i < shape_.layers; ++i)
            work_.fit(shape_.layer(i), rows_with_room(), std::same_as<Scalar, float>, shape_.layer(i).window != 0);
        for (std::size_t i = 0; i < layers_.size(); ++i) layers_[i].fit(work_);
        for (std::size_t i = 0; i < shape_.layers; ++i)
            detail::refuse(detail::model_problem(shape_, this->lane(i, 0).policy()));
        for (const LayerCache<P, Scalar>& layer : layers_)
            if ((scope_of(layer.lane(0).policy()) == Scope::model) != this->decides_as_one())
                detail::refuse("msrnn: scope is model in some layers only; set it in all, or in none");
        for (std::size_t i = 0; i < shape_.layers; ++i)
            if (this->shares_rows(i) &&
                (this->lane(i, 0).facts().needs.at_observe & (Heads::bit | Query::bit | Outputs::bit)) != 0)
                detail::refuse(
                    "msrnn: layer " + detail::text(i) +
                    " shares rows with another, and its policy observes queries, outputs or single heads; give it a "
                    "policy that observes Attention");
    }
    static Shape accepted(Shape shape) {
        detail::refuse(msrnn::problem(shape));
        return shape;
    }
    /// Changes a layer; where all decide as one, all of them, or none if that throws.
    template <class Change>
    void change(std::size_t layer, Change change, std::size_t kv_head) {
        if (!this->decides_as_one()) return change(at(layer), kv_head);
        std::vector<LayerCache<P, Scalar>> changed = layers_;
        for (LayerCache<P, Scalar>& one : changed) change(one, std::size_t{0});
        layers_.swap(changed);
    }
    /// In every layer so many tokens as tokens_of(layer) says, in all or in none.
    template <class TokensOf>
    void undo(TokensOf tokens_of) {
        std::vector<LayerCache<P, Scalar>> before;
        for (const LayerCache<P, Scalar>& layer : layers_)
            if (layer.undoes_prompt(tokens_of(layer))) before.push_back(layer.before_last(tokens_of(layer), work_));
        auto next = before.begin();
        for (LayerCache<P, Scalar>& layer : layers_)
            if (layer.undoes_prompt(tokens_of(layer)))
                std::swap(layer, *next++);
            else
                layer.undo_steps(tokens_of(layer));
    }
};

}  // namespace msrnn::inline MSRNN_ABI
