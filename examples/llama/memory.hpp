// What a decoder remembers of a text.
#pragma once

#include <algorithm>
#include <cstddef>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <optional>

#include "budget_rule.hpp"
#include "model.hpp"

namespace llama {

/// The policy, and the budget of each layer or KV head.
struct Memory {
    msrnn::AnyPolicy policy = {};
    std::size_t budget = msrnn::unbounded;
    std::optional<msrnn::AnyPolicy> selector = {};  // chooses once, after a prompt
    BudgetRule rule = {};

    /// With slack a step evicts nothing: the rule chooses after it.
    std::size_t slack() const { return rule.moves_slots() && budget != msrnn::unbounded ? 1 : 0; }
};

inline msrnn::Shape shape_of(const Config& c) {
    msrnn::Shape shape{
        .layers = c.layers, .query_heads = c.query_heads, .kv_heads = c.kv_heads, .head_dim = c.head_dim};
    if (c.local.window != 0) shape.each = shape.list();
    for (std::size_t layer = 0; layer < shape.each.size(); ++layer)
        if (c.local.contain(layer)) shape.each[layer].window = c.local.window;
    return shape;
}

/// The memory's part in one layer, for a text of so many tokens. The policy rules the global ones. What is outside a
/// local layer's window is never seen again, so that this layer needs no more than the window: budget and newest token
/// together.
inline Memory in_layer(const Config& c, const Memory& memory, std::size_t layer,
                       std::size_t tokens = msrnn::unbounded) {
    if (!c.local.contain(layer)) {
        std::size_t global = 0, before = 0;
        for (std::size_t l = 0; l < c.layers; ++l) {
            before += l < layer && !c.local.contain(l);
            global += !c.local.contain(l);
        }
        Memory part = memory;
        part.budget = memory.rule.budget_of(before, global, tokens, memory.budget);
        return part;
    }
    Memory newest{msrnn::Window{}, std::max<std::size_t>(c.local.window - 1, 1)};
    newest.policy.scope = memory.policy.scope;  // a lane for each KV head in all layers, or in none
    return newest;
}

}  // namespace llama
