#include "support/close.hpp"

#include <limits>
#include <vector>

#include "support/catch.hpp"

namespace close_tests {

namespace {

const double not_a_number = std::numeric_limits<double>::quiet_NaN();
const double infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("the comparison of the tests refuses NaN on either side, and on both") {
    CHECK_FALSE(close(not_a_number, 1, 10, 10));
    CHECK_FALSE(close(1, not_a_number, 10, 10));
    CHECK_FALSE(close(not_a_number, not_a_number, 10, 10));
    CHECK_FALSE(all_close(std::vector<double>{1, not_a_number}, std::vector<double>{1, not_a_number}, 10, 10));
}

TEST_CASE("the comparison of the tests refuses an infinity where a number is expected") {
    CHECK_FALSE(close(infinity, 1, 10, 0));
    CHECK_FALSE(close(infinity, infinity, 10, 10));
}

TEST_CASE("the comparison of the tests refuses what is further away than both bounds") {
    CHECK(close(100, 100.5, 0, 0.01));
    CHECK(close(100, 100.5, 0.5, 0));
    CHECK_FALSE(close(100, 101.5, 0.4, 0.01));
    CHECK_FALSE(close(1, -1, 0.1, 0.1));
}

TEST_CASE("the comparison of the tests refuses ranges of other lengths, empty ones, and one wrong number among many") {
    const std::vector<float> none, two{1, 2}, three{1, 2, 3}, wrong{1, 2.1f, 3};
    CHECK(all_close(three, three, 0, 0));
    CHECK_FALSE(all_close(none, none, 1, 1));
    CHECK_FALSE(all_close(two, three, 1, 1));
    CHECK_FALSE(all_close(wrong, three, 1e-5, 1e-5));
}

}  // namespace close_tests
