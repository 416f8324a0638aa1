#pragma once

#include <cstddef>
#include <vector>

#include "random.hpp"

#include <msrnn/state/shape.hpp>

/// Random queries, keys and values of one token in one layer, and room for the output.
struct Token {
    std::vector<float> q, k, v, out;

    Token(const msrnn::Shape& shape, Random& random) : Token(shape.layer(0), random) {}
    Token(const msrnn::LayerShape& shape, Random& random)
        : q(shape.query_numbers()), k(shape.key_numbers()), v(shape.value_numbers()), out(shape.out_numbers()) {
        for (auto* all : {&q, &k, &v})
            for (float& x : *all) x = 4 * random.unit() - 2;
    }
};
