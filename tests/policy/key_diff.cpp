#include <cmath>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/lane_of_rows.hpp"

namespace key_diff_tests {

using Positions = std::vector<std::int64_t>;
using msrnn::KeyDiff;

TEST_CASE("KeyDiff rates a key by its angle to the sum of all directions: length does not count") {
    LaneOfRows<KeyDiff> rows(4, {});
    rows.append(0, {1, 0});
    rows.append(1, {100, 0});
    rows.append(2, {0, 0.5f});
    rows.append(3, {2, 0});
    // The sum of the directions is (3, 1), of length sqrt(10).
    const float along = -3 / std::sqrt(10.0f), across = -1 / std::sqrt(10.0f);
    CHECK(all_close(rows.ratings(), std::vector<float>{along, along, across, along}, 1e-6, 0));
}

TEST_CASE("KeyDiff drops the earliest of the keys that point with the others, and the anchor moves") {
    LaneOfRows<KeyDiff> rows(3, {});
    for (int t = 0; t < 3; ++t) rows.append(t, {1, 0});
    rows.append(3, {0, 1});
    CHECK(rows.evict() == Positions{0});  // the anchor is (3, 1)
    rows.append(4, {0, 4});
    CHECK(rows.evict() == Positions{1});  // (2, 2)
    rows.append(5, {0, 2});
    CHECK(rows.evict() == Positions{3});  // (1, 3)
    CHECK(by_arrival::kept(rows.lane) == Positions{2, 4, 5});
}

TEST_CASE("KeyDiff may drop the newest token, unless it is told to protect it") {
    for (const std::size_t recent : {0u, 1u}) {
        LaneOfRows<KeyDiff> rows(2, {.recent = recent});
        rows.append(0, {1, 1});
        rows.append(1, {1, -1});
        rows.append(2, {1, 0});
        CHECK((rows.evict() == Positions{2}) == (recent == 0));
    }
}

TEST_CASE("KeyDiff gives a key of length 0 the cosine 0, and directions that cancel are no trouble") {
    LaneOfRows<KeyDiff> rows(3, {});
    rows.append(0, {0, 0});
    rows.append(1, {0, 2});
    CHECK(rows.ratings() == std::vector<float>{0, -1});
    LaneOfRows<KeyDiff> opposite(3, {});
    opposite.append(0, {0, 2});
    opposite.append(1, {0, -2});
    CHECK(opposite.ratings() == std::vector<float>{0, 0});
}

TEST_CASE("KeyDiff asks for head_dim, in which its anchor is kept") {
    CHECK(msrnn::problem(KeyDiff{}, {.budget = 4}).find("set both in Limits") != std::string::npos);
    CHECK(msrnn::problem(KeyDiff{}, {.budget = 4, .query_heads = 1, .head_dim = 8}).empty());
    LaneOfRows<KeyDiff> rows(1, {}, 3);
    rows.append(0, {1, 2});
    rows.append(1, {1, 2});
    CHECK_THROWS_AS(rows.evict(), msrnn_assertion_failed);
}

}  // namespace key_diff_tests
