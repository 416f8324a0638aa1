// Layers of keys and values outside of a State, so that a gigabyte of them is there at once.
#pragma once

#include <Eigen/Core>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <msrnn/attention/attend.hpp>
#include <span>
#include <vector>

#include "exact.hpp"
#include "memory.hpp"
#include "random_floats.hpp"

using f32 = float;
using bf16 = Eigen::bfloat16;
using f16 = Eigen::half;
using int8 = std::int8_t;

constexpr std::size_t kv_heads = 8, largest_in_cache = 64, largest_dim = 128, widest = 256;

/// Random numbers of [-1, 1) as a state stores them; those of int8 by this scale.
constexpr float int8_scale = 1.0f / 127;
template <class Scalar>
std::span<const char> pattern() {
    static constexpr std::size_t rows = 4096, width = 64;
    static const auto stored = [] {
        msrnn::Rows<Scalar> written(rows, width);
        const std::vector<float> numbers = random_floats(rows * width, 1);
        for (std::size_t r = 0; r < rows; ++r) written.write(r, std::span(numbers).subspan(r * width, width));
        return written;
    }();
    return {reinterpret_cast<const char*>(stored.view().base), rows * width * sizeof(Scalar)};
}

inline Arena& arena_for(std::size_t n) {
    if (n <= largest_in_cache + 1) {
        static Arena one_layer(2 * kv_heads * (largest_in_cache + 1) * widest * sizeof(float));
        return one_layer;
    }
    static Arena beyond_cache(bytes_beyond_cache());
    return beyond_cache;
}

/// [layer][kv_head][key, value][n][D]: one layer where it stays in a cache, else all that fit.
template <class Scalar>
struct Layers {
    Layers(std::size_t rows, std::size_t head_dim)
        : n(rows),
          dim(head_dim),
          bytes(2 * kv_heads * n * dim * sizeof(Scalar)),
          memory(arena_for(n).filled_with(pattern<Scalar>())),
          count(n <= largest_in_cache + 1 ? 1 : memory.size() / bytes),
          scales(n, int8_scale) {}

    char* at(std::size_t layer) const { return memory.data() + layer * bytes; }
    Scalar* rows(std::size_t layer, std::size_t kv_head, std::size_t which) const {
        return reinterpret_cast<Scalar*>(at(layer)) + (2 * kv_head + which) * n * dim;
    }
    msrnn::HeadsView<Scalar> keys(std::size_t layer) const { return view(layer, 0); }
    msrnn::HeadsView<Scalar> values(std::size_t layer) const { return view(layer, 1); }
    msrnn::HeadsView<Scalar> view(std::size_t layer, std::size_t which) const {
        return {rows(layer, 0, which), dim, 2 * n * dim, scales.data(), 1, 0};
    }
    float scale() const { return 1 / std::sqrt(static_cast<float>(dim)); }

    /// Whether `out` is what the queries see in this layer, by loops in double, for the first query head and the last.
    bool right(std::size_t layer, std::size_t group, std::span<const float> q, std::span<const float> out) const {
        for (const std::size_t head : {std::size_t{0}, kv_heads * group - 1}) {
            const auto row_of = [&, kv_head = head / group](std::size_t which) {
                return [this, base = rows(layer, kv_head, which)](std::size_t r) {
                    std::vector<float> row(dim);
                    for (std::size_t d = 0; d < dim; ++d)
                        row[d] = static_cast<float>(base[r * dim + d]) * (std::same_as<Scalar, int8> ? int8_scale : 1);
                    return row;
                };
            };
            if (!is_attention(q.subspan(head * dim, dim), n, static_cast<double>(scale()), row_of(0), row_of(1),
                              out.subspan(head * dim, dim)))
                return false;
        }
        return true;
    }

    std::size_t n, dim, bytes;
    std::span<char> memory;
    std::size_t count;
    std::vector<float> scales;
};
