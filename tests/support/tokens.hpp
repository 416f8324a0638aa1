#pragma once

#include <cstddef>
#include <vector>

#include "random.hpp"

#include <msrnn/state/shape.hpp>

/// Random queries, keys and values of one token in one layer, and room for the output.
struct Token {
    std::vector<float> q, k, v, out;

    Token(const msrnn::Shape& shape, Random& random)
        : q(shape.query_heads * shape.head_dim), k(shape.kv_heads * shape.head_dim), v(k.size()), out(q.size()) {
        for (auto* all : {&q, &k, &v})
            for (float& x : *all) x = 4 * random.unit() - 2;
    }
};
