// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "../base/own_vector.hpp"
#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Which two numbers of a row are one pair of a rotary embedding: (0, 1), (2, 3), ... as in GPT-J, Llama's own code and
/// llama2.c.
struct AdjacentPairs {
    /// The first number of this pair.
    static constexpr std::size_t first(std::size_t pair, std::size_t) { return 2 * pair; }
    /// The second number of this pair.
    static constexpr std::size_t second(std::size_t pair, std::size_t) { return 2 * pair + 1; }
};

/// (0, n), (1, n + 1), ... of n pairs, as in GPT-NeoX and Hugging Face's Llama.
struct HalfSplitPairs {
    /// The first number of this pair.
    static constexpr std::size_t first(std::size_t pair, std::size_t) { return pair; }
    /// The second number of this pair.
    static constexpr std::size_t second(std::size_t pair, std::size_t pairs) { return pair + pairs; }
};

/// frequency[j] = theta^(-2j / rotary_dim) for the rotary_dim / 2 pairs: radians per position. The base `theta` is the
/// model's own (10000 for Llama 2, 500000 for Llama 3).
inline OwnVector<double> rope_frequencies(std::size_t rotary_dim, double theta) {
    MSRNN_ASSERT(rotary_dim % 2 == 0, "msrnn: rotary_dim is a number of pairs, twice");
    OwnVector<double> frequencies(rotary_dim / 2);
    for (std::size_t j = 0; j < frequencies.size(); ++j)
        frequencies[j] = std::pow(theta, -2.0 * static_cast<double>(j) / static_cast<double>(rotary_dim));
    return frequencies;
}

/// Rotates the pairs of a row by a difference of positions:
///     (x, y) <- (x cos a - y sin a, x sin a + y cos a),      a = positions * frequency[pair]
/// The angle and its functions are double, so that a position of 10^9 is as exact as one of 10. Numbers behind the last
/// pair stay (partial rotary). Rotate from the stored row each time: a row rotated step by step accumulates rounding
/// errors. Cost: one sine and cosine per pair. Rotations compose: by a and then by b is by a + b, up to rounding.
template <class Pairing>
class Rotation {
public:
    /// Radians per position, one for each pair.
    explicit Rotation(std::span<const double> frequencies) : frequencies_(frequencies.begin(), frequencies.end()) {}

    /// Rotates the row in place.
    void operator()(std::span<float> row, double positions) const {
        const std::size_t pairs = frequencies_.size();
        MSRNN_ASSERT(row.size() >= 2 * pairs, "msrnn: a row shorter than its rotary part");
        for (std::size_t pair = 0; pair < pairs; ++pair) {
            const double angle = positions * frequencies_[pair], c = std::cos(angle), s = std::sin(angle);
            float& first = row[Pairing::first(pair, pairs)];
            float& second = row[Pairing::second(pair, pairs)];
            const double x = static_cast<double>(first), y = static_cast<double>(second);
            first = static_cast<float>(x * c - y * s);
            second = static_cast<float>(x * s + y * c);
        }
    }

private:
    OwnVector<double> frequencies_;
};

}  // namespace msrnn::inline MSRNN_ABI
