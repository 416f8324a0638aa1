#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <msrnn/msrnn.hpp>
#include <string>
#include <vector>

#include "support/random.hpp"
#include "support/same_record.hpp"
#include "support/tokens.hpp"

/// States from which tokens are undone, and what tells two of them apart.
namespace undone {

using namespace msrnn;

inline const Shape small{.layers = 2, .query_heads = 4, .kv_heads = 2, .head_dim = 4};
inline const Shape one_layer{.layers = 1, .query_heads = 2, .kv_heads = 1, .head_dim = 4};

template <class S>
bool same(const Rows<S>& a, const Rows<S>& b, std::size_t rows) {
    return same_bits(a.first(rows), b.first(rows)) && same_bits(a.first_scales(rows), b.first_scales(rows));
}

/// What tells two states apart, all rows that both have included; empty where nothing does.
template <class P, class S>
std::string difference(const State<P, S>& a, const State<P, S>& b) {
    for (std::size_t layer = 0; layer < a.shape().layers; ++layer)
        for (std::size_t h = 0; h < a.shape().kv_heads; ++h) {
            const Lane<P>&one = a.lane(layer, h), &other = b.lane(layer, h);
            if (!same_record(one.record(), other.record())) return "record()";
            if (one.evictions() != other.evictions()) return "evictions()";
            // What a smaller budget or a prompt evicted is forgotten with the next step, also when that is undone.
            const bool forgotten = one.victims().empty() && std::ranges::any_of(other.victims(), [&](Slot victim) {
                                       return victim >= other.extent();
                                   });
            if (!forgotten && !std::ranges::equal(one.victims(), other.victims())) return "victims()";
            if (one.next() != other.next()) return "next()";
            for (std::size_t slot = 0; slot < one.extent(); ++slot)
                if (one.candidate(Slot(slot)) != other.candidate(Slot(slot))) return "candidate()";
            const std::size_t rows = std::min(one.capacity(), other.capacity());
            if (!same(a.rows(layer, h).keys, b.rows(layer, h).keys, rows)) return "keys";
            if (!same(a.rows(layer, h).values, b.rows(layer, h).values, rows)) return "values";
        }
    return {};
}

template <class P, class S>
std::vector<float> step(State<P, S>& state, Position position, Random random) {
    std::vector<float> outs;
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer) {
        Token token(state.shape(), random);
        state.step(layer, position, token.q, token.k, token.v, token.out);
        outs.insert(outs.end(), token.out.begin(), token.out.end());
    }
    return outs;
}
template <class P, class S>
void steps(State<P, S>& state, int from, int to, std::uint64_t text = 0) {
    for (int t = from; t < to; ++t) step(state, t, Random{text + static_cast<std::uint64_t>(t)});
}

}  // namespace undone
