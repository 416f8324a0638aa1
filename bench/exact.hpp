// Attention by loops in double, to check what was timed.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

/// Whether `out` is the attention of one query over n rows, within 1e-5 of the largest value. row_of(r) gives spans.
template <class KeyOf, class ValueOf>
bool is_attention(std::span<const float> query, std::size_t n, double scale, KeyOf key_of, ValueOf value_of,
                  std::span<const float> out) {
    std::vector<double> weight(n), expected(query.size());
    double top = -INFINITY, sum = 0, largest = 0;
    for (std::size_t r = 0; r < n; ++r) {
        const auto key = key_of(r);
        for (std::size_t d = 0; d < query.size(); ++d)
            weight[r] += scale * static_cast<double>(query[d]) * static_cast<double>(key[d]);
        top = std::fmax(top, weight[r]);
    }
    for (double& w : weight) sum += w = std::exp(w - top);
    for (std::size_t r = 0; r < n; ++r) {
        const auto value = value_of(r);
        for (std::size_t d = 0; d < query.size(); ++d) {
            expected[d] += weight[r] / sum * static_cast<double>(value[d]);
            largest = std::fmax(largest, std::fabs(static_cast<double>(value[d])));
        }
    }
    for (std::size_t d = 0; d < query.size(); ++d)
        if (!(std::fabs(static_cast<double>(out[d]) - expected[d]) <= 1e-5 * largest)) return false;
    return true;
}
