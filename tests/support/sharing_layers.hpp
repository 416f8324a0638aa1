#pragma once

#include <cstddef>
#include <cstdint>
#include <msrnn/msrnn.hpp>
#include <vector>

#include "support/plain_model.hpp"
#include "support/same_record.hpp"

/// Layers that read the rows of others, and what they are given.
namespace sharing {

using plain_model::Numbers;

/// As Gemma 3n: layers 2 and 4 read the rows of layer 0, layer 3 those of layer 1, which has a window.
inline msrnn::Shape shape() {
    msrnn::Shape shape{.layers = 5, .query_heads = 4, .kv_heads = 2, .head_dim = 8, .value_dim = 6};
    shape.each = shape.list();
    shape.each[1].window = 6;
    shape.each[2] = {.query_heads = 2, .kv_heads = 2, .head_dim = 8, .value_dim = 6, .soft_cap = 2, .reads = 0};
    shape.each[3].window = 4;
    shape.each[3].reads = 1;
    shape.each[4] = {.query_heads = 6, .kv_heads = 2, .head_dim = 8, .value_dim = 6, .sinks = {1, 2, 0, 1, 2, 0}};
    shape.each[4].reads = 0;
    return shape;
}
inline std::size_t owner_of(const msrnn::LayerShape& shape, std::size_t layer) {
    return shape.reads == msrnn::no_layer ? layer : shape.reads;
}

/// The query, key and value of a layer, which are empty where it reads others' rows.
inline Numbers given_to(const msrnn::Shape& shape, std::size_t layer, std::int64_t t, std::uint64_t text = 0) {
    Numbers numbers(shape.each[layer], 1, text + static_cast<std::uint64_t>(37 * t) + layer + 1);
    if (shape.each[layer].reads != msrnn::no_layer) numbers.k.clear(), numbers.v.clear();
    return numbers;
}
/// Those of tokens [first, first + tokens), as for a prompt.
inline Numbers given_to(const msrnn::Shape& shape, std::size_t layer, std::int64_t first, std::size_t tokens,
                        std::uint64_t text) {
    Numbers all(shape.each[layer], 0, 1);
    for (std::size_t t = 0; t < tokens; ++t) {
        const Numbers one = given_to(shape, layer, first + static_cast<std::int64_t>(t), text);
        all.q.insert(all.q.end(), one.q.begin(), one.q.end());
        all.k.insert(all.k.end(), one.k.begin(), one.k.end());
        all.v.insert(all.v.end(), one.v.begin(), one.v.end());
        all.out.insert(all.out.end(), one.out.begin(), one.out.end());
    }
    return all;
}
template <class S>
std::vector<float> step(S& state, std::size_t layer, std::int64_t t, std::uint64_t text = 0) {
    Numbers numbers = given_to(state.shape(), layer, t, text);
    state.step(layer, t, numbers.q, numbers.k, numbers.v, numbers.out);
    return numbers.out;
}
template <class S>
std::vector<float> pass(S& state, std::int64_t t, std::uint64_t text = 0) {
    std::vector<float> outs;
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer) {
        const std::vector<float> out = step(state, layer, t, text);
        outs.insert(outs.end(), out.begin(), out.end());
    }
    return outs;
}
template <class S>
std::vector<float> prompt(S& state, std::size_t layer, std::int64_t first, std::size_t tokens, std::uint64_t text = 0) {
    Numbers numbers = given_to(state.shape(), layer, first, tokens, text);
    state.prefill(layer, first, numbers.q, numbers.k, numbers.v, numbers.out);
    return numbers.out;
}
template <class S>
void prompts(S& state, std::int64_t first, std::size_t tokens, std::uint64_t text = 0) {
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer) prompt(state, layer, first, tokens, text);
}
template <class P, class S>
bool same(const msrnn::State<P, S>& a, const msrnn::State<P, S>& b) {
    auto other = b.lanes().begin();
    for (const auto& lane : a.lanes())
        if (!same_record(lane.record(), (*other++).record())) return false;
    for (std::size_t layer = 0; layer < 2; ++layer)
        for (std::size_t h = 0; h < 2; ++h)
            for (const msrnn::LaneToken token : a.lane(layer, h).tokens())
                if (!same_bits(a.rows(layer, h).keys[token.slot], b.rows(layer, h).keys[token.slot]) ||
                    !same_bits(a.rows(layer, h).values[token.slot], b.rows(layer, h).values[token.slot]))
                    return false;
    return a.between_steps() == b.between_steps() && a.reversible() == b.reversible() && a.tokens(4) == b.tokens(4);
}

}  // namespace sharing
