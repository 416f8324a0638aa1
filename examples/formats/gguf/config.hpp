// The sizes of a Llama or Gemma 3 model as the keys of a GGUF file state them, and a refusal of every other kind of
// model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "file.hpp"
#include "llama/model.hpp"

namespace gguf {

namespace detail {

using llama::Config;

inline bool is_gemma3(const File& file) { return file.text("general.architecture") == "gemma3"; }

/// "llama.block_count", or whatever else the architecture is called.
inline std::string key_of(const File& file, const char* name) { return file.text("general.architecture") + "." + name; }

/// Every size a model has lies in 1 .. 2^31 - 1, so that two of them multiply without a thought.
template <class Whole>
std::size_t checked_size(const File& file, const std::string& key, Whole size) {
    constexpr Whole most = 0x7fffffff;
    if (size < 1 || size > most)
        throw file.refused("key " + key + " is " + std::to_string(size) + ", expected 1 to " + std::to_string(most));
    return static_cast<std::size_t>(size);
}

inline std::size_t size_of(const File& file, const std::string& key) {
    return checked_size(file, key, file.whole(key));
}

/// One number, or one for each layer, which must then be the same everywhere.
inline std::size_t size_of_layers(const File& file, const std::string& key, std::size_t layers) {
    if (!file.is_array(key)) return size_of(file, key);
    if (file.count(key) != layers)
        throw file.refused("key " + key + " has " + std::to_string(file.count(key)) + " elements for " +
                           std::to_string(layers) + " layers");
    const std::vector<std::int64_t> sizes = file.wholes(key);
    for (const std::int64_t size : sizes)
        if (size != sizes.front())
            throw file.refused("key " + key + " is " + std::to_string(sizes.front()) + " in one layer and " +
                               std::to_string(size) + " in another, only models of equal layers are read");
    return checked_size(file, key, sizes.front());
}

inline float positive(const File& file, const std::string& key, double number) {
    const auto rounded = static_cast<float>(number);
    if (!(rounded > 0)) throw file.refused("key " + key + " is " + std::to_string(number) + ", expected more than 0");
    return rounded;
}

inline void refuse(const File& file, const std::string& key) {
    if (file.has(key)) throw file.refused("key " + key + " asks for what this decoder does not do");
}

inline void refuse_other_kinds(const File& file) {
    if (const std::string& architecture = file.text("general.architecture");
        architecture != "llama" && architecture != "gemma3")
        throw file.refused("key general.architecture is " + in_quotes(architecture) +
                           ", only \"llama\" and \"gemma3\" are read");
    if (const auto parts = file.whole_or("split.count", 1); parts > 1)
        throw file.refused("this is one of " + std::to_string(parts) +
                           " parts of a model (key split.count): merge them into one file");
    if (const std::string key = key_of(file, "tensor_data_layout"), original = "Meta AI original pth";
        file.text_or(key, original) != original)
        throw file.refused("key " + key + " is " + in_quotes(file.text(key)) + ", only \"" + original + "\" is read");
    if (const std::string key = key_of(file, "expert_count"); file.whole_or(key, 0) != 0)
        throw file.refused("key " + key + " is " + std::to_string(file.whole(key)) +
                           ", models with experts are not read");
    if (const std::string key = key_of(file, "use_parallel_residual"); file.flag_or(key, false))
        throw file.refused("key " + key + " is true, which this decoder does not do");
    for (const char* name : {"attention.scale", "attention.clamp_kqv", "attention.max_alibi_bias", "embedding_scale",
                             "residual_scale", "logit_scale", "attn_logit_softcapping", "final_logit_softcapping"})
        refuse(file, key_of(file, name));
    if (!is_gemma3(file)) refuse(file, key_of(file, "attention.sliding_window"));
}

inline std::size_t head_dim_of(const File& file, std::size_t dim, std::size_t query_heads) {
    const std::string key_length = key_of(file, "attention.key_length"),
                      value_length = key_of(file, "attention.value_length");
    if (!file.has(key_length) && dim % query_heads != 0)
        throw file.refused("the " + std::to_string(query_heads) + " query heads do not divide the " +
                           std::to_string(dim) + " dimensions, and there is no key " + key_length);
    const std::size_t head_dim = file.has(key_length) ? size_of(file, key_length) : dim / query_heads;
    const std::size_t of_values = file.has(value_length) ? size_of(file, value_length) : dim / query_heads;
    if (of_values != head_dim)
        throw file.refused("heads have keys of length " + std::to_string(head_dim) + " and values of length " +
                           std::to_string(of_values) + ", only equal lengths are read");
    if (head_dim % 2 != 0)
        throw file.refused("a head_dim of " + std::to_string(head_dim) + " is odd: RoPE rotates pairs");
    return head_dim;
}

inline std::size_t vocabulary_of(const File& file) {
    const std::uint64_t rows = file.tensor("token_embd.weight").dims[1];
    const auto agrees = [&](const std::string& key, std::uint64_t number, const char* of) {
        if (number != rows)
            throw file.refused("key " + key + of + std::to_string(number) + ", but tensor token_embd.weight has " +
                               std::to_string(rows) + " rows");
    };
    const std::string tokens = "tokenizer.ggml.tokens", size = key_of(file, "vocab_size");
    if (file.has(tokens)) agrees(tokens, file.texts(tokens).size(), " has a length of ");
    if (file.has(size)) agrees(size, file.whole(size), " is ");
    return static_cast<std::size_t>(rows);
}

/// A layer has nine tensors: no more layers than the file can have.
inline std::size_t layers_of(const File& file) {
    const std::string key = key_of(file, "block_count");
    const std::size_t layers = size_of(file, key);
    if (layers > file.tensors().size() / 9)
        throw file.refused("key " + key + " is " + std::to_string(layers) +
                           ", nine tensors in each, but the file has " + std::to_string(file.tensors().size()) +
                           " tensors");
    return layers;
}

/// All but RoPE.
inline Config config_of(const File& file) {
    Config c;
    c.layers = layers_of(file);
    c.context = size_of(file, key_of(file, "context_length"));
    c.dim = size_of(file, key_of(file, "embedding_length"));
    c.hidden = size_of_layers(file, key_of(file, "feed_forward_length"), c.layers);
    const std::string query_heads = key_of(file, "attention.head_count"),
                      kv_heads = key_of(file, "attention.head_count_kv");
    c.query_heads = size_of_layers(file, query_heads, c.layers);
    c.kv_heads = file.has(kv_heads) ? size_of_layers(file, kv_heads, c.layers) : c.query_heads;
    if (c.query_heads % c.kv_heads != 0)
        throw file.refused("the " + std::to_string(c.kv_heads) + " KV heads do not divide the " +
                           std::to_string(c.query_heads) + " query heads");
    c.head_dim = head_dim_of(file, c.dim, c.query_heads);
    const std::string epsilon = key_of(file, "attention.layer_norm_rms_epsilon");
    c.norm_epsilon = positive(file, epsilon, file.real(epsilon));
    c.vocabulary = vocabulary_of(file);
    c.separate_head = file.find_tensor("output.weight") != nullptr;
    return c;
}

}  // namespace detail

}  // namespace gguf
