// llama2.c checkpoints, version 0: seven int32, then float32 arrays in the legacy order.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include "llama/file.hpp"
#include "llama/model.hpp"

namespace llama2c {

using namespace llama;

static_assert(std::endian::native == std::endian::little, "checkpoints are little-endian");

using Header = std::array<std::int32_t, 7>;  // dim, hidden, layers, heads, kv_heads, vocab, context

/// The sizes a header states, all but RoPE, or a refusal that says which of them make no sense.
inline Config config_from(const Header& header, const std::string& path) {
    constexpr std::int32_t later_version = 0x616b3432;
    if (header[0] == later_version) throw refusal(path, "only version 0 checkpoints are read, this is a later version");

    constexpr std::array<const char*, 7> names = {"dim",      "hidden dim", "layers", "query heads",
                                                  "KV heads", "vocabulary", "context"};
    std::array<std::size_t, 7> sizes{};
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        const std::int64_t number = i == 5 && header[i] < 0 ? -std::int64_t{header[i]} : std::int64_t{header[i]};
        if (number <= 0) throw refusal(path, "the header says " + std::to_string(number) + " for " + names[i]);
        sizes[i] = static_cast<std::size_t>(number);
    }
    const auto [dim, hidden, layers, query_heads, kv_heads, vocabulary, context] = sizes;
    const auto divides = [&](std::size_t divisor, const char* what, std::size_t number, const char* of) {
        if (number % divisor != 0)
            throw refusal(path, "the header's " + std::to_string(divisor) + " " + what + " do not divide its " +
                                    std::to_string(number) + " " + of);
    };
    divides(query_heads, "query heads", dim, "dimensions");
    divides(kv_heads, "KV heads", query_heads, "query heads");
    if (dim / query_heads % 2 != 0)
        throw refusal(path, "a head_dim of " + std::to_string(dim / query_heads) + " is odd: RoPE rotates pairs");
    if (vocabulary == 1) throw refusal(path, "a vocabulary of 1 has no BOS token");
    return {.dim = dim,
            .hidden = hidden,
            .layers = layers,
            .query_heads = query_heads,
            .kv_heads = kv_heads,
            .head_dim = dim / query_heads,
            .vocabulary = vocabulary,
            .context = context,
            .separate_head = header[5] < 0};
}

/// In double: exact for every size a disk can hold, and no header makes it overflow.
inline double checkpoint_bytes(const Config& config) {
    const auto of = [](std::size_t number) { return static_cast<double>(number); };
    const double dim = of(config.dim), kv_dim = of(config.kv_dim()), vocabulary = of(config.vocabulary);
    const double attention = 2 * dim * dim + 2 * dim * kv_dim;
    const double feed_forward = 3 * dim * of(config.hidden);
    const double rope_tables = of(config.context) * of(config.head_dim);
    const double embeddings = vocabulary * dim * (config.separate_head ? 2 : 1);
    const double floats = embeddings + of(config.layers) * (attention + feed_forward + 2 * dim) + dim + rope_tables;
    return sizeof(Header) + sizeof(float) * floats;
}

namespace detail {

template <class Array>
void read_array(std::ifstream& file, Array& array, const std::string& path) {
    const auto bytes = static_cast<std::streamsize>(sizeof(float)) * array.size();
    if (!file.read(reinterpret_cast<char*>(array.data()), bytes)) throw refusal(path, "reading failed");
    if (!array.allFinite()) throw refusal(path, "a weight is not a finite number");
}

/// The legacy order goes array by array, each of them for all layers.
inline void read_arrays(std::ifstream& file, Model& model, const std::string& path) {
    const auto of_all_layers = [&](auto member) {
        for (Layer& layer : model.layers) read_array(file, layer.*member, path);
    };
    read_array(file, model.embedding, path);
    of_all_layers(&Layer::attention_norm);
    of_all_layers(&Layer::query);
    of_all_layers(&Layer::key);
    of_all_layers(&Layer::value);
    of_all_layers(&Layer::attention_out);
    of_all_layers(&Layer::feed_forward_norm);
    of_all_layers(&Layer::gate);
    of_all_layers(&Layer::down);
    of_all_layers(&Layer::up);
    read_array(file, model.final_norm, path);
    const std::size_t rope_tables = model.config.context * model.config.head_dim * sizeof(float);
    file.seekg(static_cast<std::streamoff>(rope_tables), std::ios::cur);
    if (model.config.separate_head) read_array(file, model.separate_head, path);
}

}  // namespace detail

/// Header and size are checked before a single weight is allocated.
inline Model read_checkpoint(const std::string& path) {
    std::ifstream file = open_for_reading(path);
    file.seekg(0, std::ios::end);
    const auto found = static_cast<double>(file.tellg());
    file.seekg(0);

    Header header{};
    if (!file.read(reinterpret_cast<char*>(header.data()), sizeof(header)))
        throw refusal(path, "a checkpoint begins with a header of 28 bytes, this file has fewer");
    Config config = config_from(header, path);
    if (const double expected = checkpoint_bytes(config); expected != found) {
        std::array<char, 160> sizes{};
        std::snprintf(sizes.data(), sizes.size(), "by its header the checkpoint has %.0f bytes, the file has %.0f",
                      expected, found);
        throw refusal(path, sizes.data());
    }
    config.rope = rope_of(config.head_dim);
    Model model(config);
    detail::read_arrays(file, model, path);
    return model;
}

}  // namespace llama2c
