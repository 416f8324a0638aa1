#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/lane_of_rows.hpp"

namespace value_norm_tests {

using Positions = std::vector<std::int64_t>;
using msrnn::ValueNorm;

TEST_CASE("ValueNorm drops the shortest value, whatever its key") {
    LaneOfRows<ValueNorm> rows(3, {.recent = 1});
    rows.append(0, {9, 9}, {3, 4});
    rows.append(1, {0, 0}, {6, 8});
    rows.append(2, {7, 0}, {0, 1});
    rows.append(3, {1, 1}, {0, 0});
    CHECK(rows.ratings() == std::vector<float>{5, 10, 1, 0});
    CHECK(rows.evict() == Positions{2});
    rows.append(4, {0, 0}, {20, 0});
    CHECK(rows.evict() == Positions{3});
}

TEST_CASE("ValueNorm protects half the budget unless told otherwise, and needs values alone") {
    CHECK(msrnn::Lane<ValueNorm>(9).protection().recent == 4);
    CHECK(msrnn::Lane<ValueNorm>({.budget = 9}, {.recent = 0}).protection().recent == 0);
    CHECK(msrnn::needs_of<ValueNorm>().at_choice == msrnn::Values::bit);
    CHECK(msrnn::needs_of<ValueNorm>().at_observe == 0);
}

}  // namespace value_norm_tests
