#include <cmath>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/lane_of_rows.hpp"

namespace lag_kv_tests {

using Positions = std::vector<std::int64_t>;
using msrnn::LagKV;

namespace {
/// One sink, two blocks of two, and a tail of one. Values are like keys.
LaneOfRows<LagKV> blocks(const LagKV& policy) {
    LaneOfRows<LagKV> rows(5, policy);
    rows.append(0, {7, 7});
    rows.append(1, {0, 4});  // in units of the block behind it: (0, 1)
    rows.append(2, {1, 1});  // (0.25, 0.25), which does not spread
    rows.append(3, {0, 4});
    rows.append(4, {4, 0});
    rows.append(5, {2, 2});
    return rows;
}
}  // namespace

TEST_CASE("LagKV measures a block by the range of the next one; the last block, the tail and the sinks stay") {
    auto rows = blocks({.sinks = 1, .lag = 2});
    CHECK(rows.ratings() == std::vector<float>{1, 0.5f, 0, 1, 1, 1});
    rows.lane.evict_rated();
    CHECK(by_arrival::kept(rows.lane) == Positions{0, 1, 3, 4, 5});
}

TEST_CASE("without ranks LagKV rates by shares of the block") {
    const float high = std::exp(std::sqrt(0.5f));  // the deviation of (0, 1) with divisor 1
    auto rows = blocks({.sinks = 1, .lag = 2, .ranks = false, .key_weight = 1, .value_weight = 0.5f});
    const std::vector<float> wanted{1, 1.5f * high / (1 + high), 1.5f / (1 + high), 1, 1, 1};
    CHECK(all_close(rows.ratings(), wanted, 0, 1e-6));
}

TEST_CASE("with less than two blocks behind the sinks LagKV keeps the newest tokens") {
    LaneOfRows<LagKV> rows(4, {.sinks = 1, .lag = 3});
    for (int t = 0; t < 6; ++t) rows.append(t, {1, static_cast<float>(t)});
    CHECK(rows.evict() == Positions{1, 2});
    CHECK(by_arrival::kept(rows.lane) == Positions{0, 3, 4, 5});
}

TEST_CASE("a channel without a range says nothing, and a far key is no overflow") {
    LaneOfRows<LagKV> rows(5, {.sinks = 0, .lag = 2, .ranks = false});
    rows.append(0, {5, 1e15f});
    rows.append(1, {3, 0});
    rows.append(2, {4, 0});
    rows.append(3, {4, 1});
    const auto ratings = rows.ratings();
    CHECK(ratings[0] == 1);
    CHECK(ratings[1] == 0);
}

TEST_CASE("blocks that are thinned for good are left alone, and memory grows") {
    LaneOfRows<LagKV> rows(64 - 1, {.sinks = 0, .lag = 4, .key_weight = 1, .value_weight = 1, .kept_per_lag = 1});
    Positions thinned;
    for (int t = 0; t < 16; ++t) {
        rows.append(t, {static_cast<float>(t % 3), static_cast<float>(t * t % 5)});
        const std::size_t base = static_cast<std::size_t>(rows.lane.floats()[0]);
        const std::size_t full = (rows.lane.size() - base) / 4;
        if (full < 2) continue;
        rows.lane.set_budget(rows.lane.size() - (full - 1) * 3);
        CHECK(rows.evict().size() == 3);
        rows.lane.set_budget(63);
        CHECK(rows.lane.floats()[0] == static_cast<float>(base + 1));
    }
    CHECK(rows.lane.size() == 7);  // 3 of the blocks before the last, which is whole
    CHECK(by_arrival::kept(rows.lane)[3] == 12);
}

TEST_CASE("LagKV says what is wrong with its settings") {
    CHECK(LagKV{.lag = 0}.problem().find("lag is 0") == 0);
    CHECK((LagKV{.lag = 4, .kept_per_lag = 5}.problem().find("kept_per_lag is 5 and lag 4") == 0));
    CHECK((LagKV{.lag = 4, .ranks = false, .kept_per_lag = 2}.problem().find("ranks is false") == 0));
    CHECK(LagKV{}.problem().empty());
}

}  // namespace lag_kv_tests
