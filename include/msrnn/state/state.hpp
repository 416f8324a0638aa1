// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "../config.hpp"
#include "../lane/lane.hpp"
#include "attend.hpp"
#include "floats.hpp"
#include "rows.hpp"
#include "shape.hpp"

namespace msrnn {

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
/// A State is a value: copying it forks the sequence. A batch is a vector of them. The heads of a layer may attend on
/// different threads; everything else of one State belongs to one thread at a time.
template <class P, class Scalar = float>
class State {
    static_assert(std::same_as<Scalar, float>, "msrnn: this version stores rows of float only.");

public:
    /// One budget for every lane. Throws std::invalid_argument with a sentence, see validate().
    State(Shape shape, Limits limits, P policy = {})
        : State(shape, std::move(policy), [=](std::size_t, std::size_t) { return limits; }) {}

    /// A budget per lane: budget_of(layer, kv_head) -> slots. Where a layer decides as one, kv_head is 0.
    template <class BudgetOf>
        requires std::is_invocable_r_v<std::size_t, BudgetOf, std::size_t, std::size_t> State(Shape shape,
                                                                                              BudgetOf budget_of,
                                                                                              P policy = {})
            : State(shape, std::move(policy), [&](std::size_t layer, std::size_t kv_head) {
                  return Limits{.budget = budget_of(layer, kv_head)};
              }) {}

        // one token
        // //////////////////////////////////////////////////////////////////////////////////////////////////////

        /// Appends the token's key and value, attends, and lets the policy drop one.
        void step(std::size_t layer, Position position, Floats<const float> q, Floats<const float> k,
                  Floats<const float> v, Floats<float> out) {
            for (std::size_t kv_head = 0; kv_head < shape_.kv_heads; ++kv_head) attend(layer, kv_head, q, k, v, out);
            decide(layer, position);
        }

        /// First half of a step, for one KV head and its query heads: stores the rows and attends. The spans are those
        /// of the whole layer; only this head's part is read and written, so the heads of a layer may run on different
        /// threads. Nothing is decided: without decide() the token has not come.
        void attend(std::size_t layer, std::size_t kv_head, Floats<const float> q, Floats<const float> k,
                    Floats<const float> v, Floats<float> out) {
            const std::size_t dim = shape_.head_dim, group = shape_.group(), first_query = kv_head * group;
            MSRNN_ASSERT(q.size() == shape_.query_heads * dim && out.size() == q.size(),
                         "msrnn: q and out are [query_heads][head_dim]");
            MSRNN_ASSERT(k.size() == shape_.kv_heads * dim && v.size() == k.size(),
                         "msrnn: k and v are [kv_heads][head_dim]");
            const auto& lane = this->lane(layer, kv_head);
            const Slot slot = lane.next();
            Head& head = head_of(layer, kv_head);
            std::ranges::copy(k.subspan(kv_head * dim, dim), head.keys[slot].begin());
            std::ranges::copy(v.subspan(kv_head * dim, dim), head.values[slot].begin());
            msrnn::attend(head.keys.view(), head.values.view(), lane.size() + 1, dim, q.data() + first_query * dim,
                          group, shape_.logit_scale(), weights_row(first_query), weight_stride_,
                          out.data() + first_query * dim);
            head.attended = true;
        }

        /// Second half, once after every KV head of the layer has attended: the token comes in at `position`, the
        /// policy sees what attention saw, and each lane drops down to its budget.
        void decide(std::size_t layer, Position position) {
            for (std::size_t kv_head = 0; kv_head < shape_.kv_heads; kv_head += heads_per_lane()) {
                for (std::size_t h = kv_head; h < kv_head + heads_per_lane(); ++h) {
                    MSRNN_ASSERT(head_of(layer, h).attended, "msrnn: decide() before attend() of every KV head");
                    head_of(layer, h).attended = false;
                }
                Lane<P>& lane = lanes_[lane_index(layer, kv_head)];
                lane.append(position);
                show(lane, layer, kv_head);
                lane.evict();
            }
            for (std::size_t kv_head = 0; kv_head < shape_.kv_heads; kv_head += heads_per_lane())
                if (const Lane<P>& full = lane(layer, kv_head); full.size() == full.capacity())
                    reserve(layer, kv_head, 2 * full.capacity());
        }

        // now and then
        // ///////////////////////////////////////////////////////////////////////////////////////////////////

        /// A new budget for the lane that decides for this KV head; what is over it leaves at once, weakest first.
        /// Throws std::invalid_argument and changes nothing where the budget does not fit protection or pins.
        /// More rows than ever before are allocated.
        void set_budget(std::size_t layer, std::size_t kv_head, std::size_t budget) {
            Lane<P>& lane = lanes_[lane_index(layer, kv_head)];
            const std::size_t rows = budget == unbounded ? lane.size() + 1 : budget + 1;
            detail::refuse(lane.misfit(budget, rows));
            if (rows > lane.capacity()) reserve(layer, kv_head, rows);
            lane.set_budget(budget);
            lane.evict();
            close_gaps(layer, kv_head);
        }
        /// Drops the token in this slot of the lane that decides for this KV head; another token may take the slot.
        void evict(std::size_t layer, std::size_t kv_head, Slot slot) {
            lanes_[lane_index(layer, kv_head)].evict(slot);
            close_gaps(layer, kv_head);
        }
        /// See Lane::pin().
        [[nodiscard]] bool pin(std::size_t layer, std::size_t kv_head, Slot slot) {
            return lanes_[lane_index(layer, kv_head)].pin(slot);
        }
        void unpin(std::size_t layer, std::size_t kv_head, Slot slot) {
            lanes_[lane_index(layer, kv_head)].unpin(slot);
        }

        /// A new sequence. Budgets and memory stay.
        void reset() {
            for (Lane<P>& lane : lanes_) lane.reset();
            for (Head& head : heads_) head.attended = false;
        }

        // to look at
        // /////////////////////////////////////////////////////////////////////////////////////////////////////

        const Shape& shape() const { return shape_; }
        std::size_t lanes_per_layer() const { return lanes_per_layer_; }

        /// The lane that decides for this KV head: who lies where, who may leave, how many have left.
        const Lane<P>& lane(std::size_t layer, std::size_t kv_head) const { return lanes_[lane_index(layer, kv_head)]; }
        std::span<const Scalar> key(std::size_t layer, std::size_t kv_head, Slot slot) const {
            return heads_[head_index(layer, kv_head)].keys[slot];
        }
        std::span<const Scalar> value(std::size_t layer, std::size_t kv_head, Slot slot) const {
            return heads_[head_index(layer, kv_head)].values[slot];
        }
        /// All memory that grows with budget, layers or heads: rows, bookkeeping, and the weights of one step.
        std::size_t bytes() const {
            std::size_t sum = weights_.size() * sizeof(float);
            for (const Head& head : heads_) sum += head.keys.bytes() + head.values.bytes();
            for (const Lane<P>& lane : lanes_) sum += lane.bytes();
            return sum;
        }

    private:
        static constexpr std::size_t first_rows = 64;  // of an unbounded lane

        struct Head {
            Rows<Scalar> keys, values;
            bool attended = false;
        };

        template <class LimitsOf>
            requires std::is_invocable_r_v<Limits, LimitsOf, std::size_t, std::size_t> State(Shape shape, P policy,
                                                                                             LimitsOf limits_of)
                : shape_(accepted(shape, policy)),
                  lanes_per_layer_(scope_of(policy) == Scope::layer ? 1 : shape.kv_heads) {
                lanes_.reserve(shape.layers * lanes_per_layer_);
                heads_.reserve(shape.layers * shape.kv_heads);
                for (std::size_t layer = 0; layer < shape.layers; ++layer)
                    for (std::size_t i = 0; i < lanes_per_layer_; ++i) {
                        Limits limits = limits_of(layer, i);
                        if (limits.budget == unbounded && limits.capacity == 0) limits.capacity = first_rows;
                        lanes_.emplace_back(limits, policy, LaneId{layer, i});
                        const Rows<Scalar> rows(limits.rows(), shape.head_dim);
                        heads_.insert(heads_.end(), heads_per_lane(), Head{rows, rows});
                    }
                fit_weights();
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
            std::size_t head_index(std::size_t layer, std::size_t kv_head) const {
                return layer * shape_.kv_heads + kv_head;
            }
            Head& head_of(std::size_t layer, std::size_t kv_head) { return heads_[head_index(layer, kv_head)]; }
            /// The KV heads that share the lane of this one.
            std::span<Head> heads_beside(std::size_t layer, std::size_t kv_head) {
                const std::size_t first = kv_head - kv_head % heads_per_lane();
                return {&head_of(layer, first), heads_per_lane()};
            }
            float* weights_row(std::size_t query_head) { return weights_.data() + query_head * weight_stride_; }

            void show(Lane<P>& lane, std::size_t layer, std::size_t kv_head) {
                lane.observe(weights_row(kv_head * shape_.group()), heads_per_lane() * shape_.group(), weight_stride_);
                const Head& head = head_of(layer, kv_head);
                lane.observe(Keys{[&](Slot slot) { return head.keys[slot]; }});
                lane.observe(Values{[&](Slot slot) { return head.values[slot]; }});
            }

            /// Attention walks [0, size()], so no vacancy may lie before the slot that the next token takes.
            void close_gaps(std::size_t layer, std::size_t kv_head) {
                lanes_[lane_index(layer, kv_head)].compact([&](Move move) {
                    for (Head& head : heads_beside(layer, kv_head)) {
                        head.keys.copy(move.from, move.to);
                        head.values.copy(move.from, move.to);
                    }
                });
            }
            void reserve(std::size_t layer, std::size_t kv_head, std::size_t rows) {
                for (Head& head : heads_beside(layer, kv_head)) {
                    head.keys.reserve(rows);
                    head.values.reserve(rows);
                }
                lanes_[lane_index(layer, kv_head)].reserve(rows);
                fit_weights();
            }
            /// Room for the weights of one step of the longest lane; each query head's row starts at a cache line.
            void fit_weights() {
                std::size_t rows = 0;
                for (const Lane<P>& lane : lanes_) rows = std::max(rows, lane.capacity());
                constexpr std::size_t line = 64 / sizeof(float);
                weight_stride_ = (rows + line - 1) / line * line;
                weights_.resize(detail::product(shape_.query_heads, weight_stride_));
            }

            Shape shape_;
            std::size_t lanes_per_layer_;
            std::vector<Lane<P>> lanes_;  // [layers][lanes_per_layer]
            std::vector<Head> heads_;     // [layers][kv_heads]
            std::vector<float, CacheLineAllocator<float>>
                weights_;  // [query_heads][weight_stride_], of the layer that attends
            std::size_t weight_stride_ = 0;
};

}  // namespace msrnn
