// A Llama decoder of the plainest kind, one token at a time. Its attention is an msrnn::State, which remembers
// at most `budget` tokens per layer (or per KV head) and lets the policy choose them. Several memories may read the
// same text side by side: each is a column of what passes through the weights, which are then read once for all of
// them.
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

/// RoPE on pairs of neighbours: pair j of each head turns by position * frequency[j]. The angle is a float, as in the
/// programs that train such models; far behind every trained context, where a float would say less and less, a double.
class FloatRotation {
public:
    FloatRotation(std::span<const float> frequencies, std::size_t head_dim)
        : frequencies_(frequencies.begin(), frequencies.end()), turns_(frequencies.size()), head_dim_(head_dim) {}

    void set_position(std::int64_t position) {
        for (std::size_t j = 0; j < turns_.size(); ++j)
            turns_[j] = position < far ? turn(static_cast<float>(position) * frequencies_[j])
                                       : turn(static_cast<double>(position) * static_cast<double>(frequencies_[j]));
    }

    void operator()(std::span<float> heads) const {
        for (std::size_t head = 0; head < heads.size(); head += head_dim_) {
            float* pair = heads.data() + head;
            for (const Turn turn : turns_) {
                const float x = pair[0], y = pair[1];
                *pair++ = x * turn.cos - y * turn.sin;
                *pair++ = x * turn.sin + y * turn.cos;
            }
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

    std::vector<float> frequencies_;
    std::vector<Turn> turns_;
    std::size_t head_dim_;
};

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
          text_rotation_(model.config.rope, model.config.head_dim),
          cache_rotation_(std::vector<double>(model.config.rope.begin(), model.config.rope.end())) {
        const Config& c = model.config;
        const msrnn::Shape shape{
            .layers = c.layers, .query_heads = c.query_heads, .kv_heads = c.kv_heads, .head_dim = c.head_dim};
        for (const Memory& memory : memories)
            states_.emplace_back(shape, msrnn::Limits{.budget = memory.budget}, memory.policy);
        x_ = Columns::Zero(static_cast<Eigen::Index>(c.dim), columns());
        attended_ = Columns::Zero(static_cast<Eigen::Index>(c.query_dim()), columns());
    }
    BasicDecoder(const Model& model, std::size_t budget, const msrnn::AnyPolicy& policy,
                 PositionsIn positions = PositionsIn::text)
        : BasicDecoder(model, std::vector{Memory{policy, budget}}, positions) {}

    /// Reads one token into every memory.
    void read(Token token, msrnn::Position position) {
        text_rotation_.set_position(position.value());
        x_.colwise() = model_.embedding.row(static_cast<Eigen::Index>(token)).transpose();
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
    /// Full groups of four: then Eigen's product takes the same way for every column, whatever is beside it. (From a
    /// width of 16 on, and where the hidden size fills whole packets; else the last bits may differ.)
    Eigen::Index columns() const {
        const std::size_t memories = states_.size();
        return static_cast<Eigen::Index>(memories == 1 ? 1 : (memories + 3) / 4 * 4);
    }

    void attend(std::size_t index, msrnn::Position position) {
        const Layer& layer = model_.layers[index];
        rms_norm(x_, layer.attention_norm, model_.config.norm_epsilon, normed_);
        query_.noalias() = layer.query * normed_;
        key_.noalias() = layer.key * normed_;
        value_.noalias() = layer.value * normed_;
        for (std::size_t memory = 0; memory < states_.size(); ++memory) {
            if (positions_ == PositionsIn::text)
                attend_in_text(memory, index, position);
            else
                attend_in_cache(memory, index, position);
        }
        x_.noalias() += layer.attention_out * attended_;
    }

    void attend_in_text(std::size_t memory, std::size_t layer, msrnn::Position position) {
        const std::span<float> query = column_of(query_, memory), key = column_of(key_, memory);
        text_rotation_(query);
        text_rotation_(key);
        states_[memory].step(layer, position, query, key, column_of(value_, memory), column_of(attended_, memory));
    }

    /// Keys are stored as they are and turned by their rank each time they are looked at. Each lane has its own ranks.
    void attend_in_cache(std::size_t memory, std::size_t layer, msrnn::Position position) {
        State& state = states_[memory];
        const std::span<float> query = column_of(query_, memory), key = column_of(key_, memory);
        const std::size_t dim = state.shape().head_dim, group = state.shape().group();
        for (std::size_t kv_head = 0; kv_head < state.shape().kv_heads; ++kv_head) {
            ranks_.read(state.lane(layer, kv_head));
            for (std::size_t head = kv_head * group; head < (kv_head + 1) * group; ++head)
                cache_rotation_(query.subspan(head * dim, dim), ranks_.newest());
            state.attend(layer, kv_head, query, key, column_of(value_, memory), column_of(attended_, memory),
                         [&](msrnn::Slot slot, std::span<float> turned) { cache_rotation_(turned, ranks_[slot]); });
        }
        state.decide(layer, position);
    }

    void feed_forward(const Layer& layer) {
        rms_norm(x_, layer.feed_forward_norm, model_.config.norm_epsilon, normed_);
        gate_.noalias() = layer.gate * normed_;
        up_.noalias() = layer.up * normed_;
        gate_.array() *= up_.array() / (1.0f + (-gate_.array()).exp());
        x_.noalias() += layer.down * gate_;
    }

    const Model& model_;
    PositionsIn positions_;
    std::vector<State> states_;
    FloatRotation text_rotation_;
    msrnn::Rotation<msrnn::AdjacentPairs> cache_rotation_;
    Ranks ranks_;
    Columns x_, normed_, query_, key_, value_, attended_, gate_, up_, logits_;
};
using Decoder = BasicDecoder<>;

}  // namespace llama
