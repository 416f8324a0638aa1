#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"

namespace window_tests {

using Positions = std::vector<std::int64_t>;

TEST_CASE("Window drops nothing before the budget is passed, then the oldest token at every step") {
    msrnn::Lane<msrnn::Window> lane(3);
    CHECK(by_arrival::step(lane, 0).empty());
    CHECK(by_arrival::step(lane, 1).empty());
    CHECK(by_arrival::step(lane, 2).empty());
    CHECK(by_arrival::step(lane, 3) == Positions{0});
    CHECK(by_arrival::step(lane, 4) == Positions{1});
    CHECK(by_arrival::step(lane, 5) == Positions{2});
    CHECK(by_arrival::kept(lane) == Positions{3, 4, 5});
}

TEST_CASE("Window goes by arrival, whatever the positions say") {
    msrnn::Lane<msrnn::Window> lane(3);
    for (const std::int64_t position : {100, 7, 7}) by_arrival::step(lane, position);
    CHECK(by_arrival::step(lane, -5) == Positions{100});
    CHECK(by_arrival::step(lane, 50) == Positions{7});
    CHECK(by_arrival::kept(lane) == Positions{7, -5, 50});
}

TEST_CASE("Window does not mind being shown weights") {
    msrnn::Lane<msrnn::Window> lane(2);
    by_arrival::step(lane, 0, {{1.0f}});
    by_arrival::step(lane, 1, {{0.9f, 0.1f}});
    CHECK(by_arrival::step(lane, 2, {{0.9f, 0.1f, 0.0f}}) == Positions{0});
}

TEST_CASE("Window with a budget of one keeps the newest token") {
    msrnn::Lane<msrnn::Window> lane(1);
    for (std::int64_t t = 0; t < 5; ++t) {
        by_arrival::step(lane, t);
        CHECK(by_arrival::kept(lane) == Positions{t});
    }
}

}  // namespace window_tests
