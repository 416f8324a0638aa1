#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <msrnn/msrnn.hpp>
#include <span>
#include <vector>

#include "support/random.hpp"

namespace prefill_tests {

using namespace msrnn;

constexpr Shape small{.layers = 2, .query_heads = 6, .kv_heads = 2, .head_dim = 8};

struct Text {
    explicit Text(std::size_t count, const Shape& shape = small)
        : tokens(count), q(count * shape.query_heads * shape.head_dim), k(count * shape.kv_heads * shape.head_dim) {
        Random random{count};
        for (auto* all : {&q, &k})
            for (float& x : *all) x = 3 * random.unit() - 1.5f;
        v = k;
        std::reverse(v.begin(), v.end());
    }
    std::size_t tokens;
    std::vector<float> q, k, v;
};

template <class P, class... More>
std::vector<float> prefill(State<P>& state, const Text& text, Prefill mode, const More&... selector) {
    std::vector<float> outs;
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer) {
        std::vector<float> out(text.q.size());
        state.prefill(layer, 0, text.q, text.k, text.v, out, mode, selector...);
        outs.insert(outs.end(), out.begin(), out.end());
    }
    return outs;
}
template <class P>
std::vector<float> steps(State<P>& state, const Text& text) {
    const Shape& s = state.shape();
    const std::size_t queries = s.query_heads * s.head_dim, width = s.kv_heads * s.head_dim;
    std::vector<float> outs;
    for (std::size_t layer = 0; layer < s.layers; ++layer)
        for (std::size_t t = 0; t < text.tokens; ++t) {
            std::vector<float> out(queries);
            const auto row = [&](const std::vector<float>& all, std::size_t n) {
                return std::span(all).subspan(t * n, n);
            };
            state.step(layer, t, row(text.q, queries), row(text.k, width), row(text.v, width), out);
            outs.insert(outs.end(), out.begin(), out.end());
        }
    return outs;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

struct Held {
    std::int64_t position;
    Arrival arrival;
    std::size_t slot;
    float rating, key, value;
    bool operator==(const Held&) const = default;
};
template <class P>
std::vector<Held> held(const State<P>& state, std::size_t layer, std::size_t kv_head) {
    const auto& lane = state.lane(layer, kv_head);
    std::vector<Held> tokens;
    for (std::size_t s = 0; s < lane.extent(); ++s)
        if (const Slot slot(s); lane.live(slot))
            tokens.push_back({lane.position(slot).value(), lane.arrival(slot), s, lane.rating(slot),
                              state.key(layer, kv_head, slot)[0], state.value(layer, kv_head, slot)[0]});
    std::sort(tokens.begin(), tokens.end(), [](const Held& a, const Held& b) { return a.arrival < b.arrival; });
    return tokens;
}
template <class P, class Q>
bool same_state(const State<P>& a, const State<Q>& b) {
    for (std::size_t layer = 0; layer < small.layers; ++layer)
        for (std::size_t h = 0; h < small.kv_heads; ++h)
            if (held(a, layer, h) != held(b, layer, h)) return false;
    return true;
}
inline std::vector<std::int64_t> positions(const auto& state, std::size_t layer, std::size_t kv_head) {
    std::vector<std::int64_t> kept;
    for (const Held& token : held(state, layer, kv_head)) kept.push_back(token.position);
    return kept;
}

}  // namespace prefill_tests
