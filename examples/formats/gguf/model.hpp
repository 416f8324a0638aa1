// A Llama or Gemma 3 model out of a GGUF file. All that the file says about its sizes is checked before a weight is
// allocated, and a tensor that the decoder would leave out of its sums is refused.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config.hpp"
#include "file.hpp"
#include "gemma3.hpp"
#include "llama/model.hpp"
#include "rope.hpp"

namespace gguf {

namespace detail {

using llama::Layer;
using llama::Model;

/// Which tensor goes where.
struct Place {
    std::string tensor;
    std::size_t rows, columns;
    std::function<float*(Model&)> weights;
};

inline void add_layer(std::vector<Place>& places, const Config& c, std::size_t layer) {
    const auto add = [&](const char* name, std::size_t rows, std::size_t columns, auto member) {
        places.push_back({"blk." + std::to_string(layer) + "." + name + ".weight", rows, columns,
                          [=](Model& model) { return (model.layers[layer].*member).data(); }});
    };
    add("attn_norm", 1, c.dim, &Layer::attention_norm);
    add("attn_q", c.query_dim(), c.dim, &Layer::query);
    add("attn_k", c.kv_dim(), c.dim, &Layer::key);
    add("attn_v", c.kv_dim(), c.dim, &Layer::value);
    add("attn_output", c.dim, c.query_dim(), &Layer::attention_out);
    add("ffn_norm", 1, c.dim, &Layer::feed_forward_norm);
    add("ffn_gate", c.hidden, c.dim, &Layer::gate);
    add("ffn_up", c.hidden, c.dim, &Layer::up);
    add("ffn_down", c.dim, c.hidden, &Layer::down);
    if (!c.more_norms) return;
    add("attn_q_norm", 1, c.head_dim, &Layer::query_norm);
    add("attn_k_norm", 1, c.head_dim, &Layer::key_norm);
    add("post_attention_norm", 1, c.dim, &Layer::attention_out_norm);
    add("post_ffw_norm", 1, c.dim, &Layer::feed_forward_out_norm);
}

inline std::vector<Place> places_of(const Config& c) {
    std::vector<Place> places;
    const auto add = [&](const char* name, std::size_t rows, auto member) {
        places.push_back({name, rows, c.dim, [=](Model& model) { return (model.*member).data(); }});
    };
    add("token_embd.weight", c.vocabulary, &Model::embedding);
    for (std::size_t layer = 0; layer < c.layers; ++layer) add_layer(places, c, layer);
    add("output_norm.weight", 1, &Model::final_norm);
    if (c.separate_head) add("output.weight", c.vocabulary, &Model::separate_head);
    return places;
}

inline void check(const File& file, const std::vector<Place>& places) {
    std::set<std::string_view> known{rope_factors};
    for (const Place& place : places) {
        file.check(file.tensor(place.tensor), {place.columns, place.rows, 1, 1});
        known.insert(place.tensor);
    }
    for (const Tensor& tensor : file.tensors())
        if (!known.contains(tensor.name))
            throw file.refused(tensor.title() + " has no place in this decoder, which would ignore it");
}

}  // namespace detail

inline llama::Model read_model(const File& file) {
    detail::refuse_other_kinds(file);
    detail::Config config = detail::config_of(file);
    const std::size_t rotary_dim = detail::rotary_dim_of(file, config.head_dim);
    if (detail::is_gemma3(file)) detail::add_gemma3(config, file, rotary_dim);
    const std::vector<detail::Place> places = detail::places_of(config);
    detail::check(file, places);
    config.rope = detail::rope_of(file, rotary_dim);

    llama::Model model(config);
    for (const detail::Place& place : places)
        file.read(file.tensor(place.tensor), {place.weights(model), place.rows * place.columns});
    if (detail::is_gemma3(file)) detail::make_neighbours(model);
    return model;
}

}  // namespace gguf
