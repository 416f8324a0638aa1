// The members of BasicDecoder, for the files that compile them.
#pragma once

#include <algorithm>
#include <vector>

#include "decoder.hpp"

namespace llama {

template <class Scalar>
BasicDecoder<Scalar>::BasicDecoder(const Model& model, std::span<const Memory> memories, PositionsIn positions,
                                   std::size_t tokens)
    : model_(model),
      tokens_(tokens),
      memories_(memories.begin(), memories.end()),
      products_(model),
      positions_(positions),
      global_(model.config.rope, model.config.head_dim),
      local_(model.config.local.rope, model.config.head_dim) {
    for (const Memory& memory : memories_) states_.push_back(state_of(memory));
    make_columns();
}

template <class Scalar>
BasicDecoder<Scalar>::BasicDecoder(const BasicDecoder& other, std::size_t copies)
    : model_(other.model_),
      tokens_(other.tokens_),
      products_(other.model_),
      positions_(other.positions_),
      global_(other.global_),
      local_(other.local_) {
    for (std::size_t copy = 0; copy < copies; ++copy) {
        memories_.insert(memories_.end(), other.memories_.begin(), other.memories_.end());
        states_.insert(states_.end(), other.states_.begin(), other.states_.end());
    }
    make_columns();
}

template <class Scalar>
void BasicDecoder<Scalar>::read(std::span<const Token> tokens, msrnn::Position position) {
    global_.text.set_position(position.value());
    local_.text.set_position(position.value());
    for (Eigen::Index column = 0; column < x_.cols(); ++column)  // those that fill up a group of four are not looked at
        x_.col(column) = products_.embedding(tokens[std::min(static_cast<std::size_t>(column), tokens.size() - 1)]);
    for (std::size_t layer = 0; layer < model_.layers.size(); ++layer) {
        products_.project(model_.layers[layer], x_, query_, key_, value_);
        attend(layer, position);
        products_.finish(model_.layers[layer], attended_, x_);
    }
    for (std::size_t memory = 0; memory < states_.size(); ++memory)
        if (memories_[memory].slack() != 0) share_out(memory);
}

template <class Scalar>
void BasicDecoder<Scalar>::reset() {
    for (std::size_t memory = 0; memory < states_.size(); ++memory)
        if (memories_[memory].slack() == 0)
            states_[memory].reset();
        else
            states_[memory] = state_of(memories_[memory]);  // budgets are those of the start again
}

/// Full groups of four: then Eigen's product takes the same way for every column, whatever is beside it. (From a
/// width of 16 on, and where the hidden size fills whole packets; else the last bits may differ.)
template <class Scalar>
void BasicDecoder<Scalar>::make_columns() {
    const Config& c = model_.config;
    const std::size_t memories = memories_.size(), columns = memories == 1 ? 1 : (memories + 3) / 4 * 4;
    const auto of = [&](std::size_t rows) {
        return Columns::Zero(static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(columns));
    };
    x_ = of(c.dim);
    query_ = of(c.query_dim());
    key_ = of(c.kv_dim());
    value_ = of(c.kv_dim());
    attended_ = of(c.query_dim());
}

template <class Scalar>
typename BasicDecoder<Scalar>::State BasicDecoder<Scalar>::state_of(const Memory& memory) const {
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

/// The rule chooses between two tokens, where a lane holds more than its budget.
template <class Scalar>
void BasicDecoder<Scalar>::share_out(std::size_t memory) {
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

template <class Scalar>
void BasicDecoder<Scalar>::attend(std::size_t layer, msrnn::Position position) {
    for (std::size_t memory = 0; memory < states_.size(); ++memory) {
        if (positions_ == PositionsIn::text)
            attend_in_text(memory, layer, position);
        else
            attend_in_cache(memory, layer, position);
    }
}

template <class Scalar>
void BasicDecoder<Scalar>::attend_in_text(std::size_t memory, std::size_t layer, msrnn::Position position) {
    const std::span<float> query = column_of(query_, memory), key = column_of(key_, memory);
    const FloatRotation& turn = rotations(layer).text;
    turn(query);
    turn(key);
    states_[memory].step(layer, position, query, key, column_of(value_, memory), column_of(attended_, memory));
}

/// Keys are stored as they are and turned by their rank each time they are looked at. Each lane has its own ranks.
template <class Scalar>
void BasicDecoder<Scalar>::attend_in_cache(std::size_t memory, std::size_t layer, msrnn::Position position) {
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

}  // namespace llama
