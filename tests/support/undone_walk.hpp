#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <msrnn/msrnn.hpp>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/same_record.hpp"
#include "support/tokens.hpp"
#include "support/undone.hpp"

namespace undone {

/// How often a walk has met what is rare.
struct Met {
    std::size_t taken_back = 0, whole_depths = 0, evictions = 0, growths = 0, given_up = 0, refusals = 0, cuts = 0,
                prompts = 0;
};

/// A state with a history and, as a plain list, a whole copy of a state without one for every token. They
/// go through the same random operations.
template <class P, class S>
class Walk {
public:
    Walk(const Shape& shape, Limits limits, const P& policy, std::size_t depth, std::uint64_t seed)
        : state_(shape, limits, policy, {.tokens = depth}),
          past_{State<P, S>(shape, limits, policy)},
          depth_(depth),
          random_{seed} {}

    void run(std::size_t operations, Met& met) {
        for (std::size_t i = 0; i < operations; ++i) {
            operate(met);
            REQUIRE(difference(state_, past_.back()).empty());
            REQUIRE(state_.reversible() == reversible_);
        }
    }
    void come() {
        State<P, S> next = past_.back();
        const Position position(random_.one_in(9) ? -3 : position_++);
        const bool turned = random_.one_in(6), begun = random_.one_in(6);
        if (begun) attend_some();
        for (std::size_t layer = 0; layer < shape().layers; ++layer) {
            Token mine(shape(), random_), other = mine;
            const auto turn = [](Slot slot, std::span<float> key) { key[0] += static_cast<float>(slot); };
            if (turned) {
                state_.step(layer, position, mine.q, mine.k, mine.v, mine.out, turn);
                next.step(layer, position, other.q, other.k, other.v, other.out, turn);
            } else {
                state_.step(layer, position, mine.q, mine.k, mine.v, mine.out);
                next.step(layer, position, other.q, other.k, other.v, other.out);
            }
            REQUIRE(same_bits(mine.out, other.out));
        }
        past_.push_back(std::move(next));
        reversible_ = std::min(depth_, reversible_ + 1);
        if (prompt_begin_ != none && past_.size() - prompt_end_ == depth_) prompt_begin_ = none;
    }

    void take_back(std::size_t tokens, Met& met) {
        const std::size_t rows = state_.lane(0, 0).capacity();
        const Arrival evictions = state_.lane(0, 0).evictions();
        REQUIRE(state_.rollback(tokens));
        past_.resize(past_.size() - tokens, past_.front());
        prompt_end_ = std::min(prompt_end_, past_.size());
        reversible_ = past_.size() == prompt_begin_ ? before_prompt_
                      : prompt_begin_ != none       ? std::min(depth_, past_.size() - prompt_begin_)
                                                    : reversible_ - tokens;
        if (past_.size() == prompt_begin_) prompt_begin_ = none;
        met.taken_back += tokens;
        met.whole_depths += tokens == depth_;
        met.growths += past_.back().lane(0, 0).capacity() < rows;
        met.evictions += evictions - state_.lane(0, 0).evictions();
    }

private:
    const Shape& shape() const { return state_.shape(); }

    void operate(Met& met) {
        const std::size_t dice = random_.below(100);
        if (dice < 68) return come();
        if (dice < 86) return take_back(random_.below(reversible_ + 1), met);
        if (dice < 89) return take_back(reversible_, met);
        if (dice < 93) {
            attend_some();
            ++met.given_up;
            return take_back(random_.below(reversible_ + 1), met);
        }
        if (dice < 96) {
            ++met.refusals;
            REQUIRE_FALSE(state_.rollback(reversible_ + 1 + random_.below(3)));
            return;
        }
        change(met);
    }

    /// Some heads of some layers, each with a token of its own. Those that follow write over it.
    void attend_some() {
        for (std::size_t layer = 0; layer < shape().layers; ++layer)
            for (std::size_t h = 0; h < shape().kv_heads; ++h) {
                Token token(shape(), random_);
                if (random_.one_in(2)) state_.attend(layer, h, token.q, token.k, token.v, token.out);
            }
    }

    /// Anything but a step: nothing before it can be undone any more.
    void change(Met& met) {
        if (past_.size() < 2) return;
        const std::size_t layer = random_.below(shape().layers), head = random_.below(shape().kv_heads);
        const auto both = [&](auto operate) {
            operate(state_);
            operate(past_.back());
        };
        const std::size_t slot = live_slot(layer, head);
        switch (random_.below(6)) {
            case 0:
                both([&](auto& one) { one.evict(layer, head, Slot(slot)); });
                break;
            case 1: {
                const bool mine = state_.pin(layer, head, Slot(slot)),
                           others = past_.back().pin(layer, head, Slot(slot));
                REQUIRE(mine == others);
                if (!mine) return;
                break;
            }
            case 2:
                both([&](auto& one) { one.unpin(layer, head, Slot(slot)); });
                break;
            case 3: {
                const std::size_t budget = 5 + random_.below(5);
                if (state_.lane(layer, head).budget() == unbounded) return;
                if (!state_.lane(layer, head).problem(budget, budget + 1).empty()) {
                    REQUIRE_THROWS_AS(state_.set_budget(layer, head, budget), std::invalid_argument);
                    return;
                }
                both([&](auto& one) { one.set_budget(layer, head, budget); });
                break;
            }
            case 4:
                return come_in_chunks(met);
            default:
                both([](auto& one) { one.restore(records(one), {one.rows().begin(), one.rows().end()}); });
        }
        reversible_ = 0;
        prompt_begin_ = none;
        ++met.cuts;
    }
    /// Of what was there before a prompt, only steps can be undone, when the prompt is undone.
    std::size_t steps_since() const { return prompt_begin_ == none ? reversible_ : past_.size() - prompt_end_; }
    /// A prompt in every layer. Each number of its tokens is taken by a copy of its own.
    void come_in_chunks(Met& met) {
        const std::size_t tokens = 1 + random_.below(4), chunk = random_.one_of<std::size_t>({2, 3, unbounded});
        const bool snap = random_.one_in(3);
        const Random text{random_.next()};
        const auto take = [&](State<P, S>& one, std::size_t first) {
            Random random = text;
            for (std::size_t layer = 0; layer < shape().layers; ++layer) {
                Token all(Shape{.query_heads = shape().query_heads * 4,
                                .kv_heads = shape().kv_heads * 4,
                                .head_dim = shape().head_dim},
                          random);
                const std::size_t queries = all.q.size() / 4 * first, width = all.k.size() / 4 * first;
                const auto q = std::span(all.q).first(queries), out = std::span(all.out).first(queries);
                const auto k = std::span(all.k).first(width), v = std::span(all.v).first(width);
                const SnapKV selector{.window = 2, .scope = scope_of(one.lane(layer, 0).policy())};
                if (snap && one.problem(layer, selector).empty())
                    one.prefill(layer, position_, q, k, v, out, Prefill::chunked(chunk), selector);
                else
                    one.prefill(layer, position_, q, k, v, out, Prefill::chunked(chunk));
            }
        };
        take(state_, tokens);
        const State<P, S> before = past_.back();
        before_prompt_ = steps_since();
        prompt_begin_ = past_.size();
        for (std::size_t first = 1; first <= tokens; ++first) {
            past_.push_back(before);
            take(past_.back(), first);
        }
        position_ += static_cast<std::int64_t>(tokens);
        prompt_end_ = past_.size();
        if (tokens > depth_) prompt_begin_ = none;
        reversible_ = tokens <= depth_ ? tokens : 0;
        met.prompts += tokens <= depth_;
        met.cuts += tokens > depth_;
    }
    static std::vector<LaneRecord> records(const State<P, S>& state) {
        std::vector<LaneRecord> all;
        for (const Lane<P>& lane : state.lanes()) all.push_back(lane.record());
        return all;
    }
    std::size_t live_slot(std::size_t layer, std::size_t head) {
        const Lane<P>& lane = state_.lane(layer, head);
        std::size_t slot = random_.below(lane.extent());
        while (!lane.live(Slot(slot))) slot = (slot + 1) % lane.extent();
        return slot;
    }

    State<P, S> state_;
    std::vector<State<P, S>> past_;
    std::size_t depth_, reversible_ = 0;
    static constexpr std::size_t none = static_cast<std::size_t>(-1);
    std::size_t prompt_begin_ = none, prompt_end_ = 0;  // how long the past was before and after the last prompt
    std::size_t before_prompt_ = 0;
    std::int64_t position_ = 0;
    Random random_;
};

}  // namespace undone
