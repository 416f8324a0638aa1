// A Gemma 3 model with random weights, as a GGUF file and as a decoder once more: doubles, plain loops, every token
// remembered.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gguf_writer.hpp"
#include "support/random.hpp"

struct PlainGemma3 {
    std::size_t dim = 16, hidden = 24, layers = 4, heads = 4, kv_heads = 2, head_dim = 6, vocabulary = 13;
    std::size_t window = 5, period = 2;
    double global_base = 1e6, global_factor = 8, local_base = 10000;

    struct Tensor {
        std::size_t columns, rows;
        std::vector<float> weights;
    };
    std::map<std::string, Tensor> tensors = {};

    PlainGemma3& fill(std::uint64_t seed) {
        Random random{seed};
        const auto draw = [&](const std::string& name, std::size_t columns, std::size_t rows) {
            Tensor tensor{columns, rows, std::vector<float>(columns * rows)};
            for (float& weight : tensor.weights) weight = rows == 1 ? 0.5f + random.unit() : random.unit() - 0.5f;
            tensors.emplace(name + ".weight", std::move(tensor));
        };
        tensors.clear();
        draw("token_embd", dim, vocabulary);
        draw("output_norm", dim, 1);
        for (std::size_t layer = 0; layer < layers; ++layer) {
            const std::string block = "blk." + std::to_string(layer) + ".";
            for (const char* norm : {"attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"})
                draw(block + norm, dim, 1);
            for (const char* norm : {"attn_q_norm", "attn_k_norm"}) draw(block + norm, head_dim, 1);
            draw(block + "attn_q", dim, heads * head_dim);
            draw(block + "attn_k", dim, kv_heads * head_dim);
            draw(block + "attn_v", dim, kv_heads * head_dim);
            draw(block + "attn_output", heads * head_dim, dim);
            draw(block + "ffn_gate", dim, hidden);
            draw(block + "ffn_up", dim, hidden);
            draw(block + "ffn_down", hidden, dim);
        }
        return *this;
    }

    GgufWriter file() const {
        const auto number = [](std::size_t n) { return static_cast<std::uint32_t>(n); };
        GgufWriter file;
        file.set("general.architecture", "gemma3").set("gemma3.block_count", number(layers));
        file.set("gemma3.context_length", 64u).set("gemma3.embedding_length", number(dim));
        file.set("gemma3.feed_forward_length", number(hidden)).set("gemma3.attention.head_count", number(heads));
        file.set("gemma3.attention.head_count_kv", number(kv_heads));
        file.set("gemma3.attention.key_length", number(head_dim));
        file.set("gemma3.attention.value_length", number(head_dim));
        file.set("gemma3.attention.layer_norm_rms_epsilon", 1e-6f);
        file.set("gemma3.attention.sliding_window", number(window));
        file.set("gemma3.attention.sliding_window_pattern", number(period));
        file.set("gemma3.rope.freq_base", static_cast<float>(global_base));
        file.set("gemma3.rope.scaling.type", "linear");
        file.set("gemma3.rope.scaling.factor", static_cast<float>(global_factor));
        for (const auto& [name, tensor] : tensors) {
            std::vector<std::uint64_t> dims{tensor.columns, tensor.rows};
            if (tensor.rows == 1) dims.pop_back();
            file.add(name, dims, tensor.weights);
        }
        return file;
    }

    bool is_global(std::size_t layer) const { return (layer + 1) % period == 0; }
};

class PlainGemma3Decoder {
public:
    using Numbers = std::vector<double>;

    explicit PlainGemma3Decoder(const PlainGemma3& model) : m_(model), keys_(m_.layers), values_(m_.layers) {}

    /// In global layers it looks back no further than `reach` tokens.
    Numbers step(std::size_t token, std::size_t reach = ~std::size_t{0}) {
        const auto& embedding = m_.tensors.at("token_embd.weight").weights;
        Numbers x(m_.dim);
        for (std::size_t i = 0; i < m_.dim; ++i)
            x[i] = std::sqrt(static_cast<double>(m_.dim)) * embedding[token * m_.dim + i];
        for (std::size_t layer = 0; layer < m_.layers; ++layer) {
            add(x,
                norm(attention(layer, norm(x, name(layer, "attn_norm")), reach), name(layer, "post_attention_norm")));
            add(x, norm(feed_forward(layer, norm(x, name(layer, "ffn_norm"))), name(layer, "post_ffw_norm")));
        }
        ++position_;
        return product("token_embd.weight", norm(x, "output_norm.weight"));
    }

private:
    static std::string name(std::size_t layer, const std::string& of) {
        return "blk." + std::to_string(layer) + "." + of + ".weight";
    }

    /// The heads of a row, one after the other, normed and turned by their place in the text.
    Numbers heads_of(std::size_t layer, const Numbers& x, const std::string& matrix) const {
        Numbers heads = product(name(layer, matrix), x);
        const std::size_t half = m_.head_dim / 2;
        for (std::size_t first = 0; first < heads.size(); first += m_.head_dim) {
            const auto begin = heads.begin() + static_cast<std::ptrdiff_t>(first);
            const Numbers head =
                norm({begin, begin + static_cast<std::ptrdiff_t>(m_.head_dim)}, name(layer, matrix + "_norm"));
            for (std::size_t j = 0; j < half; ++j) {
                const double place = static_cast<double>(position_) / (m_.is_global(layer) ? m_.global_factor : 1);
                const double base = m_.is_global(layer) ? m_.global_base : m_.local_base;
                const double angle = place * std::pow(base, -static_cast<double>(j) / static_cast<double>(half));
                heads[first + j] = head[j] * std::cos(angle) - head[j + half] * std::sin(angle);
                heads[first + j + half] = head[j] * std::sin(angle) + head[j + half] * std::cos(angle);
            }
        }
        return heads;
    }

    Numbers attention(std::size_t layer, const Numbers& x, std::size_t reach) {
        const Numbers query = heads_of(layer, x, "attn_q");
        keys_[layer].push_back(heads_of(layer, x, "attn_k"));
        values_[layer].push_back(product(name(layer, "attn_v"), x));
        const std::size_t seen = m_.is_global(layer) ? reach : m_.window - 1, width = m_.head_dim;
        const std::size_t first = position_ < seen ? 0 : position_ - seen;
        Numbers out(m_.heads * width, 0.0);
        for (std::size_t head = 0; head < m_.heads; ++head) {
            const std::size_t kv = head / (m_.heads / m_.kv_heads) * width;
            Numbers weights;
            double sum = 0;
            for (std::size_t t = first; t <= position_; ++t) {
                double dot = 0;
                for (std::size_t j = 0; j < width; ++j) dot += query[head * width + j] * keys_[layer][t][kv + j];
                weights.push_back(std::exp(dot / std::sqrt(static_cast<double>(width))));
                sum += weights.back();
            }
            for (std::size_t t = first; t <= position_; ++t)
                for (std::size_t j = 0; j < width; ++j)
                    out[head * width + j] += weights[t - first] / sum * values_[layer][t][kv + j];
        }
        return product(name(layer, "attn_output"), out);
    }

    Numbers feed_forward(std::size_t layer, const Numbers& x) const {
        Numbers gate = product(name(layer, "ffn_gate"), x);
        const Numbers up = product(name(layer, "ffn_up"), x);
        for (std::size_t i = 0; i < gate.size(); ++i) {
            const double g = gate[i], inner = std::sqrt(2 / std::acos(-1.0)) * (g + 0.044715 * g * g * g);
            gate[i] = g / 2 * (1 + std::tanh(inner)) * up[i];
        }
        return product(name(layer, "ffn_down"), gate);
    }

    Numbers norm(const Numbers& x, const std::string& weights) const {
        double squares = 0;
        for (const double value : x) squares += value * value;
        Numbers normed(x.size());
        for (std::size_t i = 0; i < x.size(); ++i)
            normed[i] =
                x[i] * m_.tensors.at(weights).weights[i] / std::sqrt(squares / static_cast<double>(x.size()) + 1e-6);
        return normed;
    }

    static void add(Numbers& x, const Numbers& more) {
        for (std::size_t i = 0; i < x.size(); ++i) x[i] += more[i];
    }

    Numbers product(const std::string& matrix, const Numbers& x) const {
        const PlainGemma3::Tensor& tensor = m_.tensors.at(matrix);
        Numbers y(tensor.rows, 0.0);
        for (std::size_t row = 0; row < tensor.rows; ++row)
            for (std::size_t i = 0; i < x.size(); ++i) y[row] += x[i] * tensor.weights[row * x.size() + i];
        return y;
    }

    const PlainGemma3& m_;
    std::size_t position_ = 0;
    std::vector<std::vector<Numbers>> keys_, values_;  // [layer][position]
};
