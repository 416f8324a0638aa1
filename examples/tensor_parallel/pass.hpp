// A token's way through a Llama model, and what the query heads that share a KV head do of it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <msrnn/decide.hpp>
#include <span>
#include <vector>

#include "formats/language_model.hpp"
#include "llama/model.hpp"
#include "llama/rotation.hpp"

namespace parallel {

using llama::Layer, llama::Matrix, llama::Model, llama::Token, llama::Vector;

inline Eigen::Index index(std::size_t number) { return static_cast<Eigen::Index>(number); }
inline std::span<float> span(Vector& vector) { return {vector.data(), static_cast<std::size_t>(vector.size())}; }

/// All but attention, which the caller gives: attend(layer, x) is what the heads add to the token.
class Pass {
public:
    explicit Pass(const Model& model) : rotation(model.config.rope, model.config.head_dim), model_(model) {}

    template <class Attend>
    void read(Token token, std::size_t position, Attend attend) {
        rotation.set_position(static_cast<std::int64_t>(position));
        x_ = model_.embedding.row(index(token)).transpose();
        for (std::size_t layer = 0; layer < model_.layers.size(); ++layer) {
            const Layer& w = model_.layers[layer];
            x_ += attend(layer, normal(w.attention_norm));
            const Vector in = normal(w.feed_forward_norm);
            const Eigen::ArrayXf gate = (w.gate * in).array(), up = (w.up * in).array();
            x_ += w.down * (gate / (1 + (-gate).exp()) * up).matrix();
        }
    }
    Vector logits() const { return model_.head() * normal(model_.final_norm); }

    llama::FloatRotation rotation;

private:
    Vector normal(const Vector& weight) const {
        return x_.cwiseProduct(weight) /
               std::sqrt(x_.squaredNorm() / static_cast<float>(x_.size()) + model_.config.norm_epsilon);
    }

    const Model& model_;
    Vector x_;
};

/// Query heads [first, first + count) of a layer, which share a KV head.
struct Heads {
    std::size_t kv_head, first, count;
};
/// The query heads [begin, end), one entry for each KV head that they need.
inline std::vector<Heads> heads_between(std::size_t begin, std::size_t end, std::size_t group) {
    std::vector<Heads> heads;
    for (std::size_t next; begin < end; begin = next) {
        next = std::min(end, (begin / group + 1) * group);
        heads.push_back({begin / group, begin, next - begin});
    }
    return heads;
}

/// What the heads make of a token: its queries, one after the other, its key and its value.
struct Projected {
    Vector queries, key, value;

    Projected(const Model& model, const Layer& w, Heads heads, const Vector& x, const llama::FloatRotation& rotation) {
        const std::size_t width = model.config.head_dim;
        queries = w.query.middleRows(index(heads.first * width), index(heads.count * width)) * x;
        key = w.key.middleRows(index(heads.kv_head * width), index(width)) * x;
        value = w.value.middleRows(index(heads.kv_head * width), index(width)) * x;
        rotation(span(queries));
        rotation(span(key));
        queries /= std::sqrt(static_cast<float>(width));
    }
};

/// What these heads, whose outputs stand side by side, add to the token.
inline Vector output(const Model& model, const Layer& w, std::size_t first_head, const Vector& attended) {
    return w.attention_out.middleCols(index(first_head * model.config.head_dim), attended.size()) * attended;
}

/// Keys and values of some heads, and attention over all of them.
class Attending {
public:
    Attending(const Model& model, Heads heads, std::size_t rows)
        : heads_(heads), model_(model), keys_(index(rows), index(model.config.head_dim)), values_(keys_) {}

    /// Writes the token's row and the weights, one row of them for each head; what they add to the token.
    Vector step(const Layer& w, const Vector& x, const llama::FloatRotation& rotation, msrnn::Slot slot,
                std::size_t rows, Eigen::Ref<Matrix, 0, Eigen::OuterStride<>> weights) {
        const Projected token(model_, w, heads_, x, rotation);
        keys_.row(index(slot)) = token.key.transpose();
        values_.row(index(slot)) = token.value.transpose();
        const Eigen::Index width = keys_.cols();
        Vector attended(token.queries.size());
        for (Eigen::Index head = 0; head < weights.rows(); ++head) {
            const Vector logits = keys_.topRows(index(rows)) * token.queries.segment(head * width, width);
            const Vector each = (logits.array() - logits.maxCoeff()).exp();
            weights.row(head) = each.transpose() / each.sum();
            attended.segment(head * width, width) =
                values_.topRows(index(rows)).transpose() * weights.row(head).transpose();
        }
        return output(model_, w, heads_.first, attended);
    }
    const Heads& heads() const { return heads_; }

private:
    Heads heads_;
    const Model& model_;
    Matrix keys_, values_;  // a row for each slot
};

/// The weights of some heads, as a lane observes them.
inline msrnn::Attention shown(const Matrix& weights, std::size_t first, std::size_t count) {
    const auto slots = static_cast<std::size_t>(weights.cols());
    return {.weights = weights.data() + first * slots, .query_heads = count, .slots = slots, .stride = slots};
}

/// The same model in one process, where each layer has a lane, or each KV head.
template <class P>
class OneProcess {
public:
    OneProcess(const Model& model, std::size_t budget, const P& policy) : pass_(model), model_(model) {
        const auto& c = model.config;
        const bool of_layer = msrnn::scope_of(policy) == msrnn::Scope::layer;
        for (std::size_t layer = 0; layer < c.layers; ++layer) {
            layers_.push_back({std::vector(of_layer ? 1 : c.kv_heads, msrnn::Lane<P>(budget, policy)), {}});
            for (const Heads heads : heads_between(0, c.query_heads, c.query_heads / c.kv_heads))
                layers_.back().heads.emplace_back(model, heads, budget + 1);
        }
    }
    void read(Token token, std::size_t position) {
        pass_.read(token, position, [&](std::size_t layer, const Vector& x) { return attend(layer, x, position); });
    }
    Vector logits() const { return pass_.logits(); }
    /// The positions that the lanes of a layer have just evicted, in their order.
    std::vector<std::int64_t> evicted(std::size_t layer) const { return evicted_of(layers_[layer].lanes); }

    template <class Lanes>
    static std::vector<std::int64_t> evicted_of(const Lanes& lanes) {
        std::vector<std::int64_t> positions;
        for (const auto& lane : lanes)
            for (const msrnn::Slot victim : lane.victims()) positions.push_back(lane.position(victim).value());
        return positions;
    }

private:
    struct LayerState {
        std::vector<msrnn::Lane<P>> lanes;
        std::vector<Attending> heads;
    };

    Vector attend(std::size_t layer, const Vector& x, std::size_t position) {
        LayerState& state = layers_[layer];
        std::vector<msrnn::Slot> slots;
        for (msrnn::Lane<P>& lane : state.lanes) slots.push_back(lane.append(position));
        const std::size_t rows = state.lanes[0].extent(), group = model_.config.query_heads / state.lanes.size();
        Matrix weights = llama::matrix_of(model_.config.query_heads, rows);
        Vector sum = llama::vector_of(model_.config.dim);
        for (Attending& head : state.heads) {
            const auto [kv_head, first, count] = head.heads();
            sum += head.step(model_.layers[layer], x, pass_.rotation, slots[kv_head % slots.size()], rows,
                             weights.middleRows(index(first), index(count)));
        }
        for (std::size_t i = 0; i < state.lanes.size(); ++i) {
            state.lanes[i].observe(shown(weights, i * group, group));
            state.lanes[i].evict();
        }
        return sum;
    }

    Pass pass_;
    const Model& model_;
    std::vector<LayerState> layers_;
};

}  // namespace parallel
