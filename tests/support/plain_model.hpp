#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <msrnn/msrnn.hpp>
#include <vector>

#include "support/random.hpp"

/// Attention as models define it, in double, token by token: the oracle of states whose layers have a shape of their
/// own.
namespace plain_model {

/// Rates a token by the weights it got from the last query alone, the newest included.
struct LastSeen {
    static constexpr const char* name = "last-seen";
    msrnn::Scope scope = msrnn::Scope::kv_head;

    template <class Tell>
    void settings(Tell tell) const {
        tell("scope", msrnn::name_of(scope));
    }
    void observe(const msrnn::Attention& seen, msrnn::Ratings rating) const {
        seen.sum([&](std::size_t slot, float weight) { rating[slot] = weight; });
    }
};

struct Numbers {
    std::vector<float> q, k, v, out;

    Numbers(const msrnn::LayerShape& shape, std::size_t tokens, std::uint64_t seed)
        : q(tokens * shape.query_numbers()),
          k(tokens * shape.key_numbers()),
          v(tokens * shape.value_numbers()),
          out(tokens * shape.out_numbers()) {
        Random random{seed};
        for (auto* numbers : {&q, &k, &v})
            for (float& x : *numbers) x = 4 * random.unit() - 2;
    }
};

struct Token {
    std::int64_t position;
    std::vector<double> key, value;  // as they are stored, [kv_heads][...]
};

/// As a state of this scalar stores rows of so many numbers.
template <class Scalar>
std::vector<double> stored(const float* numbers, std::size_t rows, std::size_t width) {
    std::vector<double> all;
    msrnn::Rows<Scalar> row(1, width);
    std::vector<float> read(width);
    for (std::size_t r = 0; r < rows; ++r) {
        row.write(0, {numbers + r * width, width});
        row.read(0, read);
        all.insert(all.end(), read.begin(), read.end());
    }
    return all;
}
template <class Scalar>
Token token(const msrnn::LayerShape& shape, std::int64_t position, const float* k, const float* v) {
    return {position, stored<Scalar>(k, shape.kv_heads, shape.head_dim),
            stored<Scalar>(v, shape.kv_heads, shape.value_dim != 0 ? shape.value_dim : shape.head_dim)};
}

struct Seen {
    std::vector<double> weights, out;
};
/// One query head over these tokens of its KV head.
inline Seen attend(const msrnn::LayerShape& shape, std::size_t head, std::int64_t position, const float* q,
                   const std::vector<const Token*>& tokens) {
    const std::size_t kv_head = head / (shape.query_heads / shape.kv_heads), dim = shape.head_dim;
    const std::size_t width = shape.value_dim != 0 ? shape.value_dim : dim;
    const double scale = shape.scale != 0 ? static_cast<double>(shape.scale) : 1 / std::sqrt(static_cast<double>(dim));
    const double cap = static_cast<double>(shape.soft_cap);
    Seen seen{.weights = {}, .out = std::vector<double>(width)};
    double sum = shape.sinks.empty() ? 0 : std::exp(static_cast<double>(shape.sinks[head]));
    for (const Token* one : tokens) {
        double logit = 0;
        for (std::size_t d = 0; d < dim; ++d) logit += static_cast<double>(q[d]) * one->key[kv_head * dim + d];
        logit *= scale;
        if (cap != 0) logit = cap * std::tanh(logit / cap);
        const bool gone = shape.window != 0 && position - one->position >= static_cast<std::int64_t>(shape.window);
        seen.weights.push_back(gone ? 0 : std::exp(logit));
        sum += seen.weights.back();
    }
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        seen.weights[i] /= sum;
        for (std::size_t d = 0; d < width; ++d) seen.out[d] += seen.weights[i] * tokens[i]->value[kv_head * width + d];
    }
    return seen;
}

/// A layer of a state beside all tokens that it was given; its lanes say which of them are there.
template <class Scalar>
struct Layer {
    msrnn::LayerShape shape;
    std::vector<Token> tokens = {};
    double worst_out = 0, worst_rating = 0;  // differences, in shares of the largest value and of 1

    /// Of a lane, by slot; nullptr where vacant. Positions are all different.
    template <class Lane>
    std::vector<const Token*> live(const Lane& lane) const {
        std::vector<const Token*> live;
        for (std::size_t slot = 0; slot < lane.extent(); ++slot) {
            live.push_back(nullptr);
            if (!lane.live(msrnn::Slot(slot))) continue;
            for (const Token& one : tokens)
                if (one.position == lane.position(msrnn::Slot(slot)).value()) live.back() = &one;
        }
        return live;
    }
    /// What each KV head has before a step or a prompt, as copies.
    template <class State>
    std::vector<std::vector<Token>> before(const State& state, std::size_t layer) const {
        std::vector<std::vector<Token>> all(shape.kv_heads);
        for (std::size_t h = 0; h < shape.kv_heads; ++h)
            for (const Token* one : live(state.lane(layer, h)))
                if (one != nullptr) all[h].push_back(*one);
        return all;
    }
    /// The outputs of new tokens, which are already in `tokens`.
    void compare_outputs(const std::vector<std::vector<Token>>& before, const Numbers& given, std::size_t count) {
        const std::size_t width = shape.value_dim != 0 ? shape.value_dim : shape.head_dim;
        double largest = 0;
        for (const Token& one : tokens)
            for (const double x : one.value) largest = std::max(largest, std::fabs(x));
        for (std::size_t t = 0; t < count; ++t)
            for (std::size_t head = 0; head < shape.query_heads; ++head) {
                std::vector<const Token*> sees;
                for (const Token& one : before[head / (shape.query_heads / shape.kv_heads)]) sees.push_back(&one);
                for (std::size_t i = 0; i <= t; ++i) sees.push_back(&tokens[tokens.size() - count + i]);
                const Seen want = attend(shape, head, sees.back()->position,
                                         given.q.data() + (t * shape.query_heads + head) * shape.head_dim, sees);
                for (std::size_t d = 0; d < width; ++d) {
                    const double out = static_cast<double>(given.out[(t * shape.query_heads + head) * width + d]);
                    const double off = std::fabs(out - want.out[d]) / largest;
                    if (!(off <= worst_out)) worst_out = off;  // NaN too
                }
            }
    }
    /// The ratings that LastSeen gave in a step: the newest token's weights.
    template <class State>
    void compare_ratings(const State& state, std::size_t layer, const std::vector<std::vector<Token>>& before,
                         const Numbers& given) {
        const std::size_t group = shape.query_heads / shape.kv_heads, lanes = state.lanes(layer).size();
        for (std::size_t i = 0; i < lanes; ++i) {
            const auto& lane = state.lanes(layer)[i];
            std::vector<const Token*> sees;
            for (const Token& one : before[i * (shape.kv_heads / lanes)]) sees.push_back(&one);
            sees.push_back(&tokens.back());
            std::vector<double> sums(sees.size());
            for (std::size_t head = i * shape.query_heads / lanes; head < (i + 1) * shape.query_heads / lanes; ++head) {
                std::vector<const Token*> own;  // the same tokens for all heads of the lane, by value those of the head
                for (const Token& one : before[head / group]) own.push_back(&one);
                own.push_back(&tokens.back());
                const Seen want =
                    attend(shape, head, tokens.back().position, given.q.data() + head * shape.head_dim, own);
                for (std::size_t r = 0; r < sums.size(); ++r) sums[r] += want.weights[r];
            }
            for (std::size_t slot = 0; slot < lane.extent(); ++slot) {
                if (!lane.live(msrnn::Slot(slot))) continue;
                for (std::size_t r = 0; r < sees.size(); ++r) {
                    if (sees[r]->position != lane.position(msrnn::Slot(slot)).value()) continue;
                    const double off = std::fabs(static_cast<double>(lane.rating(msrnn::Slot(slot))) - sums[r]);
                    if (!(off <= worst_rating)) worst_rating = off;
                }
            }
        }
    }
};

/// A state and its layers, which are given the same tokens.
template <class Scalar>
struct Model {
    msrnn::State<LastSeen, Scalar> state;
    std::vector<Layer<Scalar>> layers = {};
    std::uint64_t seed = 1;

    explicit Model(msrnn::State<LastSeen, Scalar> made) : state(std::move(made)) {
        for (std::size_t i = 0; i < state.shape().layers; ++i) layers.push_back({.shape = state.shape().layer(i)});
    }
    void step(std::int64_t position) {
        for (std::size_t i = 0; i < layers.size(); ++i) {
            Layer<Scalar>& layer = layers[i];
            Numbers given(layer.shape, 1, ++seed);
            const auto before = layer.before(state, i);
            state.step(i, position, given.q, given.k, given.v, given.out);
            layer.tokens.push_back(token<Scalar>(layer.shape, position, given.k.data(), given.v.data()));
            layer.compare_outputs(before, given, 1);
            layer.compare_ratings(state, i, before, given);
        }
    }
    /// Where no token is evicted between the chunks.
    void prefill(const std::vector<msrnn::Position>& positions, msrnn::Prefill mode) {
        for (std::size_t i = 0; i < layers.size(); ++i) {
            Layer<Scalar>& layer = layers[i];
            Numbers given(layer.shape, positions.size(), ++seed);
            const auto before = layer.before(state, i);
            state.prefill(i, positions, given.q, given.k, given.v, given.out, mode);
            for (std::size_t t = 0; t < positions.size(); ++t)
                layer.tokens.push_back(token<Scalar>(layer.shape, positions[t].value(),
                                                     given.k.data() + t * layer.shape.key_numbers(),
                                                     given.v.data() + t * layer.shape.value_numbers()));
            layer.compare_outputs(before, given, positions.size());
        }
    }
    double worst_out() const {
        double worst = 0;
        for (const auto& layer : layers) worst = std::max(worst, layer.worst_out);
        return worst;
    }
    double worst_rating() const {
        double worst = 0;
        for (const auto& layer : layers) worst = std::max(worst, layer.worst_rating);
        return worst;
    }
};

}  // namespace plain_model
