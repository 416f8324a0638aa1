#include <cmath>
#include <msrnn/rope/rotation.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/random.hpp"

namespace rotation_tests {

using namespace msrnn;

namespace {
std::vector<float> random_row(std::size_t size) {
    Random random{size};
    std::vector<float> row(size);
    for (float& x : row) x = 2 * random.unit() - 1;
    return row;
}
template <class Pairing>
std::vector<float> rotated(std::vector<float> row, double positions, std::size_t rotary_dim = 16,
                           double theta = 10000) {
    Rotation<Pairing>(rope_frequencies(rotary_dim, theta))(row, positions);
    return row;
}
double length(const std::vector<float>& row) {
    double sum = 0;
    for (const float x : row) sum += static_cast<double>(x) * static_cast<double>(x);
    return std::sqrt(sum);
}
}  // namespace

TEST_CASE("frequencies fall from one radian a position by powers of theta") {
    const auto frequencies = rope_frequencies(8, 10000);
    REQUIRE(frequencies.size() == 4);
    CHECK(frequencies[0] == 1);
    CHECK(close(frequencies[1], 0.1, 0, 1e-12));
    CHECK(close(frequencies[3], 0.001, 0, 1e-12));
    CHECK(close(rope_frequencies(4, 500000)[1], 1 / std::sqrt(500000.0), 0, 1e-12));
}

TEST_CASE("a quarter turn of one pair, adjacent and half-split") {
    const std::vector<double> quarter{std::acos(0.0), 0};
    std::vector<float> adjacent{1, 0, 5, 6}, half{1, 5, 0, 6};
    Rotation<AdjacentPairs>{quarter}(adjacent, 1);
    Rotation<HalfSplitPairs>{quarter}(half, 1);
    CHECK(all_close(adjacent, std::vector<double>{0, 1, 5, 6}, 1e-6, 0));
    CHECK(all_close(half, std::vector<double>{0, 5, 1, 6}, 1e-6, 0));
}

TEMPLATE_TEST_CASE("rotating by d and then by -d gives the row back", "", AdjacentPairs, HalfSplitPairs) {
    const std::vector<float> row = random_row(16);
    for (const double d : {1.0, 17.0, 511.0, 1e6, 1e9}) {
        CHECK(all_close(rotated<TestType>(rotated<TestType>(row, d), -d), row, 1e-6, 0));
        CHECK(close(length(rotated<TestType>(row, d)), length(row), 1e-6, 0));
    }
    CHECK_FALSE(all_close(rotated<TestType>(row, 1), row, 1e-2, 0));
}

TEMPLATE_TEST_CASE("rotating by a and then by b is rotating by a + b", "", AdjacentPairs, HalfSplitPairs) {
    const std::vector<float> row = random_row(16);
    for (const double a : {1.0, 100.0, 12345.0})
        for (const double b : {-3.0, 7.0, 1e5})
            CHECK(all_close(rotated<TestType>(rotated<TestType>(row, a), b), rotated<TestType>(row, a + b), 1e-6, 0));
}

TEST_CASE("a dot product depends on the difference of positions alone") {
    const auto dot = [](const std::vector<float>& a, const std::vector<float>& b) {
        double sum = 0;
        for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
        return sum;
    };
    const std::vector<float> q = random_row(32), k = random_row(33);
    const std::vector<float> key(k.begin(), k.end() - 1);
    const auto at = [](const std::vector<float>& row, double p) { return rotated<HalfSplitPairs>(row, p, 32); };
    const double expected = dot(at(q, 40), at(key, 10));
    for (const double shift : {5.0, 1000.0, 1e8})
        CHECK(close(dot(at(q, 40 + shift), at(key, 10 + shift)), expected, 2e-6, 0));
}

TEST_CASE("ten thousand shifts do not drift, because each starts from the stored row") {
    const std::vector<float> row = random_row(16);
    std::vector<float> shown;
    for (int shift = 0; shift < 10000; ++shift) shown = rotated<AdjacentPairs>(row, 10000 - shift);
    CHECK(all_close(shown, rotated<AdjacentPairs>(row, 1), 0, 0));

    std::vector<float> walked = rotated<AdjacentPairs>(row, 10000);  // the other way gathers rounding
    for (int shift = 0; shift < 9999; ++shift) walked = rotated<AdjacentPairs>(walked, -1);
    CHECK_FALSE(all_close(walked, shown, 1e-7, 0));
}

TEST_CASE("numbers behind the rotary part stay") {
    const std::vector<float> row = random_row(16);
    const std::vector<float> turned = rotated<AdjacentPairs>(row, 3, 8, 5e5);
    CHECK(std::equal(row.begin() + 8, row.end(), turned.begin() + 8));
    CHECK_FALSE(turned[0] == row[0]);
}

}  // namespace rotation_tests
