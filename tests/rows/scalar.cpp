#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <msrnn/rows/rows.hpp>
#include <msrnn/rows/scalar.hpp>
#include <msrnn/rows/widen.hpp>
#include <numeric>
#include <span>
#include <tuple>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"

using msrnn::Rows;
using msrnn::detail::bits;
using msrnn::detail::floats_per_pack;

namespace {
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
bool same(float a, double b) {
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

std::vector<float> random_row(Random& random, std::size_t length, float magnitude) {
    std::vector<float> row(length);
    for (float& x : row) x = (2 * random.unit() - 1) * magnitude;
    return row;
}
/// How far the worst number of a row lies from what is stored of it, in halves of the row's scale.
double worst_in_half_scales(const std::vector<float>& row) {
    const Rows<std::int8_t> rows = row_of<std::int8_t>(row);
    const double scale = static_cast<double>(rows.scale(0));
    double worst = 0;
    for (std::size_t i = 0; i < row.size(); ++i)
        worst = std::max(worst, std::fabs(static_cast<double>(row[i]) - scale * rows[0][i]) / (scale / 2));
    return worst;
}
int largest_stored(const std::vector<float>& row) {
    int largest = 0;
    const Rows<std::int8_t> rows = row_of<std::int8_t>(row);
    for (const int q : rows[0]) largest = std::max(largest, std::abs(q));
    return largest;
}
}  // namespace

// Rows of 16 bits ///////////////////////////////////////////////////////////////////////////////////////////////////

TEMPLATE_LIST_TEST_CASE("every pattern of 16 bits is read as its sign, exponent and mantissa say", "", Halfwords) {
    const Rows<TestType> rows = every_pattern<TestType>();
    const std::vector<float> numbers = read(rows), units = widened(rows[0].data(), patterns);
    for (std::size_t i = 0; i < patterns; ++i) {
        const double expected = value_of<TestType>(static_cast<std::uint16_t>(i));
        if (same(numbers[i], expected) && same(units[i], expected)) continue;
        CAPTURE(i, expected, numbers[i], units[i]);
        REQUIRE(false);
    }
    CHECK(same(numbers[0x8000], -0.0));
    CHECK(same(numbers[infinity_bits<TestType>], static_cast<double>(infinite)));
}

TEMPLATE_LIST_TEST_CASE("what is read and written again is the same bits, and NaN stays NaN", "", Halfwords) {
    const auto again = stored_bits<TestType>(read(every_pattern<TestType>()));
    for (std::size_t i = 0; i < patterns; ++i) {
        const bool stays = is_nan<TestType>(static_cast<std::uint16_t>(i)) ? is_nan<TestType>(again[i]) : again[i] == i;
        if (stays) continue;
        CAPTURE(i, again[i]);
        REQUIRE(false);
    }
}

TEMPLATE_LIST_TEST_CASE("between two neighbours the nearer one is stored, from the middle the one whose last bit is 0",
                        "", Halfwords) {
    std::vector<float> numbers;
    std::vector<std::uint16_t> expected;
    for (const int sign : {0, 0x8000})
        for (int lower = sign; lower + 1 < sign + infinity_bits<TestType>; ++lower) {
            const int upper = lower + 1;
            const double a = value_of<TestType>(static_cast<std::uint16_t>(lower));
            const double b = value_of<TestType>(static_cast<std::uint16_t>(upper));
            const auto middle = static_cast<float>((a + b) / 2);
            if (static_cast<double>(middle) != (a + b) / 2) FAIL("the middle is no float");
            numbers.insert(numbers.end(), {middle, std::nextafter(middle, static_cast<float>(a)),
                                           std::nextafter(middle, static_cast<float>(b))});
            for (const int nearest : {lower + lower % 2, lower, upper})
                expected.push_back(static_cast<std::uint16_t>(nearest));
        }
    CHECK(numbers.size() == 6u * (infinity_bits<TestType> - 1u));
    const auto stored = stored_bits<TestType>(numbers);
    for (std::size_t i = 0; i < numbers.size(); ++i)
        if (stored[i] != expected[i]) {
            CAPTURE(numbers[i], stored[i], expected[i]);
            REQUIRE(false);
        }
}

TEMPLATE_LIST_TEST_CASE("what is finite stays finite, infinity stays infinite, and no NaN becomes an infinity", "",
                        Halfwords) {
    constexpr std::uint16_t infinity = infinity_bits<TestType>, highest = infinity - 1;
    const auto largest = static_cast<float>(value_of<TestType>(highest));
    const float step = largest - static_cast<float>(value_of<TestType>(highest - 1));
    for (const float x : {largest, std::nextafter(largest, infinite), largest + step / 4, largest + step / 2 * 0.9999f,
                          std::fmin(largest + step / 2, largest_float), std::fmin(2 * largest, largest_float),
                          std::nextafter(largest_float, 0.0f), largest_float}) {
        CAPTURE(x, largest);
        CHECK(stored_bits<TestType>(x) == highest);
        CHECK(stored_bits<TestType>(-x) == (highest | 0x8000));
    }
    CHECK(stored_bits<TestType>(infinite) == infinity);
    CHECK(stored_bits<TestType>(-infinite) == (infinity | 0x8000));
    for (const std::uint32_t payload : {0x7f800001u, 0x7f80ffffu, 0x7fbfffffu, 0x7fc00000u, 0x7fffffffu})
        for (const std::uint32_t sign : {0u, 0x80000000u})
            CHECK(is_nan<TestType>(stored_bits<TestType>(bits<float>(payload | sign))));
}

TEMPLATE_LIST_TEST_CASE("Eigen stores a million random floats alike, but what is too large for the type", "",
                        Halfwords) {
    Random random{3};
    std::vector<float> numbers(1000000);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const auto u = static_cast<std::uint32_t>(random.next());
        // Every other one in the range of a half, which most floats are not.
        numbers[i] = bits<float>(i % 2 == 0 ? u : (u & 0x8fffffffu) + 0x30000000u + (u >> 3 & 0x0f000000u));
    }
    const auto stored = stored_bits<TestType>(numbers);
    std::size_t in_range = 0;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const auto eigen = bits<std::uint16_t>(static_cast<TestType>(numbers[i]));
        if (std::isfinite(numbers[i]) && (eigen & 0x7fff) == infinity_bits<TestType>) continue;
        in_range += (eigen & 0x7fff) != 0 && std::isfinite(numbers[i]);
        if (stored[i] == eigen || (is_nan<TestType>(eigen) && is_nan<TestType>(stored[i]))) continue;
        CAPTURE(numbers[i], stored[i], eigen);
        REQUIRE(false);
    }
    CHECK(in_range > 300000);
}

TEMPLATE_LIST_TEST_CASE("a number is stored alike wherever in a row it stands", "", EveryScalar) {
    Random random{4};
    for (std::size_t length = 1; length <= 70; ++length) {
        std::vector<float> row = random_row(random, length, 3);
        row[random.below(length)] = 3;  // the same scale for every length
        const std::vector<float> whole = read(row_of<TestType>(row));
        for (std::size_t i = 0; i < length; ++i) REQUIRE(whole[i] == read(row_of<TestType>({3, row[i]}))[1]);
    }
}

TEST_CASE("our own types of 16 bits are those of Eigen, bit for bit") {
    const auto same_as = [](auto own, auto eigen) {
        static_assert(sizeof own == 2 && sizeof eigen == 2 && std::is_trivially_copyable_v<decltype(own)>);
        const auto a = static_cast<float>(own), b = static_cast<float>(eigen);
        return std::isnan(b) ? std::isnan(a) : a == b && std::signbit(a) == std::signbit(b);
    };
    for (std::uint32_t i = 0; i < patterns; ++i) {
        const auto pattern = static_cast<std::uint16_t>(i);
        REQUIRE(same_as(bits<msrnn::Bfloat16>(pattern), bits<Eigen::bfloat16>(pattern)));
        REQUIRE(same_as(bits<msrnn::Half>(pattern), bits<Eigen::half>(pattern)));
    }
    Random random{8};
    for (int i = 0; i < 10000; ++i) {
        const float x = 100 * (2 * random.unit() - 1);
        REQUIRE(bits<std::uint16_t>(msrnn::Bfloat16(x)) == bits<std::uint16_t>(Eigen::bfloat16(x)));
        REQUIRE(bits<std::uint16_t>(msrnn::Half(x)) == bits<std::uint16_t>(Eigen::half(x)));
    }
}

// Rows of bytes with a scale ////////////////////////////////////////////////////////////////////////////////////////

TEST_CASE("a byte is read as scale times itself") {
    Rows<std::int8_t> rows(1, 256);
    for (std::size_t i = 0; i < 256; ++i) rows[0][i] = static_cast<std::int8_t>(static_cast<int>(i) - 128);
    const std::vector<float> units = widened(rows[0].data(), 256);
    for (std::size_t i = 0; i < 256; ++i) {
        REQUIRE(units[i] == static_cast<float>(i) - 128);
        REQUIRE(portable_widened(rows[0].data(), i) == units[i]);
    }
    const Rows<std::int8_t> row = row_of<std::int8_t>({127 * 0.25f, -1, 3.25f});
    CHECK(row.scale(0) == 0.25f);
    CHECK(read(row) == std::vector<float>{127 * 0.25f, -1, 3.25f});
}

// Whoever multiplies by a rounded 1 / scale is wrong by 127 * 2^-23 at most: a number that near the middle of two may
// go either way.
TEST_CASE("bytes meet every number within half a scale, whatever the magnitude and the length of the row") {
    Random random{5};
    for (int exponent = -36; exponent <= 38; ++exponent)
        for (std::size_t length = 1; length <= 70; ++length) {
            const std::vector<float> row = random_row(
                random, length, static_cast<float>(std::pow(10.0, exponent - static_cast<double>(random.unit()))));
            CAPTURE(exponent, length, row[0]);
            REQUIRE(worst_in_half_scales(row) <= 1 + 0x1p-15);
            REQUIRE(largest_stored(row) == 127);
        }
}

TEST_CASE("bytes meet every number within half a scale in rows of very small numbers") {
    Random random{6};
    for (const float magnitude : {1e-36f, 3e-37f, 1e-37f, 1.2e-38f, 1e-38f, 1e-39f, 1e-40f, 1e-41f})
        for (std::size_t length = 1; length <= 70; ++length) {
            const std::vector<float> row = random_row(random, length, magnitude);
            const Rows<std::int8_t> rows = row_of<std::int8_t>(row);
            const double scale = static_cast<double>(rows.scale(0)), smallest = 0x1p-149;
            for (std::size_t i = 0; i < length; ++i) {
                CAPTURE(magnitude, length, i, row[i], scale, static_cast<int>(rows[0][i]));
                // A scale that is itself subnormal is wrong by half the smallest float, and a q of 127 shows it.
                REQUIRE(std::fabs(static_cast<double>(row[i]) - scale * rows[0][i]) <= 0.501 * scale + 64 * smallest);
            }
        }
    for (const float tiny : {1e-45f, -1e-44f, 8e-44f}) {
        const std::vector<float> back = read(row_of<std::int8_t>({0, tiny, 0}));
        CAPTURE(tiny, back[1]);
        CHECK(back[0] == 0);
        CHECK(std::fabs(static_cast<double>(back[1]) - static_cast<double>(tiny)) <= 64 * 0x1p-149);
    }
}

TEST_CASE("the largest finite numbers stay finite as bytes") {
    for (const float x : {largest_float, std::nextafter(largest_float, 0.0f), 3e38f}) {
        const std::vector<float> back = read(row_of<std::int8_t>({x, -x, x / 2, 0}));
        CAPTURE(x, back[0], back[1]);
        for (const float y : back) CHECK(std::isfinite(y));
        CHECK(back[3] == 0);
    }
}

TEST_CASE("a row of zeros is zeros as bytes") {
    for (const std::size_t length : {1u, 15u, 16u, 33u}) {
        const Rows<std::int8_t> rows = row_of<std::int8_t>(std::vector<float>(length, length % 2 ? 0.0f : -0.0f));
        CHECK(rows.scale(0) == 0);
        CHECK(read(rows) == std::vector<float>(length, 0.0f));
    }
}

TEST_CASE("a row of bytes that was given a NaN or an infinity is NaN as a whole") {
    for (const float poison : {not_a_number, -not_a_number, infinite, -infinite})
        for (const std::size_t length : {1u, 5u, 16u, 17u, 40u, 64u})
            for (std::size_t at = 0; at < length; ++at) {
                std::vector<float> row(length, 1.0f);
                row[at] = poison;
                for (const float x : read(row_of<std::int8_t>(row))) REQUIRE(std::isnan(x));
            }
}

TEST_CASE("a number in the middle of two bytes becomes the even one") {
    for (const float scale : {1.0f, 0x1p-20f, 0x1p30f}) {
        std::vector<float> row{127 * scale};
        for (int q = -127; q < 127; ++q) row.push_back((static_cast<float>(q) + 0.5f) * scale);
        const Rows<std::int8_t> rows = row_of<std::int8_t>(row);
        REQUIRE(rows.scale(0) == scale);
        for (int q = -127; q < 127; ++q)
            REQUIRE(rows[0][static_cast<std::size_t>(q + 128)] == (q % 2 == 0 ? q : q + 1));
    }
}

// All of them ///////////////////////////////////////////////////////////////////////////////////////////////////////

TEST_CASE("without instructions for it halves are read alike") {
    const Rows<Eigen::half> rows = every_pattern<Eigen::half>();
    const std::vector<float> units = widened(rows[0].data(), patterns);
    for (std::size_t i = 0; i < patterns; ++i)
        if (!same(portable_widened(rows[0].data(), i), static_cast<double>(units[i]))) {
            CAPTURE(i, units[i], portable_widened(rows[0].data(), i));
            REQUIRE(false);
        }
}

TEMPLATE_LIST_TEST_CASE("numbers are brought into the order of the kernel and back", "", EveryScalar) {
    constexpr std::size_t step = msrnn::detail::floats_per_load<TestType>;
    std::vector<float> numbers(step), ordered(step), restored(step);
    std::iota(numbers.begin(), numbers.end(), 1.0f);
    msrnn::detail::to_kernel_order<TestType>(numbers.data(), 1, ordered.data());
    msrnn::detail::from_kernel_order<TestType>(ordered.data(), 1, restored.data());
    CHECK(restored == numbers);
    Rows<TestType> rows(1, step);
    for (std::size_t i = 0; i < step; ++i) rows[0][i] = static_cast<TestType>(numbers[i]);
    msrnn::detail::Loaded<TestType> packs;
    msrnn::detail::widen(rows[0].data(), packs);
    CHECK(std::memcmp(packs, ordered.data(), step * sizeof(float)) == 0);
}

TEMPLATE_LIST_TEST_CASE("rows are copied with their scales, and growing keeps them at the start of a cache line", "",
                        EveryScalar) {
    Random random{7};
    const std::size_t dim = 13;
    const std::vector<float> large = random_row(random, dim, 100), small = random_row(random, dim, 0.01f);
    Rows<TestType> rows(3, dim);
    rows.write(0, large);
    rows.write(1, small);
    const std::vector<float> stored_large = read(rows, 0), stored_small = read(rows, 1);
    rows.copy(rows, 0, 2);
    CHECK(read(rows, 2) == stored_large);
    CHECK(read(rows, 1) == stored_small);
    CHECK(rows.bytes() == 3 * dim * sizeof(TestType) + (Rows<TestType>::scaled ? 3 * sizeof(float) : 0));

    rows.reserve(200);
    CHECK(rows.bytes() == 200 * dim * sizeof(TestType) + (Rows<TestType>::scaled ? 200 * sizeof(float) : 0));
    rows.reserve(7);
    CHECK(rows.bytes() == 200 * dim * sizeof(TestType) + (Rows<TestType>::scaled ? 200 * sizeof(float) : 0));
    rows.write(199, small);
    const Rows<TestType> fork = rows;
    rows.copy(rows, 1, 0);
    for (const auto* all : std::initializer_list<const Rows<TestType>*>{&rows, &fork}) {
        CHECK(read(*all, 1) == stored_small);
        CHECK(read(*all, 2) == stored_large);
        CHECK(read(*all, 199) == stored_small);
        CHECK(reinterpret_cast<std::uintptr_t>(all->view().base) % 64 == 0);
    }
    CHECK(read(rows, 0) == stored_small);
    CHECK(read(fork, 0) == stored_large);
}
