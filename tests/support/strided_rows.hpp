// Rows with gaps, and room for what attention writes, for the tests of the kernels.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <msrnn/attention/bytes.hpp>
#include <msrnn/attention/targets.hpp>
#include <msrnn/rows/rows.hpp>
#include <span>
#include <tuple>
#include <vector>

#include "random.hpp"
#include "sanitized.hpp"

template <class K, class V>
struct Scalars {
    using Key = K;
    using Value = V;
};
using EveryScalar = std::tuple<MSRNN_EVERY_SCALAR>;
#ifdef MSRNN_TESTS_SANITIZED
using EveryPair =
    std::tuple<Scalars<float, float>, Scalars<std::int8_t, std::int8_t>, Scalars<msrnn::Bfloat16, msrnn::Half>>;
#else
using EveryPair =
    std::tuple<Scalars<float, float>, Scalars<Eigen::bfloat16, Eigen::bfloat16>, Scalars<Eigen::half, Eigen::half>,
               Scalars<std::int8_t, std::int8_t>, Scalars<float, std::int8_t>, Scalars<Eigen::bfloat16, Eigen::half>,
               Scalars<std::int8_t, Eigen::bfloat16>, Scalars<msrnn::Bfloat16, msrnn::Half>>;
#endif

/// How much less exact a step may be than with floats: bytes meet queries and weights of 16 bits.
template <class K, class V>
const double allowance = [] {
    using namespace msrnn::detail;
    const bool by_products_of_bytes = multiplies_bytes || target_of_processor() == Target::vnni;
    return by_products_of_bytes && (sizeof(K) == 1 || sizeof(V) == 1) ? 50 : 1;
}();

inline constexpr float infinite = std::numeric_limits<float>::infinity();
inline constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
inline constexpr float untouched = 12345;

/// Rows with gaps. The last row ends where the memory ends. Gaps and unused scales hold numbers that must not be read.
template <class S>
struct Strided {
    static constexpr bool scaled = msrnn::Rows<S>::scaled;
    std::size_t dim, stride, scale_stride;
    std::vector<S> memory;
    std::vector<float> scales;

    Strided(std::size_t n, std::size_t head_dim, std::size_t row_stride, std::size_t stride_of_scales = 1)
        : dim(head_dim),
          stride(row_stride),
          scale_stride(stride_of_scales),
          memory((n - 1) * row_stride + head_dim),
          scales(scaled ? (n - 1) * stride_of_scales + 1 : 0, not_a_number) {
        std::memset(static_cast<void*>(memory.data()), 0x7f, memory.size() * sizeof(S));
    }
    S* row(std::size_t r) { return memory.data() + r * stride; }
    void write(std::size_t r, std::span<const float> numbers) {
        if constexpr (scaled)
            scales[r * scale_stride] = msrnn::detail::narrow(numbers, row(r));
        else
            msrnn::detail::narrow(numbers, row(r));
    }
    void fill(std::size_t n, Random& random, float magnitude) {
        for (std::size_t r = 0; r < n; ++r) {
            // Every row has another length, so that a scale out of place is seen.
            const float length = magnitude * (0.25f + random.unit());
            std::vector<float> numbers(dim);
            for (float& x : numbers) x = length * (2 * random.unit() - 1);
            write(r, numbers);
        }
    }
    msrnn::RowsView<S> view() const { return {memory.data(), stride, scaled ? scales.data() : nullptr, scale_stride}; }
};

/// Rows as they are read back, without gaps.
template <class S>
std::vector<float> read(msrnn::RowsView<S> rows, std::size_t n, std::size_t dim) {
    std::vector<float> numbers;
    for (std::size_t r = 0; r < n; ++r)
        for (std::size_t d = 0; d < dim; ++d) {
            const auto number = static_cast<float>(rows.base[r * rows.stride + d]);
            if constexpr (msrnn::Rows<S>::scaled)
                numbers.push_back(number * rows.scales[r * rows.scale_stride]);
            else
                numbers.push_back(number);
        }
    return numbers;
}

/// Room for what attend() writes, neither aligned nor without neighbours.
struct Room {
    static constexpr std::size_t guard = 37;
    std::size_t rows, width, stride;
    std::vector<float> memory;

    Room(std::size_t row_count, std::size_t row_width, std::size_t row_stride)
        : rows(row_count),
          width(row_width),
          stride(row_stride),
          memory(2 * guard + row_count * row_stride, untouched) {}
    float* data() { return memory.data() + guard; }
    std::span<const float> row(std::size_t r) const { return std::span(memory).subspan(guard + r * stride, width); }
    bool only_rows_are_written() const {
        for (std::size_t i = 0; i < memory.size(); ++i) {
            const bool inside = i >= guard && i < guard + rows * stride && (i - guard) % stride < width;
            if (inside == (memory[i] == untouched)) return false;
        }
        return true;
    }
};

inline bool same_bits(std::span<const float> a, std::span<const float> b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}
inline bool all_nan(std::span<const float> numbers) {
    return std::all_of(numbers.begin(), numbers.end(), [](float x) { return std::isnan(x); });
}
inline bool all_zero(std::span<const float> numbers) {
    return std::all_of(numbers.begin(), numbers.end(), [](float x) { return x == 0; });
}
