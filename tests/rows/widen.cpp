#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "rows/scalar.hpp"
#include "support/catch.hpp"
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace scalar_tests {

namespace {
/// Subnormal floats are zero while it lives, as operands and as results, where the processor can do that.
class FlushedToZero {
#if defined(__SSE2__)
public:
    FlushedToZero() { _mm_setcsr(before_ | 0x8040); }
    ~FlushedToZero() { _mm_setcsr(before_); }

private:
    unsigned before_ = _mm_getcsr();
#endif
};

/// As kernels read a row of numbers that are dear to widen; else load by load.
template <class S>
std::vector<float> read_by_rows(const S* row, std::size_t width) {
    using namespace msrnn::detail;  // some processors have no widen_row()
    if constexpr (dear_to_widen<S>) {
        constexpr std::size_t run = run_numbers;
        std::vector<float> wide((width + run - 1) / run * run, 0.25f);
        widen_row(row, width, wide.data());
        wide.resize(width);
        return wide;
    } else {
        constexpr std::size_t step = floats_per_load<S>;
        std::vector<S> padded(row, row + width);
        padded.resize((width + step - 1) / step * step);
        std::vector<float> numbers = widened(padded.data(), padded.size());
        numbers.resize(width);
        return numbers;
    }
}
std::vector<double> value_of_each() {
    std::vector<double> values(patterns);
    for (std::size_t i = 0; i < patterns; ++i) values[i] = value_of<msrnn::Half>(static_cast<std::uint16_t>(i));
    return values;
}
msrnn::Half half_of(std::size_t pattern) {
    msrnn::Half half;
    half.pattern = static_cast<std::uint16_t>(pattern);
    return half;
}
void require_same(const std::vector<float>& numbers, const std::vector<double>& expected) {
    REQUIRE(numbers.size() == expected.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (same(numbers[i], expected[i])) continue;
        CAPTURE(i, numbers[i], expected[i]);
        REQUIRE(false);
    }
}
}  // namespace

TEST_CASE("a row of all halves is read exactly, also where subnormal floats are flushed to zero") {
    const Rows<msrnn::Half> rows = every_pattern<msrnn::Half>();
    const std::vector<double> expected = value_of_each();
    require_same(read_by_rows(rows[0].data(), patterns), expected);
    std::vector<float> by_rows, by_loads, portable(patterns);
    {
        const FlushedToZero flushed;
        by_rows = read_by_rows(rows[0].data(), patterns);
        by_loads = widened(rows[0].data(), patterns);
        for (std::size_t i = 0; i < patterns; ++i) portable[i] = portable_widened(rows[0].data(), i);
    }
    require_same(by_rows, expected);
    require_same(by_loads, expected);
    require_same(portable, expected);
}

TEST_CASE("a half is read alike among any neighbours, wherever in a row it stands") {
    const std::vector<double> values = value_of_each();
    for (std::size_t sign_and_exponent = 0; sign_and_exponent < 64; ++sign_and_exponent)
        for (const std::size_t mantissa : {0u, 1u, 0x200u, 0x3ffu})
            for (const std::size_t width : {1u, 31u, 32u, 33u, 70u})
                for (std::size_t at = 0; at < width; at += 3) {
                    const std::size_t pattern = sign_and_exponent << 10 | mantissa;
                    std::vector<msrnn::Half> row(width, half_of(0x3c00));  // 1
                    std::vector<double> expected(width, 1);
                    row[at] = half_of(pattern);
                    expected[at] = values[pattern];
                    require_same(read_by_rows(row.data(), width), expected);
                }
}

TEST_CASE("every byte is read exactly, wherever in a row it stands") {
    for (std::size_t first = 0; first < 256; first += 5)
        for (std::size_t width = 1; width <= 100; ++width) {
            std::vector<std::int8_t> row(width);
            std::vector<double> expected(width);
            for (std::size_t i = 0; i < width; ++i) {
                row[i] = static_cast<std::int8_t>(static_cast<int>((first + i) % 256) - 128);
                expected[i] = row[i];
            }
            require_same(read_by_rows(row.data(), width), expected);
        }
}

}  // namespace scalar_tests
