#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <span>
#include <tuple>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/simple_policies.hpp"
#include "support/tokens.hpp"

namespace scalars_tests {

using namespace msrnn;

// All policies in one type: each State<Policy, Scalar> costs seconds of compile time.
using EveryScalar = std::tuple<float, Eigen::bfloat16, Eigen::half, std::int8_t>;
template <class S>
using AnyState = State<AnyPolicy, S>;

constexpr Shape small{.layers = 2, .query_heads = 6, .kv_heads = 2, .head_dim = 24};
constexpr Shape one_layer{.layers = 1, .query_heads = 6, .kv_heads = 2, .head_dim = 24};

template <class Check>
void for_known_policies(Check check) {
    for (const AnyPolicy& policy : simple_policies()) {
        INFO("policy " << policy.name());
        check(policy);
    }
}
inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// What a row becomes that is stored as S and read back.
template <class S>
std::vector<float> rounded(std::span<const float> row) {
    Rows<S> stored(1, row.size());
    stored.write(0, row);
    std::vector<float> back(row.size());
    stored.read(0, back);
    return back;
}
template <class S>
std::vector<float> read(const Rows<S>& rows, std::size_t row) {
    std::vector<float> numbers(rows[row].size());
    rows.read(row, numbers);
    return numbers;
}

/// The token of a position in a layer, the same whenever it is asked for.
inline Token token_at(const Shape& shape, std::size_t layer, std::int64_t position) {
    Random random{static_cast<std::uint64_t>(position) * 8 + layer};
    Token token(shape, random);
    const float loudness = 0.25f + 2 * random.unit();  // so that one scale is not as good as another
    for (float& x : token.v) x *= loudness;
    return token;
}
template <class S>
std::vector<float> step(AnyState<S>& state, std::int64_t position) {
    std::vector<float> outs;
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer) {
        Token token = token_at(state.shape(), layer, position);
        state.step(layer, position, token.q, token.k, token.v, token.out);
        outs.insert(outs.end(), token.out.begin(), token.out.end());
    }
    return outs;
}
template <class S>
std::vector<float> steps(AnyState<S>& state, std::int64_t from, std::int64_t to) {
    std::vector<float> outs;
    for (std::int64_t position = from; position < to; ++position) {
        const std::vector<float> out = step(state, position);
        outs.insert(outs.end(), out.begin(), out.end());
    }
    return outs;
}

template <class S>
bool rows_are_their_tokens(const AnyState<S>& state) {
    const std::size_t dim = state.shape().head_dim;
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer)
        for (std::size_t h = 0; h < state.shape().kv_heads; ++h) {
            const auto& lane = state.lane(layer, h);
            for (std::size_t s = 0; s < lane.extent(); ++s) {
                if (!lane.live(Slot(s))) continue;
                const Token token = token_at(state.shape(), layer, lane.position(Slot(s)).value());
                const auto& rows = state.rows(layer, h);
                if (read(rows.keys, s) != rounded<S>(std::span(token.k).subspan(h * dim, dim))) return false;
                if (read(rows.values, s) != rounded<S>(std::span(token.v).subspan(h * dim, dim))) return false;
            }
        }
    return true;
}

/// Everything a state holds of its tokens, by slot.
struct Held {
    std::int64_t position;
    float rating;
    std::vector<float> key, value;
    bool operator==(const Held&) const = default;
};
template <class S>
std::vector<Held> held(const AnyState<S>& state, std::size_t layer, std::size_t kv_head) {
    const auto& lane = state.lane(layer, kv_head);
    std::vector<Held> tokens;
    for (std::size_t s = 0; s < lane.extent(); ++s)
        if (lane.live(Slot(s)))
            tokens.push_back({lane.position(Slot(s)).value(), lane.rating(Slot(s)),
                              read(state.rows(layer, kv_head).keys, s), read(state.rows(layer, kv_head).values, s)});
    return tokens;
}
template <class S>
bool same_state(const AnyState<S>& a, const AnyState<S>& b) {
    for (std::size_t layer = 0; layer < a.shape().layers; ++layer)
        for (std::size_t h = 0; h < a.shape().kv_heads; ++h)
            if (held(a, layer, h) != held(b, layer, h)) return false;
    return true;
}
inline std::vector<std::int64_t> positions(const Lane<AnyPolicy>& lane) {
    std::vector<std::int64_t> kept;
    for (std::size_t s = 0; s < lane.extent(); ++s)
        if (lane.live(Slot(s))) kept.push_back(lane.position(Slot(s)).value());
    std::sort(kept.begin(), kept.end());
    return kept;
}

/// The tokens of positions [from, to) as one prompt, in the first layer.
template <class S>
std::vector<float> prefill(AnyState<S>& state, std::int64_t from, std::int64_t to, Prefill mode) {
    std::vector<float> q, k, v;
    for (std::int64_t t = from; t < to; ++t) {
        const Token token = token_at(state.shape(), 0, t);
        q.insert(q.end(), token.q.begin(), token.q.end());
        k.insert(k.end(), token.k.begin(), token.k.end());
        v.insert(v.end(), token.v.begin(), token.v.end());
    }
    std::vector<float> out(q.size());
    state.prefill(0, from, q, k, v, out, mode);
    return out;
}

}  // namespace scalars_tests
