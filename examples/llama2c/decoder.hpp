// A Llama decoder of the plainest kind, one token at a time. Its attention is an msrnn::State, which remembers
// at most `budget` tokens per layer (or per KV head) and lets the policy choose them.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <span>
#include <vector>

#include "model.hpp"
#include "ranks.hpp"

namespace llama2c {

/// What RoPE takes for a token's position: its index in the text, or its rank among the tokens that are kept, counted
/// anew at every step (as StreamingLLM does), so that no angle ever exceeds those of a text as long as the budget.
enum class PositionsIn { text, cache };

inline Vector rms_norm(const Vector& x, const Vector& weight) {
    const float mean_square = x.squaredNorm() / static_cast<float>(x.size());
    return x.cwiseProduct(weight) / std::sqrt(mean_square + 1e-5f);
}

/// x * sigmoid(x), per element.
inline Vector silu(const Vector& x) { return x.array() / (1.0f + (-x.array()).exp()); }

/// RoPE on adjacent pairs: pair j of each head turns by position * 10000^(-2j / head_dim). The angle is a float, as in
/// the programs that train such models; far behind every trained context, where a float would say less and less, a
/// double.
class FloatRotation {
public:
    explicit FloatRotation(std::size_t head_dim) : turns_(head_dim / 2) {}

    void set_position(std::int64_t position) {
        const auto pairs = static_cast<float>(turns_.size());
        for (std::size_t j = 0; j < turns_.size(); ++j) {
            const float frequency = 1.0f / std::pow(10000.0f, static_cast<float>(j) / pairs);
            turns_[j] = position < far ? turn(static_cast<float>(position) * frequency)
                                       : turn(static_cast<double>(position) * static_cast<double>(frequency));
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
    static constexpr std::int64_t far = 1 << 16;

    struct Turn {
        float cos = 1, sin = 0;
    };
    template <class Angle>
    static Turn turn(Angle angle) {
        return {static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle))};
    }

    std::vector<Turn> turns_;
};

/// Keys and values are stored as `Scalar`.
template <class Scalar = float>
class BasicDecoder {
public:
    using State = msrnn::State<msrnn::AnyPolicy, Scalar>;

    BasicDecoder(const Model& model, std::size_t budget, const msrnn::AnyPolicy& policy,
                 PositionsIn positions = PositionsIn::text)
        : model_(model),
          positions_(positions),
          state_(shape_of(model.config), msrnn::Limits{.budget = budget}, policy),
          text_rotation_(model.config.head_dim()),
          cache_rotation_(msrnn::rope_frequencies(model.config.head_dim(), 10000)),
          attended_(vector_of(model.config.dim)) {}

    /// Reads one token and returns the logits of the next, one per entry of the vocabulary.
    const Vector& step(Token token, msrnn::Position position) {
        text_rotation_.set_position(position.value());
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

    void attend(std::size_t index, msrnn::Position position) {
        const Layer& layer = model_.layers[index];
        normed_ = rms_norm(x_, layer.attention_norm);
        query_.noalias() = layer.query * normed_;
        key_.noalias() = layer.key * normed_;
        value_.noalias() = layer.value * normed_;
        if (positions_ == PositionsIn::text)
            attend_in_text(index, position);
        else
            attend_in_cache(index, position);
        x_.noalias() += layer.attention_out * attended_;
    }

    void attend_in_text(std::size_t layer, msrnn::Position position) {
        text_rotation_.apply(query_);
        text_rotation_.apply(key_);
        state_.step(layer, position, query_, key_, value_, attended_);
    }

    /// Keys are stored as they are and turned by their rank each time they are looked at. Each lane has its own ranks.
    void attend_in_cache(std::size_t layer, msrnn::Position position) {
        const std::size_t dim = state_.shape().head_dim, group = state_.shape().group();
        for (std::size_t kv_head = 0; kv_head < state_.shape().kv_heads; ++kv_head) {
            ranks_.read(state_.lane(layer, kv_head));
            for (std::size_t head = kv_head * group; head < (kv_head + 1) * group; ++head)
                cache_rotation_({query_.data() + head * dim, dim}, ranks_.newest());
            state_.attend(layer, kv_head, query_, key_, value_, attended_,
                          [&](msrnn::Slot slot, std::span<float> key) { cache_rotation_(key, ranks_[slot]); });
        }
        state_.decide(layer, position);
    }

    void feed_forward(const Layer& layer) {
        normed_ = rms_norm(x_, layer.feed_forward_norm);
        gate_.noalias() = layer.gate * normed_;
        up_.noalias() = layer.up * normed_;
        x_.noalias() += layer.down * silu(gate_).cwiseProduct(up_);
    }

    const Model& model_;
    PositionsIn positions_;
    State state_;
    FloatRotation text_rotation_;
    msrnn::Rotation<msrnn::AdjacentPairs> cache_rotation_;
    Ranks ranks_;
    Vector x_, normed_, query_, key_, value_, attended_, gate_, up_, logits_;
};
using Decoder = BasicDecoder<>;

}  // namespace llama2c
