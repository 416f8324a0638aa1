// Writes GGUF files, wrong ones too: every number in them can be set.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "files.hpp"
#include "plain_decoder.hpp"

struct GgufWriter {
    struct Pair {
        std::string key, value;  // the value with its type before it
    };
    struct Tensor {
        std::string name;
        std::vector<std::uint64_t> dims;
        std::uint32_t type = 0;
        std::string data;
        std::optional<std::uint64_t> offset = {};  // from the first tensor; behind the one before unless given
    };

    std::string magic = "GGUF";
    std::uint32_t version = 3;
    std::uint64_t alignment = 32;
    std::optional<std::uint64_t> pair_count = {}, tensor_count = {};
    std::vector<Pair> pairs = {};
    std::vector<Tensor> tensors = {};

    static std::string text_of(const std::string& text) { return bytes_of(std::uint64_t{text.size()}) + text; }

    template <class Number>
    static constexpr std::uint32_t type_of() {
        if constexpr (std::is_same_v<Number, bool>) return 7;
        if constexpr (std::is_same_v<Number, float>) return 6;
        if constexpr (std::is_same_v<Number, double>) return 12;
        const std::uint32_t is_signed = std::is_signed_v<Number> ? 1 : 0;
        return (sizeof(Number) == 1 ? 0 : sizeof(Number) == 2 ? 2 : sizeof(Number) == 4 ? 4 : 10) + is_signed;
    }

    /// In place of the pair of this key, if there is one.
    GgufWriter& set_raw(const std::string& key, const std::string& value) {
        for (Pair& pair : pairs)
            if (pair.key == key) return pair.value = value, *this;
        pairs.push_back({key, value});
        return *this;
    }
    template <class Number>
    requires std::is_arithmetic_v<Number> GgufWriter& set(const std::string& key, Number number) {
        return set_raw(key, bytes_of(type_of<Number>()) + bytes_of(number));
    }
    GgufWriter& set(const std::string& key, const std::string& text) {
        return set_raw(key, bytes_of(std::uint32_t{8}) + text_of(text));
    }
    GgufWriter& set(const std::string& key, const char* text) { return set(key, std::string(text)); }
    GgufWriter& set(const std::string& key, const std::vector<std::string>& texts) {
        std::string value =
            bytes_of(std::uint32_t{9}) + bytes_of(std::uint32_t{8}) + bytes_of(std::uint64_t{texts.size()});
        for (const std::string& text : texts) value += text_of(text);
        return set_raw(key, value);
    }
    template <class Number>
    requires std::is_arithmetic_v<Number> GgufWriter& set(const std::string& key, const std::vector<Number>& numbers) {
        std::string value =
            bytes_of(std::uint32_t{9}) + bytes_of(type_of<Number>()) + bytes_of(std::uint64_t{numbers.size()});
        for (const Number number : numbers) value += bytes_of(number);
        return set_raw(key, value);
    }

    GgufWriter& drop(const std::string& key) {
        std::erase_if(pairs, [&](const Pair& pair) { return pair.key == key; });
        return *this;
    }

    GgufWriter& add(const std::string& name, std::vector<std::uint64_t> dims, const float* weights) {
        std::uint64_t size = 1;
        for (const std::uint64_t dim : dims) size *= dim;
        std::string data;
        for (std::uint64_t i = 0; i < size; ++i) data += bytes_of(weights[i]);
        tensors.push_back({name, std::move(dims), 0, data});
        return *this;
    }
    GgufWriter& add(const std::string& name, std::vector<std::uint64_t> dims, const std::vector<float>& weights) {
        return add(name, std::move(dims), weights.data());
    }

    Tensor& tensor(const std::string& name) {
        for (Tensor& tensor : tensors)
            if (tensor.name == name) return tensor;
        throw std::logic_error("the writer has no tensor " + name);
    }
    GgufWriter& drop_tensor(const std::string& name) {
        std::erase_if(tensors, [&](const Tensor& tensor) { return tensor.name == name; });
        return *this;
    }

    /// All that stands before the tensors, not yet padded.
    std::string header() const {
        std::string bytes = magic + bytes_of(version) + bytes_of(tensor_count.value_or(tensors.size())) +
                            bytes_of(pair_count.value_or(pairs.size()));
        for (const auto& [key, value] : pairs) bytes += text_of(key) + value;
        std::uint64_t next = 0;
        for (const Tensor& tensor : tensors) {
            bytes += text_of(tensor.name) + bytes_of(static_cast<std::uint32_t>(tensor.dims.size()));
            for (const std::uint64_t dim : tensor.dims) bytes += bytes_of(dim);
            bytes += bytes_of(tensor.type) + bytes_of(tensor.offset.value_or(next));
            next = aligned(tensor.offset.value_or(next) + tensor.data.size());
        }
        return bytes;
    }

    std::string bytes() const {
        std::string file = header();
        for (const Tensor& tensor : tensors) {
            file.resize(aligned(file.size()), '\0');
            file += tensor.data;
        }
        return file;
    }

private:
    std::uint64_t aligned(std::uint64_t at) const { return (at + alignment - 1) / alignment * alignment; }
};

/// The same model as in that checkpoint, in F32.
inline GgufWriter gguf_of(const PlainCheckpoint& plain) {
    GgufWriter file;
    const auto number = [](std::size_t n) { return static_cast<std::uint32_t>(n); };
    file.set("general.architecture", "llama");
    file.set("llama.block_count", number(plain.layers));
    file.set("llama.context_length", number(plain.context));
    file.set("llama.embedding_length", number(plain.dim));
    file.set("llama.feed_forward_length", number(plain.hidden));
    file.set("llama.attention.head_count", number(plain.heads));
    file.set("llama.attention.head_count_kv", number(plain.kv_heads));
    file.set("llama.attention.layer_norm_rms_epsilon", 1e-5f);

    const std::uint64_t dim = plain.dim, kv_dim = plain.kv_dim(), hidden = plain.hidden;
    file.add("token_embd.weight", {dim, plain.vocabulary}, plain.embedding);
    for (std::size_t layer = 0; layer < plain.layers; ++layer) {
        const auto add = [&](const std::string& name, std::uint64_t columns, std::uint64_t rows,
                             const std::vector<float>& stack) {
            file.add("blk." + std::to_string(layer) + "." + name + ".weight", {columns, rows},
                     stack.data() + layer * columns * rows);
        };
        add("attn_norm", dim, 1, plain.attention_norm);
        add("attn_q", dim, dim, plain.wq);
        add("attn_k", dim, kv_dim, plain.wk);
        add("attn_v", dim, kv_dim, plain.wv);
        add("attn_output", dim, dim, plain.wo);
        add("ffn_norm", dim, 1, plain.ffn_norm);
        add("ffn_gate", dim, hidden, plain.w1);
        add("ffn_down", hidden, dim, plain.w2);
        add("ffn_up", dim, hidden, plain.w3);
    }
    file.add("output_norm.weight", {dim}, plain.final_norm);
    if (plain.separate_head) file.add("output.weight", {dim, plain.vocabulary}, plain.head);
    return file;
}
