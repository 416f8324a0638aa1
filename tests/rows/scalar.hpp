#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <msrnn/rows/rows.hpp>
#include <msrnn/rows/scalar.hpp>
#include <msrnn/rows/widen.hpp>
#include <tuple>
#include <vector>

#include "support/random.hpp"
#include "support/strided_rows.hpp"

namespace scalar_tests {

using msrnn::Rows;
using msrnn::detail::bits;
using msrnn::detail::floats_per_pack;

using EveryScalar = std::tuple<float, Eigen::bfloat16, Eigen::half, std::int8_t>;
using Halfwords = std::tuple<Eigen::bfloat16, Eigen::half, msrnn::Bfloat16, msrnn::Half>;

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float infinite = std::numeric_limits<float>::infinity();
constexpr float largest_float = std::numeric_limits<float>::max();
constexpr std::size_t patterns = 65536;

/// The formats as IEEE 754 and its offspring lay them out, after the sign bit.
template <class S>
struct Format;
template <>
struct Format<Eigen::bfloat16> {
    static constexpr int exponent_bits = 8, mantissa_bits = 7;
};
template <>
struct Format<Eigen::half> {
    static constexpr int exponent_bits = 5, mantissa_bits = 10;
};
template <>
struct Format<msrnn::Bfloat16> : Format<Eigen::bfloat16> {};
template <>
struct Format<msrnn::Half> : Format<Eigen::half> {};
template <class S>
constexpr std::uint16_t infinity_bits = static_cast<std::uint16_t>(((1 << Format<S>::exponent_bits) - 1)
                                                                   << Format<S>::mantissa_bits);

template <class S>
double value_of(std::uint16_t pattern) {
    constexpr int mantissa_bits = Format<S>::mantissa_bits, special = (1 << Format<S>::exponent_bits) - 1;
    const int exponent = pattern >> mantissa_bits & special, mantissa = pattern & ((1 << mantissa_bits) - 1);
    const int lowest = 1 - special / 2 - mantissa_bits;
    double magnitude = std::ldexp(mantissa, lowest);
    if (exponent > 0) magnitude = std::ldexp((1 << mantissa_bits) + mantissa, lowest + exponent - 1);
    if (exponent == special)
        magnitude = mantissa != 0 ? static_cast<double>(not_a_number) : static_cast<double>(infinite);
    return std::copysign(magnitude, pattern >> 15 != 0 ? -1.0 : 1.0);
}
template <class S>
bool is_nan(std::uint16_t pattern) {
    return (pattern & 0x7fff) > infinity_bits<S>;
}
inline bool same(float a, double b) {
    if (std::isnan(b)) return std::isnan(a);
    return static_cast<double>(a) == b && std::signbit(a) == std::signbit(b);
}

/// One row of every bit pattern.
template <class S>
Rows<S> every_pattern() {
    Rows<S> rows(1, patterns);
    for (std::size_t i = 0; i < patterns; ++i) {
        const auto pattern = static_cast<std::uint16_t>(i);
        std::memcpy(static_cast<void*>(&rows[0][i]), &pattern, sizeof pattern);
    }
    return rows;
}
template <class S>
std::vector<float> read(const Rows<S>& rows, std::size_t row = 0) {
    std::vector<float> numbers(rows[row].size());
    rows.read(row, numbers);
    return numbers;
}
template <class S>
Rows<S> row_of(const std::vector<float>& numbers) {
    Rows<S> rows(1, numbers.size());
    rows.write(0, numbers);
    return rows;
}
template <class S>
std::vector<std::uint16_t> stored_bits(const std::vector<float>& numbers) {
    std::vector<std::uint16_t> stored(numbers.size());
    std::memcpy(stored.data(), row_of<S>(numbers)[0].data(), numbers.size() * sizeof(std::uint16_t));
    return stored;
}
template <class S>
std::uint16_t stored_bits(float number) {
    return stored_bits<S>(std::vector<float>{number})[0];
}

/// As the kernel reads: load by load, brought back into order.
template <class S>
std::vector<float> widened(const S* stored, std::size_t count) {
    constexpr std::size_t step = msrnn::detail::floats_per_load<S>;
    std::vector<float> numbers(count);
    for (std::size_t i = 0; i < count; i += step) {
        msrnn::detail::Loaded<S> packs;
        msrnn::detail::widen(stored + i, packs);
        float restored[step];
        std::memcpy(restored, packs, sizeof restored);
        msrnn::detail::from_kernel_order<S>(restored, 1, &numbers[i]);
    }
    return numbers;
}
template <class S>
float portable_widened(const S* stored, std::size_t i) {
    return msrnn::detail::portable::widen(stored + i / floats_per_pack * floats_per_pack)[i % floats_per_pack];
}

inline std::vector<float> random_row(Random& random, std::size_t length, float magnitude) {
    std::vector<float> row(length);
    for (float& x : row) x = (2 * random.unit() - 1) * magnitude;
    return row;
}
/// How far the worst number of a row lies from what is stored of it, in halves of the row's scale.
inline double worst_in_half_scales(const std::vector<float>& row) {
    const Rows<std::int8_t> rows = row_of<std::int8_t>(row);
    const double scale = static_cast<double>(rows.scale(0));
    double worst = 0;
    for (std::size_t i = 0; i < row.size(); ++i)
        worst = std::max(worst, std::fabs(static_cast<double>(row[i]) - scale * rows[0][i]) / (scale / 2));
    return worst;
}
inline int largest_stored(const std::vector<float>& row) {
    int largest = 0;
    const Rows<std::int8_t> rows = row_of<std::int8_t>(row);
    for (const int q : rows[0]) largest = std::max(largest, std::abs(q));
    return largest;
}

}  // namespace scalar_tests
