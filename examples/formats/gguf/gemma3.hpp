// What a Gemma 3 model has beside a Llama model. Source: arXiv 2503.19786; for what the file leaves open, llama.cpp.
#pragma once

#include <Eigen/Core>
#include <cmath>
#include <cstddef>
#include <string>

#include "config.hpp"
#include "llama/model.hpp"

namespace gguf {

namespace detail {

/// Local layers turn as base 10,000 says unless the file knows better, and no scaling slows them.
inline llama::LocalLayers local_layers_of(const File& file, std::size_t rotary_dim) {
    const std::string window = key_of(file, "attention.sliding_window"),
                      period = key_of(file, "attention.sliding_window_pattern"),
                      base = key_of(file, "rope.freq_base_swa");
    return {.window = size_of(file, window),
            .period = file.has(period) ? size_of(file, period) : 6,
            .rope = llama::rope_of(rotary_dim, file.has(base) ? positive(file, base, file.real(base)) : 10000)};
}

/// The largest of these models scales its queries in another way, which only its number of layers gives away.
inline void refuse_27b(const Config& c, const File& file) {
    if (c.layers == 62)
        throw file.refused("key " + key_of(file, "block_count") +
                           " is 62: Gemma 3 27B scales its queries as this decoder does not");
}

inline void add_gemma3(Config& c, const File& file, std::size_t rotary_dim) {
    refuse_27b(c, file);
    if (rotary_dim != c.head_dim)
        throw file.refused("key " + key_of(file, "rope.dimension_count") + " is " + std::to_string(rotary_dim) +
                           ", expected " + std::to_string(c.head_dim) + ": all numbers of a head turn");
    c.local = local_layers_of(file, rotary_dim);
    c.gate = llama::Gate::gelu;
    c.embedding_scale = std::sqrt(static_cast<float>(c.dim));
    c.more_norms = true;
}

/// RoPE turns number j of a head with number j + half of it, where this decoder turns neighbours: so the rows of
/// queries and keys, and the weights of their norms, are laid side by side, head by head. Products of queries and keys
/// stay as they are.
template <class Rows>
void make_neighbours(Rows& rows, std::size_t head_dim) {
    const auto width = static_cast<Eigen::Index>(head_dim), half = width / 2;
    for (Eigen::Index first = 0; first < rows.rows(); first += width) {
        const Rows head = rows.middleRows(first, width);
        for (Eigen::Index j = 0; j < half; ++j) {
            rows.row(first + 2 * j) = head.row(j);
            rows.row(first + 2 * j + 1) = head.row(j + half);
        }
    }
}

inline void make_neighbours(llama::Model& model) {
    for (llama::Layer& layer : model.layers) {
        make_neighbours(layer.query, model.config.head_dim);
        make_neighbours(layer.key, model.config.head_dim);
        make_neighbours(layer.query_norm, model.config.head_dim);
        make_neighbours(layer.key_norm, model.config.head_dim);
    }
}

}  // namespace detail

}  // namespace gguf
