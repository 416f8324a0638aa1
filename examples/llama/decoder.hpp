// A decoder of the plainest kind, one token at a time. Its attention is an msrnn::State, which remembers at most
// `budget` tokens per layer (or per KV head) and lets the policy choose them; a local layer remembers its window.
// Several memories may read the same text side by side: each is a column of what passes through the weights, which are
// then read once for all of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <span>
#include <vector>

#include "model.hpp"
#include "ranks.hpp"
#include "rotation.hpp"

namespace llama {

/// What RoPE takes for a token's position: its index in the text, or its rank among the tokens that are kept, counted
/// anew at every step (as StreamingLLM does), so that no angle ever exceeds those of a text as long as the budget.
enum class PositionsIn { text, cache };

/// One column for each memory.
using Columns = Eigen::MatrixXf;

inline std::span<float> column_of(Columns& columns, std::size_t index) {
    return {columns.col(static_cast<Eigen::Index>(index)).data(), static_cast<std::size_t>(columns.rows())};
}

/// x * weight / sqrt(mean square + epsilon), column by column.
inline void rms_norm(const Columns& x, const Vector& weight, float epsilon, Columns& normed) {
    normed.resizeLike(x);
    for (Eigen::Index i = 0; i < x.cols(); ++i) {
        const float mean_square = x.col(i).squaredNorm() / static_cast<float>(x.rows());
        normed.col(i) = x.col(i).cwiseProduct(weight) / std::sqrt(mean_square + epsilon);
    }
}

/// The policy, and the budget of each layer or KV head.
struct Memory {
    msrnn::AnyPolicy policy = {};
    std::size_t budget = msrnn::unbounded;
};

/// Keys and values are stored as `Scalar`.
template <class Scalar = float>
class BasicDecoder {
public:
    using State = msrnn::State<msrnn::AnyPolicy, Scalar>;

    BasicDecoder(const Model& model, std::span<const Memory> memories, PositionsIn positions = PositionsIn::text)
        : model_(model),
          positions_(positions),
          global_(model.config.rope, model.config.head_dim),
          local_(model.config.local.rope, model.config.head_dim) {
        const Config& c = model.config;
        for (const Memory& memory : memories) states_.push_back(state_of(c, memory));
        x_ = Columns::Zero(static_cast<Eigen::Index>(c.dim), columns());
        attended_ = Columns::Zero(static_cast<Eigen::Index>(c.query_dim()), columns());
    }
    BasicDecoder(const Model& model, std::size_t budget, const msrnn::AnyPolicy& policy,
                 PositionsIn positions = PositionsIn::text)
        : BasicDecoder(model, std::vector{Memory{policy, budget}}, positions) {}

    /// Reads one token into every memory.
    void read(Token token, msrnn::Position position) {
        global_.text.set_position(position.value());
        local_.text.set_position(position.value());
        x_.colwise() =
            model_.config.embedding_scale * model_.embedding.row(static_cast<Eigen::Index>(token)).transpose();
        for (std::size_t layer = 0; layer < model_.layers.size(); ++layer) {
            attend(layer, position);
            feed_forward(model_.layers[layer]);
        }
    }

    /// Of the token behind the last one read, one row per entry of the vocabulary; column m is what memory m expects.
    const Columns& logits() {
        rms_norm(x_, model_.final_norm, model_.config.norm_epsilon, normed_);
        logits_.noalias() = model_.head() * normed_;
        return logits_;
    }

    /// Reads one token and returns what the first memory expects next.
    Vector step(Token token, msrnn::Position position) {
        read(token, position);
        return logits().col(0);
    }

    void reset() {
        for (State& state : states_) state.reset();
    }

    std::size_t memories() const { return states_.size(); }
    const State& state(std::size_t memory = 0) const { return states_[memory]; }

private:
    static constexpr float gelu_slope = 0.7978845608f, gelu_bend = 0.044715f;  // sqrt(2 / pi), arXiv 1606.08415

    /// Full groups of four: then Eigen's product takes the same way for every column, whatever is beside it. (From a
    /// width of 16 on, and where the hidden size fills whole packets; else the last bits may differ.)
    Eigen::Index columns() const {
        const std::size_t memories = states_.size();
        return static_cast<Eigen::Index>(memories == 1 ? 1 : (memories + 3) / 4 * 4);
    }

    /// The policy rules the global layers. What is outside a local layer's window is never seen again, so that this
    /// layer needs no more than the window: budget and newest token together.
    static State state_of(const Config& c, const Memory& memory) {
        msrnn::Shape shape{
            .layers = c.layers, .query_heads = c.query_heads, .kv_heads = c.kv_heads, .head_dim = c.head_dim};
        msrnn::AnyPolicy newest = msrnn::Window{};
        newest.scope = memory.policy.scope;  // a lane for each KV head in all layers, or in none
        if (c.local.window != 0) shape.each = shape.list();
        for (std::size_t layer = 0; layer < shape.each.size(); ++layer)
            if (c.local.contain(layer)) shape.each[layer].window = c.local.window;
        const auto budget_of = [&](std::size_t layer, std::size_t) {
            return c.local.contain(layer) ? std::max<std::size_t>(c.local.window - 1, 1) : memory.budget;
        };
        return State(shape, budget_of,
                     [&](std::size_t layer) { return c.local.contain(layer) ? newest : memory.policy; });
    }

    const Rotations& rotations(std::size_t layer) const {
        return model_.config.local.contain(layer) ? local_ : global_;
    }

    void attend(std::size_t index, msrnn::Position position) {
        const Layer& layer = model_.layers[index];
        rms_norm(x_, layer.attention_norm, model_.config.norm_epsilon, normed_);
        query_.noalias() = layer.query * normed_;
        key_.noalias() = layer.key * normed_;
        value_.noalias() = layer.value * normed_;
        if (model_.config.more_norms) {
            norm_heads(query_, layer.query_norm);
            norm_heads(key_, layer.key_norm);
        }
        for (std::size_t memory = 0; memory < states_.size(); ++memory) {
            if (positions_ == PositionsIn::text)
                attend_in_text(memory, index, position);
            else
                attend_in_cache(memory, index, position);
        }
        add(layer.attention_out, attended_, layer.attention_out_norm);
    }

    void attend_in_text(std::size_t memory, std::size_t layer, msrnn::Position position) {
        const std::span<float> query = column_of(query_, memory), key = column_of(key_, memory);
        const FloatRotation& turn = rotations(layer).text;
        turn(query);
        turn(key);
        states_[memory].step(layer, position, query, key, column_of(value_, memory), column_of(attended_, memory));
    }

    /// Keys are stored as they are and turned by their rank each time they are looked at. Each lane has its own ranks.
    void attend_in_cache(std::size_t memory, std::size_t layer, msrnn::Position position) {
        State& state = states_[memory];
        const std::span<float> query = column_of(query_, memory), key = column_of(key_, memory);
        const auto& turn = rotations(layer).cache;
        const std::size_t dim = state.shape().head_dim, group = state.shape().group();
        for (std::size_t kv_head = 0; kv_head < state.shape().kv_heads; ++kv_head) {
            ranks_.read(state.lane(layer, kv_head));
            for (std::size_t head = kv_head * group; head < (kv_head + 1) * group; ++head)
                turn(query.subspan(head * dim, dim), ranks_.newest());
            state.attend(layer, kv_head, position, query, key, column_of(value_, memory), column_of(attended_, memory),
                         [&](msrnn::Slot slot, std::span<float> turned) { turn(turned, ranks_[slot]); });
        }
        state.decide(layer, position);
    }

    void feed_forward(const Layer& layer) {
        rms_norm(x_, layer.feed_forward_norm, model_.config.norm_epsilon, normed_);
        gate_.noalias() = layer.gate * normed_;
        up_.noalias() = layer.up * normed_;
        if (model_.config.gate == Gate::silu)
            gate_.array() *= up_.array() / (1.0f + (-gate_.array()).exp());
        else
            gate_.array() *=
                up_.array() * (0.5f + 0.5f * (gelu_slope * (gate_.array() + gelu_bend * gate_.array().cube())).tanh());
        add(layer.down, gate_, layer.feed_forward_out_norm);
    }

    /// Adds a product to what passes through the layers, normed first where there is a norm for it.
    void add(const Matrix& matrix, const Columns& columns, const Vector& norm) {
        if (norm.size() == 0) {
            x_.noalias() += matrix * columns;
            return;
        }
        added_.noalias() = matrix * columns;
        rms_norm(added_, norm, model_.config.norm_epsilon, normed_);
        x_ += normed_;
    }

    void norm_heads(Columns& heads, const Vector& weight) const {
        for (Eigen::Index column = 0; column < heads.cols(); ++column)
            for (Eigen::Index first = 0; first < heads.rows(); first += weight.size()) {
                auto head = heads.col(column).segment(first, weight.size());
                const float mean_square = head.squaredNorm() / static_cast<float>(weight.size());
                head = (head.cwiseProduct(weight) / std::sqrt(mean_square + model_.config.norm_epsilon)).eval();
            }
    }

    const Model& model_;
    PositionsIn positions_;
    std::vector<State> states_;
    Rotations global_, local_;
    Ranks ranks_;
    Columns x_, normed_, query_, key_, value_, attended_, gate_, up_, added_, logits_;
};
using Decoder = BasicDecoder<>;

}  // namespace llama
