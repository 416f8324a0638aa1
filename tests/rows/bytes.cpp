#include "rows/scalar.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace scalar_tests {

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

}  // namespace scalar_tests
