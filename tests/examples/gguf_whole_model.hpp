// Whether a model that some file was read into has all its parts.
#pragma once

#include <cmath>
#include <string>

#include "llama/model.hpp"

/// Empty where every array has the size that the sizes ask for and every number is finite; else what is wrong.
inline std::string fault_of(const llama::Model& model) {
    const llama::Config& c = model.config;
    for (const std::size_t size :
         {c.dim, c.hidden, c.layers, c.query_heads, c.kv_heads, c.head_dim, c.vocabulary, c.context})
        if (size == 0) return "a size is zero";
    if (c.query_heads % c.kv_heads != 0) return "the heads do not divide";
    if (c.rope.empty() || 2 * c.rope.size() > c.head_dim) return "RoPE has no pairs, or more than a head";
    for (const float frequency : c.rope)
        if (!std::isfinite(frequency)) return "RoPE turns infinitely fast";
    if (c.local.window != 0 && c.local.rope.size() != c.rope.size()) return "local layers turn other pairs";
    for (const float frequency : c.local.rope)
        if (!std::isfinite(frequency)) return "RoPE turns infinitely fast in local layers";
    if (!(c.norm_epsilon > 0) || !std::isfinite(c.norm_epsilon)) return "the epsilon is not positive";

    std::string fault;
    const auto look_at = [&](const char* name, const auto& array, std::size_t rows, std::size_t columns) {
        if (static_cast<std::size_t>(array.size()) != rows * columns) fault = name + std::string(" has another size");
        if (!array.allFinite()) fault = name + std::string(" is not finite");
    };
    look_at("embedding", model.embedding, c.vocabulary, c.dim);
    look_at("final norm", model.final_norm, 1, c.dim);
    look_at("head", model.head(), c.vocabulary, c.dim);
    if (model.layers.size() != c.layers) return "there are more or fewer layers";
    for (const llama::Layer& layer : model.layers) {
        look_at("attention norm", layer.attention_norm, 1, c.dim);
        look_at("query", layer.query, c.query_dim(), c.dim);
        look_at("key", layer.key, c.kv_dim(), c.dim);
        look_at("value", layer.value, c.kv_dim(), c.dim);
        look_at("attention out", layer.attention_out, c.dim, c.query_dim());
        look_at("feed forward norm", layer.feed_forward_norm, 1, c.dim);
        look_at("gate", layer.gate, c.hidden, c.dim);
        look_at("down", layer.down, c.dim, c.hidden);
        look_at("up", layer.up, c.hidden, c.dim);
        const std::size_t more = c.more_norms ? 1 : 0;
        look_at("query norm", layer.query_norm, more, c.head_dim);
        look_at("key norm", layer.key_norm, more, c.head_dim);
        look_at("attention out norm", layer.attention_out_norm, more, c.dim);
        look_at("feed forward out norm", layer.feed_forward_out_norm, more, c.dim);
    }
    return fault;
}
