#pragma once

#include <cstddef>
#include <cstdint>
#include <msrnn/msrnn.hpp>
#include <vector>

#include "support/random.hpp"

namespace ordinary_tests {

using namespace msrnn;

constexpr Shape small{.layers = 2, .query_heads = 2, .kv_heads = 1, .head_dim = 8};

struct Text {
    std::vector<float> q, k, v, out;

    explicit Text(std::size_t tokens, std::uint64_t seed = 1, const Shape& shape = small)
        : q(tokens * shape.query_heads * shape.head_dim), k(tokens * shape.kv_heads * shape.head_dim), v(k), out(q) {
        Random random{seed};
        for (auto* numbers : {&q, &k, &v})
            for (float& x : *numbers) x = 2 * random.unit() - 1;
    }
};

template <class P>
void step(State<P>& state, std::size_t layer, std::int64_t position) {
    Text one(1, static_cast<std::uint64_t>(1000 + position), state.shape());
    state.step(layer, position, one.q, one.k, one.v, one.out);
}

}  // namespace ordinary_tests
