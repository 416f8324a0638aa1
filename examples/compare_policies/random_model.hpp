// The embedded default: a network with random weights that reads a text of its own making. It has learnt nothing;
// it only makes every policy work, on attention as peaked as a trained network's.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "llama2c/decoder.hpp"
#include "llama2c/generator.hpp"
#include "llama2c/model.hpp"

namespace compare {

using namespace llama2c;

/// `gain` 1 keeps the size of a normalised input; queries and keys get more, so that few tokens share the attention.
inline Model random_model(std::uint64_t seed) {
    Model model(
        {.dim = 32, .hidden = 64, .layers = 2, .query_heads = 4, .kv_heads = 2, .vocabulary = 64, .context = 128});
    Generator generator(seed);
    const auto fill = [&](Matrix& matrix, float gain) {
        const float deviation = gain / std::sqrt(static_cast<float>(matrix.cols()));
        for (float& weight : matrix.reshaped()) weight = deviation * generator.normal();
    };
    fill(model.embedding, 2.5f);
    for (Layer& layer : model.layers) {
        layer.attention_norm.setOnes();
        fill(layer.query, 1.5f);
        fill(layer.key, 1.5f);
        fill(layer.value, 1.0f);
        fill(layer.attention_out, 1.0f);
        layer.feed_forward_norm.setOnes();
        fill(layer.gate, 1.0f);
        fill(layer.up, 1.0f);
        fill(layer.down, 1.0f);
    }
    model.final_norm.setOnes();
    return model;
}

inline Token draw(const Vector& logits, Generator& generator) {
    const Eigen::VectorXd weights = (logits.array() - logits.maxCoeff()).exp().cast<double>();
    double left = generator.uniform() * weights.sum();
    for (Eigen::Index token = 0; token < weights.size(); ++token)
        if ((left -= weights[token]) < 0) return static_cast<Token>(token);
    return begin_of_text;
}

/// Written by the model itself with its whole memory, one window after the other: forgetting then costs something.
inline std::vector<Token> random_text(const Model& model, std::size_t windows, std::uint64_t seed) {
    Generator generator(seed);
    Decoder decoder(model, msrnn::unbounded, msrnn::Window{});
    std::vector<Token> text;
    for (std::size_t window = 0; window < windows; ++window) {
        decoder.reset();
        Token token = begin_of_text;
        for (std::size_t position = 0; position + 1 < model.config.context; ++position)
            text.push_back(token = draw(decoder.step(token, position), generator));
    }
    return text;
}

}  // namespace compare
