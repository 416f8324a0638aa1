// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "../base/own_vector.hpp"
#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI {

/// In place of the number of a layer: there is none.
inline constexpr std::size_t no_layer = static_cast<std::size_t>(-1);

/// The attention of one layer: query head h reads KV head h / (query_heads / kv_heads).
///
/// A query at position p sees the tokens at positions (p - window, p] where there is a window. What is outside stays
/// stored until the policy evicts it, with weight 0.
struct LayerShape {
    std::size_t query_heads = 0;
    std::size_t kv_heads = 0;
    std::size_t head_dim = 0;     ///< numbers of a query and of a key
    std::size_t value_dim = 0;    ///< numbers of a value and of an output; 0 for head_dim (MLA has 576 and 512)
    float scale = 0;              ///< factor of q.k before the softmax; 0 for 1/sqrt(head_dim)
    float soft_cap = 0;           ///< a logit becomes soft_cap * tanh(logit / soft_cap) (Gemma 2); 0: it stays
    std::size_t window = 0;       ///< attention window in positions (Mistral); 0: none
    OwnVector<float> sinks = {};  ///< a learned logit per query head (gpt-oss): joins the sum of the softmax, no value

    /// The earlier layer whose keys and values this one reads, with query heads of its own (Gemma 3n, YOCO): it has no
    /// rows and no policy, and k and v are empty.
    std::size_t reads = no_layer;

    constexpr std::size_t group() const { return query_heads / kv_heads; }  ///< query heads per KV head
    constexpr std::size_t value_width() const { return value_dim != 0 ? value_dim : head_dim; }
    float logit_scale() const { return scale != 0 ? scale : 1 / std::sqrt(static_cast<float>(head_dim)); }

    // Numbers of one token in q, out, k and v.
    constexpr std::size_t query_numbers() const { return query_heads * head_dim; }
    constexpr std::size_t out_numbers() const { return query_heads * value_width(); }
    constexpr std::size_t key_numbers() const { return kv_heads * head_dim; }
    constexpr std::size_t value_numbers() const { return kv_heads * value_width(); }

    bool operator==(const LayerShape&) const = default;
};

/// The attention of a model. Where layers differ, `each` has all of them, and says everything:
///
///     Shape gemma{.layers = 34, .query_heads = 8, .kv_heads = 4, .head_dim = 256, .window = 1024};
///     gemma.each = gemma.list();
///     for (std::size_t layer = 5; layer < 34; layer += 6) gemma.each[layer].window = 0;
/// A policy sees the part of its lane: `query_heads` are then those that share the lane, and layers is 0.
struct Shape {
    std::size_t layers = 0;

    // Of every layer, where `each` is empty; see LayerShape.
    std::size_t query_heads = 0;
    std::size_t kv_heads = 0;
    std::size_t head_dim = 0;
    std::size_t value_dim = 0;
    float scale = 0;  ///< factor of q.k before the softmax; 0 for 1/sqrt(head_dim)
    float soft_cap = 0;
    std::size_t window = 0;
    OwnVector<float> sinks = {};  ///< [query_heads] for all layers, or [layers][query_heads]

    std::vector<LayerShape> each = {};  ///< [layers], or empty

    constexpr std::size_t group() const { return query_heads / kv_heads; }  ///< query heads per KV head
    constexpr std::size_t value_width() const { return value_dim != 0 ? value_dim : head_dim; }
    float logit_scale() const { return scale != 0 ? scale : 1 / std::sqrt(static_cast<float>(head_dim)); }

    LayerShape layer(std::size_t i) const {
        if (!each.empty()) return each[i];
        LayerShape shape{.query_heads = query_heads,
                         .kv_heads = kv_heads,
                         .head_dim = head_dim,
                         .value_dim = value_dim,
                         .scale = scale,
                         .soft_cap = soft_cap,
                         .window = window};
        const std::size_t first = sinks.size() > query_heads ? i * query_heads : 0;
        const std::size_t end = first + query_heads < sinks.size() ? first + query_heads : sinks.size();
        for (std::size_t g = first; g < end; ++g) shape.sinks.push_back(sinks[g]);
        return shape;
    }
    /// All layers, to be changed one by one.
    std::vector<LayerShape> list() const {
        std::vector<LayerShape> all;
        for (std::size_t i = 0; i < layers; ++i) all.push_back(layer(i));
        return all;
    }

    bool operator==(const Shape&) const = default;
};

}  // namespace msrnn::inline MSRNN_ABI
