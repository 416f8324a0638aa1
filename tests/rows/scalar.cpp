#include "rows/scalar.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <numeric>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace scalar_tests {

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

}  // namespace scalar_tests
