#pragma once

#include <cmath>
#include <complex>
#include <cstddef>
#include <msrnn/policy/rope.hpp>
#include <vector>

/// Rows in double, for mirrors of methods that know positions.
namespace mirror {

using Row = std::vector<double>;

inline double product(const Row& a, const Row& b) {
    double sum = 0;
    for (std::size_t c = 0; c < a.size(); ++c) sum += a[c] * b[c];
    return sum;
}
/// The pairs of a row as complex numbers.
inline std::vector<std::complex<double>> pairs_of(const Row& row, const msrnn::Rope& rope) {
    const std::size_t n = (rope.rotary_dim != 0 ? std::min(rope.rotary_dim, row.size()) : row.size()) / 2;
    std::vector<std::complex<double>> pairs;
    for (std::size_t i = 0; i < n; ++i)
        pairs.push_back(rope.pairs == msrnn::Rope::Pairs::halves ? std::complex(row[i], row[i + n])
                                                                 : std::complex(row[2 * i], row[2 * i + 1]));
    return pairs;
}
/// Radians per position.
inline double frequency(std::size_t pair, const Row& row, const msrnn::Rope& rope) {
    const std::size_t dim = rope.rotary_dim != 0 ? rope.rotary_dim : row.size() / 2 * 2;
    return std::pow(rope.theta, -2 * static_cast<double>(pair) / static_cast<double>(dim));
}
inline Row turned(const Row& row, double positions, const msrnn::Rope& rope) {
    const auto pairs = pairs_of(row, rope);
    const std::size_t n = pairs.size();
    Row to = row;
    for (std::size_t i = 0; i < n; ++i) {
        const auto pair = pairs[i] * std::polar(1.0, positions * frequency(i, row, rope));
        const bool halves = rope.pairs == msrnn::Rope::Pairs::halves;
        to[halves ? i : 2 * i] = pair.real();
        to[halves ? i + n : 2 * i + 1] = pair.imag();
    }
    return to;
}

}  // namespace mirror
