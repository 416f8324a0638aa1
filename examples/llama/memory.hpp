// What a decoder remembers of a text.
#pragma once

#include <algorithm>
#include <cstddef>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>

#include "model.hpp"

namespace llama {

/// The policy, and the budget of each layer or KV head.
struct Memory {
    msrnn::AnyPolicy policy = {};
    std::size_t budget = msrnn::unbounded;
};

inline msrnn::Shape shape_of(const Config& c) {
    msrnn::Shape shape{
        .layers = c.layers, .query_heads = c.query_heads, .kv_heads = c.kv_heads, .head_dim = c.head_dim};
    if (c.local.window != 0) shape.each = shape.list();
    for (std::size_t layer = 0; layer < shape.each.size(); ++layer)
        if (c.local.contain(layer)) shape.each[layer].window = c.local.window;
    return shape;
}

/// The memory's part in one layer. The policy rules the global ones. What is outside a local layer's window is never
/// seen again, so that this layer needs no more than the window: budget and newest token together.
inline Memory in_layer(const Config& c, const Memory& memory, std::size_t layer) {
    if (!c.local.contain(layer)) return memory;
    Memory newest{msrnn::Window{}, std::max<std::size_t>(c.local.window - 1, 1)};
    newest.policy.scope = memory.policy.scope;  // a lane for each KV head in all layers, or in none
    return newest;
}

}  // namespace llama
