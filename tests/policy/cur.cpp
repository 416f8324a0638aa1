#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/lane_of_rows.hpp"

namespace cur_tests {

using Positions = std::vector<std::int64_t>;
using msrnn::Cur;

namespace {
/// Squared lengths 1, 4, 9, 16, 25 of keys, 4 of every value but the last, which has 36.
LaneOfRows<Cur> five(const Cur& policy) {
    LaneOfRows<Cur> rows(4, policy);
    for (int t = 0; t < 4; ++t) rows.append(t, {0, static_cast<float>(t + 1)}, {2, 0});
    rows.append(4, {3, 4}, {0, 6});
    return rows;
}
}  // namespace

TEST_CASE("Cur's leverage is a share of the lane, of keys, of values, of their mean or their product") {
    const auto ratings = [](Cur::Leverage leverage) {
        return five({.sinks = 0, .local = false, .leverage = leverage}).ratings();
    };
    using List = std::vector<float>;
    CHECK(all_close(ratings(Cur::Leverage::key), List{1 / 55.f, 4 / 55.f, 9 / 55.f, 16 / 55.f, 25 / 55.f}, 0, 1e-6));
    CHECK(all_close(ratings(Cur::Leverage::value), List{4 / 52.f, 4 / 52.f, 4 / 52.f, 4 / 52.f, 36 / 52.f}, 0, 1e-6));
    CHECK(all_close(ratings(Cur::Leverage::average), List{5 / 107.f, 8 / 107.f, 13 / 107.f, 20 / 107.f, 61 / 107.f}, 0,
                    1e-6));
    CHECK(all_close(ratings(Cur::Leverage::product),
                    List{4 / 1020.f, 16 / 1020.f, 36 / 1020.f, 64 / 1020.f, 900 / 1020.f}, 0, 1e-6));
}

TEST_CASE("Cur compares a token with its run; the short last run has a sum of its own") {
    auto rows = five({.sinks = 0, .window = 2, .leverage = Cur::Leverage::key});
    // Runs 1 4 | 9 16 | 25, each of which sums to 1.
    const std::vector<float> thirds{0.2f / 3, 0.8f / 3, 0.36f / 3, 0.64f / 3, 1 / 3.f};
    CHECK(all_close(rows.ratings(), thirds, 0, 1e-6));
    rows.lane.evict_rated();
    CHECK(by_arrival::kept(rows.lane) == Positions{1, 2, 3, 4});
}

TEST_CASE("Cur protects its sinks, and rows of length 0 have no share") {
    LaneOfRows<Cur> rows(2, {.sinks = 1, .window = 4});
    for (int t = 0; t < 3; ++t) rows.append(t, {0, 0});
    CHECK(rows.ratings() == std::vector<float>{0, 0, 0});
    CHECK(rows.lane.protection().sinks == 1);
    CHECK(msrnn::Lane<Cur>(8).protection().sinks == 4);
}

TEST_CASE("Cur says what is wrong with a window of 0") {
    CHECK(Cur{.window = 0}.problem().find("window is 0") == 0);
    CHECK((Cur{.window = 0, .local = false}.problem().empty()));
}

}  // namespace cur_tests
