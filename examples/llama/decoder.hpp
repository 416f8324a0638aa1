// A decoder of the plainest kind, one token at a time. Its attention is an msrnn::State, which remembers at most
// `budget` tokens per layer (or per KV head) and lets the policy choose them; a local layer remembers its window.
// Several memories may read the same text side by side: each is a column of what passes through the weights, which are
// then read once for all of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <span>
#include <vector>

#include "memory.hpp"
#include "model.hpp"
#include "products.hpp"
#include "ranks.hpp"
#include "rotation.hpp"

namespace llama {

/// What RoPE takes for a token's position: its index in the text, or its rank among the tokens that are kept, counted
/// anew at every step (as StreamingLLM does), so that no angle ever exceeds those of a text as long as the budget.
enum class PositionsIn { text, cache };

/// Keys and values are stored as `Scalar`.
template <class Scalar = float>
class BasicDecoder {
public:
    using State = msrnn::State<msrnn::AnyPolicy, Scalar>;

    /// Rules that give each layer a budget of its own ask for the length of the text.
    BasicDecoder(const Model& model, std::span<const Memory> memories, PositionsIn positions = PositionsIn::text,
                 std::size_t tokens = msrnn::unbounded)
        : model_(model),
          tokens_(tokens),
          memories_(memories.begin(), memories.end()),
          products_(model),
          positions_(positions),
          global_(model.config.rope, model.config.head_dim),
          local_(model.config.local.rope, model.config.head_dim) {
        const Config& c = model.config;
        for (const Memory& memory : memories_) states_.push_back(state_of(memory));
        x_ = columns_of(c.dim);
        query_ = columns_of(c.query_dim());
        key_ = columns_of(c.kv_dim());
        value_ = columns_of(c.kv_dim());
        attended_ = columns_of(c.query_dim());
    }
    BasicDecoder(const Model& model, std::size_t budget, const msrnn::AnyPolicy& policy,
                 PositionsIn positions = PositionsIn::text)
        : BasicDecoder(model, std::vector{Memory{policy, budget}}, positions) {}

    /// Reads one token into every memory.
    void read(Token token, msrnn::Position position) {
        global_.text.set_position(position.value());
        local_.text.set_position(position.value());
        x_.colwise() = products_.embedding(token);
        for (std::size_t layer = 0; layer < model_.layers.size(); ++layer) {
            products_.project(model_.layers[layer], x_, query_, key_, value_);
            attend(layer, position);
            products_.finish(model_.layers[layer], attended_, x_);
        }
        for (std::size_t memory = 0; memory < states_.size(); ++memory)
            if (memories_[memory].slack() != 0) share_out(memory);
    }

    /// Of the token behind the last one read, one row per entry of the vocabulary; column m is what memory m expects.
    const Columns& logits() { return products_.logits(x_); }

    /// Reads one token and returns what the first memory expects next.
    Vector step(Token token, msrnn::Position position) {
        read(token, position);
        return logits().col(0);
    }

    void reset() {
        for (std::size_t memory = 0; memory < states_.size(); ++memory)
            if (memories_[memory].slack() == 0)
                states_[memory].reset();
            else
                states_[memory] = state_of(memories_[memory]);  // budgets are those of the start again
    }

    std::size_t memories() const { return states_.size(); }
    const State& state(std::size_t memory = 0) const { return states_[memory]; }

private:
    /// Full groups of four: then Eigen's product takes the same way for every column, whatever is beside it. (From a
    /// width of 16 on, and where the hidden size fills whole packets; else the last bits may differ.)
    Eigen::Index columns() const {
        const std::size_t memories = states_.size();
        return static_cast<Eigen::Index>(memories == 1 ? 1 : (memories + 3) / 4 * 4);
    }

    Columns columns_of(std::size_t rows) const { return Columns::Zero(static_cast<Eigen::Index>(rows), columns()); }

    State state_of(const Memory& memory) const {
        const Config& c = model_.config;
        const auto policy_of = [&](std::size_t layer) { return in_layer(c, memory, layer).policy; };
        if (memory.slack() == 0)
            return State(
                shape_of(c), [&](std::size_t layer, std::size_t) { return in_layer(c, memory, layer, tokens_).budget; },
                policy_of);
        State state(shape_of(c), msrnn::Limits{.budget = memory.budget, .slack = memory.slack()}, policy_of);
        for (std::size_t layer = 0; layer < c.layers; ++layer)
            for (std::size_t head = 0; head < c.kv_heads && c.local.contain(layer); ++head)
                state.set_budget(layer, head, in_layer(c, memory, layer).budget);
        return state;
    }

    /// The rule chooses between two tokens, for lanes one of which holds more than its budget.
    void share_out(std::size_t memory) {
        const BudgetRule& rule = memories_[memory].rule;
        const std::size_t budget = memories_[memory].budget;
        const auto ruled = [&](const auto& lane) { return !model_.config.local.contain(lane.id().layer); };
        bool is_over = false;
        for (const auto& lane : states_[memory].lanes()) is_over |= ruled(lane) && lane.size() > lane.budget();
        if (!is_over) return;
        states_[memory].share_out([&](auto lanes) {
            std::vector<msrnn::Lane<msrnn::AnyPolicy>*> part;
            const auto choose = [&] {
                if (std::ranges::any_of(part, [](const auto* lane) { return lane->size() > lane->budget(); }))
                    rule(part, budget);
                part.clear();
            };
            for (auto* lane : lanes) {
                if (!ruled(*lane)) continue;
                const bool of_others = !part.empty() && part.back()->id().layer != lane->id().layer;
                if (of_others && rule.over != RuleOver::lanes_of_model) choose();
                part.push_back(lane);
            }
            choose();
        });
    }

    const Rotations& rotations(std::size_t layer) const {
        return model_.config.local.contain(layer) ? local_ : global_;
    }

    void attend(std::size_t layer, msrnn::Position position) {
        for (std::size_t memory = 0; memory < states_.size(); ++memory) {
            if (positions_ == PositionsIn::text)
                attend_in_text(memory, layer, position);
            else
                attend_in_cache(memory, layer, position);
        }
    }

    void attend_in_text(std::size_t memory, std::size_t layer, msrnn::Position position) {
        const std::span<float> query = column_of(query_, memory), key = column_of(key_, memory);
        const FloatRotation& turn = rotations(layer).text;
        turn(query);
        turn(key);
        states_[memory].step(layer, position, query, key, column_of(value_, memory), column_of(attended_, memory));
    }

    /// Keys are stored as they are and turned by their rank each time they are looked at. Each lane has its own ranks.
    void attend_in_cache(std::size_t memory, std::size_t layer, msrnn::Position position) {
        State& state = states_[memory];
        const std::span<float> query = column_of(query_, memory), key = column_of(key_, memory);
        const auto& turn = rotations(layer).cache;
        const std::size_t dim = state.shape().head_dim, group = state.shape().group();
        for (std::size_t kv_head = 0; kv_head < state.shape().kv_heads; ++kv_head) {
            ranks_.read(state.lane(layer, kv_head));
            for (std::size_t head = kv_head * group; head < (kv_head + 1) * group; ++head)
                turn(query.subspan(head * dim, dim), ranks_.newest());
            state.attend(layer, kv_head, position, query, key, column_of(value_, memory), column_of(attended_, memory),
                         [&](msrnn::Slot slot, std::span<float> turned) { turn(turned, ranks_[slot]); });
        }
        state.decide(layer, position);
    }

    const Model& model_;
    std::size_t tokens_;
    std::vector<Memory> memories_;
    Products products_;
    PositionsIn positions_;
    std::vector<State> states_;
    Rotations global_, local_;
    Ranks ranks_;
    Columns x_, query_, key_, value_, attended_;  // one column for each memory
};
using Decoder = BasicDecoder<>;

}  // namespace llama
