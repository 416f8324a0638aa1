#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

struct PlainAttention {
    std::vector<double> weights, out;
};

/// Attention of one query over n rows by plain loops in double: key_of(row) and value_of(row) give pointers.
template <class KeyOf, class ValueOf>
PlainAttention plain_attention(const float* query, std::size_t head_dim, std::size_t n, double scale, KeyOf key_of,
                               ValueOf value_of) {
    PlainAttention seen{std::vector<double>(n), std::vector<double>(head_dim)};
    double largest = -INFINITY, sum = 0;
    for (std::size_t row = 0; row < n; ++row) {
        for (std::size_t d = 0; d < head_dim; ++d)
            seen.weights[row] += static_cast<double>(query[d]) * static_cast<double>(key_of(row)[d]);
        seen.weights[row] *= scale;
        largest = std::max(largest, seen.weights[row]);
    }
    for (double& w : seen.weights) sum += w = std::exp(w - largest);
    for (std::size_t row = 0; row < n; ++row) {
        seen.weights[row] /= sum;
        for (std::size_t d = 0; d < head_dim; ++d)
            seen.out[d] += seen.weights[row] * static_cast<double>(value_of(row)[d]);
    }
    return seen;
}
