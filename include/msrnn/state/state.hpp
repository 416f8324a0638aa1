// SPDX-License-Identifier: MIT
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <concepts>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "../config.hpp"
#include "../lane/lane.hpp"
#include "attend.hpp"
#include "floats.hpp"
#include "history.hpp"
#include "prompt.hpp"
#include "prompt_chunk.hpp"
#include "rows.hpp"
#include "scalar.hpp"
#include "shape.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The bounded multi-state of one sequence: a key row and a value row per token kept, attention over them, and a policy
/// that drops one token a step once the budget is reached.
///
///     State<Tova> state({.layers = 32, .query_heads = 32, .kv_heads = 8, .head_dim = 128}, {.budget = 512});
///     state.step(layer, position, q, k, v, out);       // for every layer of every token
///
/// q and out are [query_heads][head_dim], k and v are [kv_heads][head_dim], float: spans, or Eigen vectors and maps
/// over the caller's memory. Keys come rotated by their true position and are stored as they are.
///
/// A step attends over at most budget + 1 rows, the newest included, and evicts afterwards. Until the budget is reached
/// every output is bit-identical to that of an unbounded state. With `unbounded` as budget nothing is ever dropped and
/// the rows grow by doubling; a steady step of a bounded state allocates nothing.
///
/// Keys and values are stored as `Scalar`: float, Eigen::bfloat16, Eigen::half, or std::int8_t with a scale for each
/// row and head; see StoredScalar for how they are rounded. Whatever a policy is shown are the stored rows, as floats.
///
/// A key or query that is NaN, or a logit of plus infinity, makes outputs and weights NaN while its token stays.
/// Ratings that are NaN leave first, of equals the earliest, so every policy drops the token within budget steps,
/// except one that is protected, and RandomEviction, which goes by luck. A NaN value spoils outputs and no decision.
///
/// A State is a value: copying it forks the sequence. A batch is a vector of them. The heads of a layer may attend on
/// different threads; everything else of one State belongs to one thread at a time.
template <class P, StoredScalar Scalar = float>
class State {
public:
    /// One budget for every lane. Throws std::invalid_argument with the sentence of
    /// validate(shape, limits, policy, rollback).
    State(Shape shape, Limits limits, P policy = {}, Rollback rollback = {})
        : State(shape, std::move(policy), rollback, [=](std::size_t, std::size_t) { return limits; }) {}

    /// A budget per lane: budget_of(layer, kv_head) -> slots. Where a layer decides as one, kv_head is 0.
    template <std::invocable<std::size_t, std::size_t> BudgetOf>
    State(Shape shape, BudgetOf budget_of, P policy = {}, Rollback rollback = {})
        : State(shape, std::move(policy), rollback,
                [&](std::size_t layer, std::size_t kv_head) { return Limits{.budget = budget_of(layer, kv_head)}; }) {}

    // one token ////////////////////////////////////////

    /// Appends the token's key and value, attends, and lets the policy drop one.
    void step(std::size_t layer, Position position, Floats<const float> q, Floats<const float> k, Floats<const float> v,
              Floats<float> out) {
        for (std::size_t kv_head = 0; kv_head < shape_.kv_heads; ++kv_head) attend(layer, kv_head, q, k, v, out);
        decide(layer, position);
    }

    /// The same with keys as `turn` makes them: turn(slot, key) may change the copy of each stored key that this step's
    /// attention sees, std::span<float>. With keys stored un-rotated and turned by their rank in the cache, these are
    /// the cache positions of StreamingLLM. The stored keys stay, so nothing drifts. The new token's slot is
    /// lane(layer, kv_head).next(). Cost: a copy of the keys, and the turns.
    template <class Turn>
    void step(std::size_t layer, Position position, Floats<const float> q, Floats<const float> k, Floats<const float> v,
              Floats<float> out, Turn turn) {
        for (std::size_t kv_head = 0; kv_head < shape_.kv_heads; ++kv_head) attend(layer, kv_head, q, k, v, out, turn);
        decide(layer, position);
    }

    /// First half of a step, for one KV head and its query heads: stores the rows and attends. The spans are those of
    /// the whole layer; only this head's part is read and written, so the heads of a layer may run on different
    /// threads. Nothing is decided: without decide() the token has not come. Between the halves nothing else may happen
    /// to the layer but rollback().
    void attend(std::size_t layer, std::size_t kv_head, Floats<const float> q, Floats<const float> k,
                Floats<const float> v, Floats<float> out) {
        store(layer, kv_head, k, v);
        const bool last = kv_head + 1 == shape_.kv_heads;
        attend(layer, kv_head, head_of(layer, kv_head).keys.view(), q, out,
               last ? nullptr : head_of(layer, kv_head + 1).keys.view().base);
    }
    template <class Turn>
    void attend(std::size_t layer, std::size_t kv_head, Floats<const float> q, Floats<const float> k,
                Floats<const float> v, Floats<float> out, Turn turn) {
        store(layer, kv_head, k, v);
        const Rows<Scalar>& keys = head_of(layer, kv_head).keys;
        Rows<float>& turned = turned_[kv_head];
        turned.reserve(lane(layer, kv_head).capacity());
        for (std::size_t row = 0; row <= lane(layer, kv_head).size(); ++row) {
            const std::span<float> key = turned[row];
            keys.read(row, key);
            turn(Slot(row), key);
        }
        attend(layer, kv_head, turned.view(), q, out, static_cast<const float*>(nullptr));
    }

    /// Second half, once after every KV head of the layer has attended: the token comes in at `position`, the
    /// policy sees what attention saw, and each lane drops down to its budget.
    void decide(std::size_t layer, Position position) {
        for (std::size_t kv_head = 0; kv_head < shape_.kv_heads; kv_head += heads_per_lane()) {
            for (std::size_t h = kv_head; h < kv_head + heads_per_lane(); ++h) {
                MSRNN_ASSERT(attended_[head_index(layer, h)], "msrnn: decide() before attend() of every KV head");
                attended_[head_index(layer, h)] = 0;
            }
            Lane<P>& lane = lanes_[lane_index(layer, kv_head)];
            History<P, Scalar>* const history = history_of(layer, kv_head);
            if (history != nullptr) history->begin(lane);
            lane.append(position);
            show(lane, layer, kv_head);
            lane.evict();
            if (history != nullptr) history->end(lane);
        }
        for (std::size_t kv_head = 0; kv_head < shape_.kv_heads; kv_head += heads_per_lane())
            if (const Lane<P>& full = lane(layer, kv_head); full.size() == full.capacity())
                reserve(layer, kv_head, 2 * full.capacity());
    }

    // a prompt ////////////////////////////////////////

    /// Many tokens at once, for one layer: q and out are [tokens][query_heads][head_dim], k and v are
    /// [tokens][kv_heads][head_dim]. `mode.chunk` tokens attend, to everything stored and causally to each other; then
    /// each lane drops down to its budget, and only the survivors' rows are copied from the caller's memory. The policy
    /// is shown as many of a chunk's last tokens as its rows() asks for. `per_token` is the loop over step(), bit for
    /// bit; the other modes attend in blocks of tokens, and where they attend to the same rows their outputs are those
    /// of step() within 1e-5 of the largest value, whatever the scalar. Allocates bookkeeping and weights while it
    /// runs; the state itself grows only if unbounded.
    void prefill(std::size_t layer, Positions positions, Floats<const float> q, Floats<const float> k,
                 Floats<const float> v, Floats<float> out, Prefill mode = Prefill::one_shot()) {
        const Prompt prompt = checked({shape_, positions, q, k, v, out}, mode);
        if (mode.chunk > 1) return take(layer, prompt, mode.chunk, std::span<Lane<P>>());
        const std::size_t queries = prompt.query_width(), width = prompt.width();
        for (std::size_t t = 0; t < prompt.tokens(); ++t)
            step(layer, positions[t], q.subspan(t * queries, queries), k.subspan(t * width, width),
                 v.subspan(t * width, width), out.subspan(t * queries, queries));
    }

    /// The same, where another policy chooses what the prompt leaves behind: SnapKV, for instance. The state's own
    /// policy is shown the prompt all the same, so that it goes on with ratings of its own. Throws
    /// std::invalid_argument with a sentence, and changes nothing, where the selector does not fit the lanes or the
    /// layer is not empty.
    template <class Selector>
    void prefill(std::size_t layer, Positions positions, Floats<const float> q, Floats<const float> k,
                 Floats<const float> v, Floats<float> out, Prefill mode, const Selector& selector) {
        const Prompt prompt = checked({shape_, positions, q, k, v, out}, mode);
        detail::refuse(misfit(layer, selector));
        std::vector<Lane<Selector>> choosers;
        for (std::size_t kv_head = 0; kv_head < shape_.kv_heads; kv_head += heads_per_lane()) {
            const Lane<P>& own = lane(layer, kv_head);
            choosers.emplace_back(Limits{.budget = own.budget(), .capacity = own.capacity()}, selector, own.id());
        }
        take(layer, prompt, mode.chunk, std::span(choosers));
    }

    /// Why this selector cannot choose for a layer, in one sentence; empty where it can.
    template <class Selector>
    std::string misfit(std::size_t layer, const Selector& selector) const {
        if (std::string wrong = validate(shape_, selector); !wrong.empty()) return wrong;
        if (scope_of(selector) != scope_of(lane(layer, 0).policy()))
            return "msrnn: the selector and the state's policy differ in scope; set both to layer or both to kv_head";
        for (std::size_t kv_head = 0; kv_head < shape_.kv_heads; kv_head += heads_per_lane()) {
            const Lane<P>& own = lane(layer, kv_head);
            if (own.size() > 0)
                return "msrnn: a selector chooses among the tokens of one prompt, and this layer holds " +
                       std::to_string(own.size()) + " others; reset() the state first, or prefill without a selector";
            const Limits limits{.budget = own.budget(), .capacity = own.capacity()};
            if (std::string wrong = validate(selector, limits); !wrong.empty()) return wrong;
        }
        return {};
    }

    // back ////////////////////////////////////////

    /// Takes back the last tokens of every layer, each its own, with the rows and ratings of what was dropped
    /// meanwhile: as if they had never come, bit for bit. A step that is half done is given up. For speculative
    /// decoding: the draft's tokens come in by step(), those that are not accepted are taken back. False, and nothing
    /// changed, where tokens exceeds reversible(). What a step keeps for it: see History.
    [[nodiscard]] bool rollback(std::size_t tokens) {
        if (tokens > reversible()) return false;
        for (std::size_t i = 0; i < histories_.size(); ++i) {
            const std::size_t first = i * heads_per_lane();
            for (std::size_t h = 0; h < heads_per_lane(); ++h)
                if (attended_[first + h]) histories_[i].put_back(h, heads_[first + h], lanes_[i].next());
            for (std::size_t t = 0; t < tokens; ++t)
                histories_[i].take_back(lanes_[i], std::span(heads_).subspan(first, heads_per_lane()));
        }
        std::ranges::fill(attended_, 0);
        return true;
    }
    /// So many tokens can be taken back: of those that came by step() since anything else changed the state, the
    /// `rollback` of the constructor at most. Of layers that differ, the fewest count.
    std::size_t reversible() const {
        std::size_t fewest = histories_.empty() ? 0 : unbounded;
        for (const History<P, Scalar>& history : histories_) fewest = std::min(fewest, history.steps());
        return fewest;
    }

    // now and then ////////////////////////////////////////

    /// A new budget for the lane that decides for this KV head; what is over it leaves at once, weakest first.
    /// Throws std::invalid_argument and changes nothing where the budget does not fit protection or pins.
    /// More rows than ever before are allocated.
    void set_budget(std::size_t layer, std::size_t kv_head, std::size_t budget) {
        detail::refuse(misfit(layer, kv_head, budget));
        Lane<P>& lane = lanes_[lane_index(layer, kv_head)];
        const std::size_t rows = rows_for(budget, lane);
        if (rows > lane.capacity()) reserve(layer, kv_head, rows);
        forget(layer, kv_head);
        lane.set_budget(budget);
        lane.evict();
        close_gaps(layer, kv_head);
    }
    /// Why this budget does not fit protection or pins, in one sentence; empty where it does.
    std::string misfit(std::size_t layer, std::size_t kv_head, std::size_t budget) const {
        const Lane<P>& own = lane(layer, kv_head);
        return own.misfit(budget, rows_for(budget, own));
    }
    /// Drops the token in this slot of the lane that decides for this KV head; another token may take the slot.
    void evict(std::size_t layer, std::size_t kv_head, Slot slot) {
        forget(layer, kv_head);
        lanes_[lane_index(layer, kv_head)].evict(slot);
        close_gaps(layer, kv_head);
    }
    /// See Lane::pin().
    [[nodiscard]] bool pin(std::size_t layer, std::size_t kv_head, Slot slot) {
        if (!lanes_[lane_index(layer, kv_head)].pin(slot)) return false;
        forget(layer, kv_head);
        return true;
    }
    void unpin(std::size_t layer, std::size_t kv_head, Slot slot) {
        forget(layer, kv_head);
        lanes_[lane_index(layer, kv_head)].unpin(slot);
    }

    /// A new sequence. Budgets and memory stay.
    void reset() {
        for (Lane<P>& lane : lanes_) lane.reset();
        start_anew();
    }

    // to be kept elsewhere ////////////////////////////////////////

    /// Room for the rows that go with these records, [layers][kv_heads].
    std::vector<HeadRows<Scalar>> room_for(std::span<const LaneRecord> records) const {
        std::vector<HeadRows<Scalar>> rows;
        rows.reserve(heads_.size());
        for (std::size_t h = 0; h < heads_.size(); ++h) {
            const std::size_t lane = h / heads_per_lane();
            const std::size_t enough = rows_for(records[lane], lanes_[lane]);
            rows.push_back({Rows<Scalar>(enough, shape_.head_dim), Rows<Scalar>(enough, shape_.head_dim)});
        }
        return rows;
    }
    /// Goes on where another state of this shape and policy was: from what its lanes' record() said,
    /// [layers][lanes_per_layer], and its rows in room_for() them, of which [0, extent()) count. Throws
    /// std::invalid_argument and changes nothing where misfit() says why. Budgets are those of the records; what could
    /// be taken back before cannot any more.
    void restore(std::span<const LaneRecord> records, std::vector<HeadRows<Scalar>> rows) {
        detail::refuse(misfit(records));
        MSRNN_ASSERT(rows.size() == heads_.size(), "msrnn: rows are [layers][kv_heads]");
        std::vector<Lane<P>> lanes = lanes_;
        for (std::size_t i = 0; i < lanes.size(); ++i) {
            lanes[i].set_capacity(rows_for(records[i], lanes[i]));
            lanes[i].restore(records[i]);
            fit_weights(lanes[i].capacity());
        }
        lanes_.swap(lanes);
        heads_.swap(rows);
        start_anew();
    }
    /// Why this state cannot go on from these records, in one sentence; empty where it can.
    std::string misfit(std::span<const LaneRecord> records) const {
        if (records.size() != lanes_.size())
            return "msrnn: " + std::to_string(records.size()) + " records for " + std::to_string(lanes_.size()) +
                   " lanes; give one for each";
        for (std::size_t i = 0; i < lanes_.size(); ++i) {
            const LaneRecord& record = records[i];
            if (record.budget == unbounded && lanes_[i].budget() != unbounded)
                return "msrnn: a lane's record is unbounded, and the lane here has a budget of " +
                       std::to_string(lanes_[i].budget()) + "; make the state unbounded";
            if (record.budget != unbounded && record.budget >= lanes_[i].capacity())
                return "msrnn: a lane's record has a budget of " + std::to_string(record.budget) +
                       " slots, and the lane here " + std::to_string(lanes_[i].capacity()) +
                       " rows; make the state with at least that budget";
            if (std::string wrong = lanes_[i].misfit(record, rows_for(record, lanes_[i])); !wrong.empty()) return wrong;
            if (record.size() > record.budget || record.extent() > record.size() + 1)
                return "msrnn: a lane's record has " + std::to_string(record.size()) + " tokens in " +
                       std::to_string(record.extent()) + " slots and a budget of " + std::to_string(record.budget) +
                       "; a state keeps to its budget and has one vacancy at most";
        }
        return {};
    }
    /// Whether no step is half done: attend() without its decide().
    bool between_steps() const {
        return std::ranges::none_of(attended_, [](std::uint8_t attended) { return attended != 0; });
    }

    // to look at ////////////////////////////////////////

    const Shape& shape() const { return shape_; }
    std::size_t lanes_per_layer() const { return lanes_per_layer_; }

    /// The lane that decides for this KV head: who lies where, who may leave, how many have left.
    const Lane<P>& lane(std::size_t layer, std::size_t kv_head) const { return lanes_[lane_index(layer, kv_head)]; }
    /// All of them, [layers][lanes_per_layer].
    std::span<const Lane<P>> lanes() const { return lanes_; }
    /// Rows as they are stored: of int8 the scale is rows().keys.scale(slot).
    std::span<const Scalar> key(std::size_t layer, std::size_t kv_head, Slot slot) const {
        return rows(layer, kv_head).keys[slot];
    }
    std::span<const Scalar> value(std::size_t layer, std::size_t kv_head, Slot slot) const {
        return rows(layer, kv_head).values[slot];
    }
    /// All rows of a KV head, to be read as floats by read() or attended to by their view().
    const HeadRows<Scalar>& rows(std::size_t layer, std::size_t kv_head) const {
        return heads_[head_index(layer, kv_head)];
    }
    /// Of every KV head, [layers][kv_heads].
    std::span<const HeadRows<Scalar>> rows() const { return heads_; }
    /// All memory that grows with budget, layers or heads: rows, bookkeeping, and the weights of one step.
    std::size_t bytes() const {
        std::size_t sum = (weights_.size() + row_.size()) * sizeof(float);
        for (const HeadRows<Scalar>& head : heads_) sum += head.bytes();
        for (const Rows<float>& keys : turned_) sum += keys.bytes();
        for (const Lane<P>& lane : lanes_) sum += lane.bytes();
        for (const History<P, Scalar>& history : histories_) sum += history.bytes();
        return sum;
    }

private:
    template <std::invocable<std::size_t, std::size_t> LimitsOf>
    State(Shape shape, P policy, Rollback rollback, LimitsOf limits_of)
        : shape_(accepted(shape, policy)), lanes_per_layer_(scope_of(policy) == Scope::layer ? 1 : shape.kv_heads) {
        for (std::size_t layer = 0; layer < shape.layers; ++layer)
            for (std::size_t i = 0; i < lanes_per_layer_; ++i) {
                const Limits limits = with_rows(limits_of(layer, i));
                detail::refuse(validate(shape, limits, policy, rollback));
                if (lanes_.empty()) {
                    lanes_.reserve(shape.layers * lanes_per_layer_);
                    heads_.reserve(shape.layers * shape.kv_heads);
                }
                lanes_.emplace_back(limits, policy, LaneId{layer, i});
                const Rows<Scalar> rows(limits.rows(), shape.head_dim);
                heads_.insert(heads_.end(), heads_per_lane(), HeadRows<Scalar>{rows, rows});
                if (rollback.tokens > 0)
                    histories_.emplace_back(rollback.tokens, lanes_.back(), heads_per_lane(), shape.head_dim);
            }
        attended_.resize(heads_.size());
        turned_.assign(shape.kv_heads, Rows<float>(0, shape.head_dim));
        if constexpr (!std::same_as<Scalar, float>) row_.resize(shape.head_dim);
        for (const Lane<P>& lane : lanes_) fit_weights(lane.capacity());
    }
    static const Shape& accepted(const Shape& shape, const P& policy) {
        detail::refuse(validate(shape, policy));
        return shape;
    }

    std::size_t heads_per_lane() const { return shape_.kv_heads / lanes_per_layer_; }
    std::size_t lane_index(std::size_t layer, std::size_t kv_head) const {
        MSRNN_ASSERT(layer < shape_.layers && kv_head < shape_.kv_heads, "msrnn: no such layer or KV head");
        return layer * lanes_per_layer_ + kv_head / heads_per_lane();
    }
    std::size_t head_index(std::size_t layer, std::size_t kv_head) const { return layer * shape_.kv_heads + kv_head; }
    HeadRows<Scalar>& head_of(std::size_t layer, std::size_t kv_head) { return heads_[head_index(layer, kv_head)]; }
    /// The KV heads that share the lane of this one.
    std::span<HeadRows<Scalar>> heads_beside(std::size_t layer, std::size_t kv_head) {
        const std::size_t first = kv_head - kv_head % heads_per_lane();
        return {&head_of(layer, first), heads_per_lane()};
    }
    float* weights_row(std::size_t query_head) { return weights_.data() + query_head * weight_stride_; }

    void show(Lane<P>& lane, std::size_t layer, std::size_t kv_head) {
        lane.observe(weights_row(kv_head * shape_.group()), heads_per_lane() * shape_.group(), weight_stride_);
        const HeadRows<Scalar>& head = head_of(layer, kv_head);
        lane.observe(Keys{[&](Slot slot) { return floats(head.keys, slot); }});
        lane.observe(Values{[&](Slot slot) { return floats(head.values, slot); }});
    }

    /// Valid until the next call, for what is not float.
    std::span<const float> floats(const Rows<Scalar>& rows, Slot slot) {
        if constexpr (std::same_as<Scalar, float>) {
            return rows[slot];
        } else {
            rows.read(slot, row_);
            return row_;
        }
    }

    void store(std::size_t layer, std::size_t kv_head, Floats<const float> k, Floats<const float> v) {
        const std::size_t dim = shape_.head_dim;
        MSRNN_ASSERT(k.size() == shape_.kv_heads * dim && v.size() == k.size(),
                     "msrnn: k and v are [kv_heads][head_dim]");
        const Slot slot = lane(layer, kv_head).next();
        HeadRows<Scalar>& head = head_of(layer, kv_head);
        if (History<P, Scalar>* const history = history_of(layer, kv_head);
            history != nullptr && !attended_[head_index(layer, kv_head)])
            history->keep(kv_head % heads_per_lane(), head, slot);
        head.keys.write(slot, k.subspan(kv_head * dim, dim));
        head.values.write(slot, v.subspan(kv_head * dim, dim));
    }
    template <class Key>
    void attend(std::size_t layer, std::size_t kv_head, RowsView<Key> keys, Floats<const float> q, Floats<float> out,
                const Key* next) {
        const std::size_t dim = shape_.head_dim, first_query = kv_head * shape_.group();
        MSRNN_ASSERT(q.size() == shape_.query_heads * dim && out.size() == q.size(),
                     "msrnn: q and out are [query_heads][head_dim]");
        msrnn::attend(keys, head_of(layer, kv_head).values.view(), lane(layer, kv_head).size() + 1, dim,
                      q.data() + first_query * dim, shape_.group(), shape_.logit_scale(), weights_row(first_query),
                      weight_stride_, out.data() + first_query * dim, next);
        attended_[head_index(layer, kv_head)] = 1;
    }

    Prompt checked(Prompt prompt, Prefill mode) const {
        MSRNN_ASSERT(prompt.fits(),
                     "msrnn: q and out are [tokens][query_heads][head_dim], k and v "
                     "[tokens][kv_heads][head_dim], positions one or one for each token");
        if (mode.chunk == 0) detail::refuse("msrnn: a prefill in chunks of 0 tokens; give at least 1");
        return prompt;
    }
    template <class Selector>
    void take(std::size_t layer, const Prompt& prompt, std::size_t chunk, std::span<Lane<Selector>> choosers) {
        for (std::size_t first = 0, count; first < prompt.tokens(); first += count) {
            count = std::min(chunk, prompt.tokens() - first);
            for (std::size_t i = 0; i < lanes_per_layer_; ++i)
                take(layer, i * heads_per_lane(), prompt, first, count, choosers.empty() ? nullptr : &choosers[i]);
        }
    }
    template <class Selector>
    void take(std::size_t layer, std::size_t kv_head, const Prompt& prompt, std::size_t first, std::size_t count,
              Lane<Selector>* chooser) {
        forget(layer, kv_head);
        close_gaps(layer, kv_head);
        Lane<P>& lane = lanes_[lane_index(layer, kv_head)];
        const std::size_t rows = lane.capacity();
        PromptChunk<P, Scalar> chunk(prompt, first, count, lane, heads_beside(layer, kv_head), kv_head);
        lane.set_capacity(std::max(rows, lane.size() + count));
        if (chooser != nullptr) chooser->set_capacity(lane.capacity());
        chunk.watch(chooser);
        chunk.choose(chooser);

        std::size_t enough = rows;
        while (enough <= lane.size()) enough *= 2;
        for (HeadRows<Scalar>& head : heads_beside(layer, kv_head)) head.reserve(enough);
        fit_weights(enough);
        chunk.store();
        lane.set_capacity(enough);
    }

    /// nullptr where nothing is to be taken back.
    History<P, Scalar>* history_of(std::size_t layer, std::size_t kv_head) {
        return histories_.empty() ? nullptr : &histories_[lane_index(layer, kv_head)];
    }
    /// What came before cannot be taken back: rows may move, and a history knows of steps alone.
    void forget(std::size_t layer, std::size_t kv_head) {
        if (History<P, Scalar>* const history = history_of(layer, kv_head)) history->forget();
    }
    void start_anew() {
        for (History<P, Scalar>& history : histories_) history.forget();
        std::ranges::fill(attended_, 0);
    }
    static std::size_t rows_for(std::size_t budget, const Lane<P>& lane) {
        return (budget == unbounded ? lane.size() : budget) + 1;
    }
    /// The capacity that the lane needs to go on from the record; one of a budget has it already, or is refused.
    static std::size_t rows_for(const LaneRecord& record, const Lane<P>& lane) {
        const std::size_t needed = record.budget == unbounded ? record.extent() + 1 : 0;
        return std::max(lane.capacity(), needed);
    }
    /// Attention walks [0, size()], so no vacancy may lie before the slot that the next token takes.
    void close_gaps(std::size_t layer, std::size_t kv_head) {
        lanes_[lane_index(layer, kv_head)].compact([&](Move move) {
            for (HeadRows<Scalar>& head : heads_beside(layer, kv_head)) {
                head.copy(head, move.from, move.to);
            }
        });
    }
    void reserve(std::size_t layer, std::size_t kv_head, std::size_t rows) {
        fit_weights(rows);
        for (HeadRows<Scalar>& head : heads_beside(layer, kv_head)) head.reserve(rows);
        lanes_[lane_index(layer, kv_head)].set_capacity(rows);
    }
    /// Room for the weights of one step of a lane with so many rows; each query head's row starts at a cache line.
    void fit_weights(std::size_t rows) {
        if (whole_lines(rows) <= weight_stride_) return;
        weights_.resize(detail::product(shape_.query_heads, whole_lines(rows)));
        weight_stride_ = whole_lines(rows);
    }

    Shape shape_;
    std::size_t lanes_per_layer_;
    std::vector<Lane<P>> lanes_;                 // [layers][lanes_per_layer]
    std::vector<HeadRows<Scalar>> heads_;        // [layers][kv_heads]
    std::vector<History<P, Scalar>> histories_;  // [layers][lanes_per_layer], empty where nothing is to be taken back
    std::vector<std::uint8_t> attended_;         // [layers][kv_heads]: since the last decide()
    Buffer weights_;                             // [query_heads][weight_stride_], of the layer that attends
    std::size_t weight_stride_ = 0;
    Buffer row_;                       // [head_dim], what a policy is shown of rows that are not float
    std::vector<Rows<float>> turned_;  // [kv_heads], of the layer that attends; empty until a step turns keys
};

}  // namespace msrnn::inline MSRNN_ABI
