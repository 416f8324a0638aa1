#include <cstddef>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace h2o_tests {

using Positions = std::vector<std::int64_t>;

namespace {

/// Four tokens whose sums are 2.25, 1, 0.5 and 0.25.
msrnn::Lane<msrnn::H2O> four_tokens() {
    msrnn::Lane<msrnn::H2O> lane({.budget = 4}, {.recent = 2});
    by_arrival::step(lane, 0, {{1.0f}});
    by_arrival::step(lane, 1, {{0.5f, 0.5f}});
    by_arrival::step(lane, 2, {{0.5f, 0.25f, 0.25f}});
    by_arrival::step(lane, 3, {{0.25f, 0.25f, 0.25f, 0.25f}});
    return lane;
}

}  // namespace

TEST_CASE("H2O drops the lowest sum of weights outside its recent window") {
    auto lane = four_tokens();
    CHECK(by_arrival::step(lane, 4, {{0.5f, 0.25f, 0.0f, 0.125f, 0.125f}}) ==
          Positions{2});                                                                   // 2.75 1.25 0.5 | .375 .125
    CHECK(by_arrival::step(lane, 5, {{0.25f, 0.0f, 0.5f, 0.0f, 0.25f}}) == Positions{3});  // 3 1.25 .875 | .125 .25
    CHECK(by_arrival::step(lane, 6, {{0.0f, 0.0f, 1.0f, 0.0f, 0.0f}}) == Positions{4});    // 3 1.25 1.125 | .25 0
    CHECK(by_arrival::kept(lane) == Positions{0, 1, 5, 6});
}

TEST_CASE("H2O replaces an old heavy hitter by a token that gathered more while it was recent") {
    auto lane = four_tokens();
    CHECK(by_arrival::step(lane, 4, {{0.0f, 0.0f, 0.0f, 1.0f, 0.0f}}) == Positions{2});
    CHECK(by_arrival::step(lane, 5, {{0.0f, 0.0f, 1.0f, 0.0f, 0.0f}}) == Positions{1});
    CHECK(by_arrival::kept(lane) == Positions{0, 3, 4, 5});
}

TEST_CASE("H2O adds weights up, as its text and code do, where the formal Algorithm 1 goes by the newest row") {
    auto lane = four_tokens();
    CHECK(by_arrival::step(lane, 4, {{0.125f, 0.0f, 0.25f, 0.375f, 0.25f}}) == Positions{2});
}

TEST_CASE("H2O sums over the query heads of its group: one that took the largest would decide otherwise") {
    msrnn::Lane<msrnn::H2O> lane({.budget = 2}, {.recent = 1});
    by_arrival::step(lane, 0, {{0.0f}, {0.0f}});
    by_arrival::step(lane, 1, {{0.0f, 0.0f}, {0.0f, 0.0f}});
    lane.append(2);
    by_arrival::observe(lane, {{0.5f, 0.375f, 0.125f}, {0.125f, 0.375f, 0.5f}});
    CHECK(lane.rating(by_arrival::slot_at(lane, 0)) == 0.625f);
    CHECK(lane.rating(by_arrival::slot_at(lane, 1)) == 0.75f);
    CHECK(by_arrival::positions(lane, lane.evict()) == Positions{0});
}

TEST_CASE("H2O protects half the budget, rounded down, unless told otherwise") {
    CHECK(msrnn::Lane<msrnn::H2O>(8).protection().recent == 4);
    CHECK(msrnn::Lane<msrnn::H2O>(9).protection().recent == 4);
    CHECK(msrnn::Lane<msrnn::H2O>(8).protection().sinks == 0);
    CHECK(msrnn::Lane<msrnn::H2O>({.budget = 8}, {.recent = 3}).protection().recent == 3);
    CHECK(msrnn::scope_of(msrnn::H2O{}) == msrnn::Scope::kv_head);
}

TEST_CASE("a token that gets a victim's slot starts from nothing") {
    msrnn::Lane<msrnn::H2O> lane({.budget = 1}, {.recent = 1});
    by_arrival::step(lane, 0, {{1.0f}});
    by_arrival::step(lane, 1, {{0.75f, 0.25f}});
    const msrnn::Slot slot = lane.append(2);
    CHECK(lane.rating(slot) == 0.0f);
}

TEST_CASE("H2O whose recent window is the whole budget is Window") {
    Random random{2};
    msrnn::Lane<msrnn::H2O> h2o({.budget = 6}, {.recent = 6});
    msrnn::Lane<msrnn::Window> window(6);
    for (std::int64_t t = 0; t < 200; ++t) {
        h2o.append(t);
        std::vector<float> row(h2o.size());
        for (float& weight : row) weight = random.unit();
        by_arrival::observe(h2o, {row});
        REQUIRE(by_arrival::positions(h2o, h2o.evict()) == by_arrival::step(window, t));
    }
}

TEST_CASE("H2O does not freeze: over 1000 random steps every newcomer stays for the recent window") {
    Random random{3};
    msrnn::Lane<msrnn::H2O> lane(16);
    std::size_t promoted = 0;
    for (std::int64_t t = 0; t < 1000; ++t) {
        lane.append(t);
        std::vector<float> row(lane.size());
        for (float& weight : row) weight = random.one_in(8) ? random.unit() : 0.0f;
        by_arrival::observe(lane, {row});
        for (const auto victim : by_arrival::positions(lane, lane.evict())) {
            REQUIRE(victim <= t - 8);
            promoted += victim < t - 8;
        }
        const auto kept = by_arrival::kept(lane);
        REQUIRE(kept.back() == t);
        if (t >= 16) REQUIRE(kept[8] == t - 7);
    }
    CHECK(promoted > 0);
}

TEST_CASE("H2O's sums go on growing by small weights, where the half precision of its code stands still at 2048") {
    msrnn::Lane<msrnn::H2O> lane({.budget = 2}, {.recent = 1});
    by_arrival::step(lane, 0, {{0.25f}});
    by_arrival::step(lane, 1, {{0.25f, 0.0f}});
    for (std::int64_t t = 2; t < 40000; ++t) by_arrival::step(lane, t, {{0.25f, 0.0f, 0.0f}});
    CHECK(lane.rating(by_arrival::slot_at(lane, 0)) == 10000.0f);
}

}  // namespace h2o_tests
