#pragma once

#include <cmath>
#include <cstddef>
#include <msrnn/attention/attend.hpp>
#include <vector>

#include "support/close.hpp"
#include "support/plain_attention.hpp"
#include "support/random.hpp"
#include "support/strided_rows.hpp"

namespace attention_tests {

using msrnn::HeadsView;
using msrnn::RowsView;

struct Seen {
    Room weights, out;
};
struct Queries {
    std::size_t heads, dim;
    float scale;
    std::vector<float> numbers;

    Queries(std::size_t query_heads, std::size_t head_dim, Random& random)
        : heads(query_heads),
          dim(head_dim),
          scale(1.5f / std::sqrt(static_cast<float>(head_dim))),
          numbers(1 + query_heads * head_dim) {
        for (float& x : numbers) x = 4 * random.unit() - 2;
    }
    const float* data() const { return numbers.data() + 1; }
    const float* head(std::size_t h) const { return data() + h * dim; }
    msrnn::AttentionSettings settings() const { return settings_for(heads); }
    msrnn::AttentionSettings settings_for(std::size_t group) const {
        return {.query_heads = group, .head_dim = dim, .scale = scale};
    }
};

template <class K, class V>
Seen attend(RowsView<K> keys, RowsView<V> values, std::size_t n, const Queries& q, std::size_t weight_stride,
            const K* next = nullptr) {
    Seen seen{Room(q.heads, n, weight_stride), Room(q.heads, q.dim, q.dim)};
    msrnn::attend(keys, values, n, q.settings(), q.data(), seen.weights.data(), weight_stride, seen.out.data(), next);
    return seen;
}

/// Whether weights and outputs are those of plain loops in double over the rows as they are read back.
template <class K, class V>
bool is_plain_attention(const Seen& seen, RowsView<K> keys, RowsView<V> values, std::size_t n, const Queries& q,
                        double relative = 2e-5) {
    relative *= allowance<K, V>;
    const std::vector<float> k = read(keys, n, q.dim), v = read(values, n, q.dim);
    for (std::size_t h = 0; h < q.heads; ++h) {
        const auto expected = plain_attention(
            q.head(h), q.dim, n, static_cast<double>(q.scale), [&](std::size_t row) { return &k[row * q.dim]; },
            [&](std::size_t row) { return &v[row * q.dim]; });
        if (!all_close(seen.weights.row(h), expected.weights, 1e-8, relative)) return false;
        if (!all_close(seen.out.row(h), expected.out, relative / 10, relative)) return false;
    }
    return true;
}

using ::same_bits;
inline bool same_bits(const Seen& a, std::size_t head, const Seen& b, std::size_t other) {
    return same_bits(a.weights.row(head), b.weights.row(other)) && same_bits(a.out.row(head), b.out.row(other));
}
inline bool same_bits(const Seen& a, const Seen& b) {
    for (std::size_t h = 0; h < a.out.rows; ++h)
        if (!same_bits(a, h, b, h)) return false;
    return a.out.rows == b.out.rows;
}
/// Two KV heads with three positive queries each; key `at` of the first holds `poison`, unless that is 0.
template <class S>
Seen look_at_poison(std::size_t n, float poison, std::size_t at) {
    const std::size_t kv_heads = 2, group = 3, dim = 20;
    Random random{19};
    Strided<S> keys(kv_heads * n, dim, dim), values(kv_heads * n, dim, dim);
    keys.fill(kv_heads * n, random, 2);
    values.fill(kv_heads * n, random, 3);
    if (poison != 0) {
        std::vector<float> row(dim, 0.5f);
        row[at % dim] = poison;
        keys.write(at, row);
    }
    Queries queries(kv_heads * group, dim, random);
    for (float& x : queries.numbers) x = std::fabs(x) + 0.1f;
    const auto heads_of = [&](const Strided<S>& rows) {
        return HeadsView<S>{rows.memory.data(), dim, n * dim, rows.view().scales, 1, n};
    };
    Seen seen{Room(kv_heads * group, n, n), Room(kv_heads * group, dim, dim)};
    msrnn::attend(heads_of(keys), heads_of(values), kv_heads, n, queries.settings_for(group), queries.data(),
                  seen.weights.data(), n, seen.out.data());
    return seen;
}

}  // namespace attention_tests
