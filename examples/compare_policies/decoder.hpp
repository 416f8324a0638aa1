// A Llama decoder of the plainest kind, one token at a time. Its attention is an msrnn::State, which remembers
// at most `budget` tokens per layer (or per KV head) and lets the policy choose them.
#pragma once

#include <cmath>
#include <cstddef>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <vector>

#include "model.hpp"

namespace compare {

inline Vector rms_norm(const Vector& x, const Vector& weight) {
    const float mean_square = x.squaredNorm() / static_cast<float>(x.size());
    return x.cwiseProduct(weight) / std::sqrt(mean_square + 1e-5f);
}

/// x * sigmoid(x), per element.
inline Vector silu(const Vector& x) { return x.array() / (1.0f + (-x.array()).exp()); }

/// RoPE on adjacent pairs: pair j of each head turns by position * 10000^(-2j / head_dim). The angle is a float, as in
/// the programs that train such models.
class Rotation {
public:
    explicit Rotation(std::size_t head_dim) : turns_(head_dim / 2) {}

    void set_position(std::size_t position) {
        const auto pairs = static_cast<float>(turns_.size());
        for (std::size_t j = 0; j < turns_.size(); ++j) {
            const float frequency = 1.0f / std::pow(10000.0f, static_cast<float>(j) / pairs);
            const float angle = static_cast<float>(position) * frequency;
            turns_[j] = {std::cos(angle), std::sin(angle)};
        }
    }

    void apply(Vector& heads) const {
        float* pair = heads.data();
        for (const float* end = pair + heads.size(); pair != end;)
            for (const Turn turn : turns_) {
                const float x = pair[0], y = pair[1];
                *pair++ = x * turn.cos - y * turn.sin;
                *pair++ = x * turn.sin + y * turn.cos;
            }
    }

private:
    struct Turn {
        float cos = 1, sin = 0;
    };
    std::vector<Turn> turns_;
};

class Decoder {
public:
    using State = msrnn::State<msrnn::AnyPolicy>;

    Decoder(const Model& model, std::size_t budget, const msrnn::AnyPolicy& policy)
        : model_(model),
          state_(shape_of(model.config), msrnn::Limits{.budget = budget}, policy),
          rotation_(model.config.head_dim()),
          attended_(vector_of(model.config.dim)) {}

    /// Reads one token and returns the logits of the next, one per entry of the vocabulary.
    const Vector& step(Token token, std::size_t position) {
        rotation_.set_position(position);
        x_ = model_.embedding.row(static_cast<Eigen::Index>(token)).transpose();
        for (std::size_t layer = 0; layer < model_.layers.size(); ++layer) {
            attend(layer, position);
            feed_forward(model_.layers[layer]);
        }
        logits_.noalias() = model_.head() * rms_norm(x_, model_.final_norm);
        return logits_;
    }

    void reset() { state_.reset(); }
    const State& state() const { return state_; }

private:
    static msrnn::Shape shape_of(const Config& c) {
        return {.layers = c.layers, .query_heads = c.query_heads, .kv_heads = c.kv_heads, .head_dim = c.head_dim()};
    }

    void attend(std::size_t index, std::size_t position) {
        const Layer& layer = model_.layers[index];
        normed_ = rms_norm(x_, layer.attention_norm);
        query_.noalias() = layer.query * normed_;
        key_.noalias() = layer.key * normed_;
        value_.noalias() = layer.value * normed_;
        rotation_.apply(query_);
        rotation_.apply(key_);
        state_.step(index, position, query_, key_, value_, attended_);
        x_.noalias() += layer.attention_out * attended_;
    }

    void feed_forward(const Layer& layer) {
        normed_ = rms_norm(x_, layer.feed_forward_norm);
        gate_.noalias() = layer.gate * normed_;
        up_.noalias() = layer.up * normed_;
        x_.noalias() += layer.down * silu(gate_).cwiseProduct(up_);
    }

    const Model& model_;
    State state_;
    Rotation rotation_;
    Vector x_, normed_, query_, key_, value_, attended_, gate_, up_, logits_;
};

}  // namespace compare
