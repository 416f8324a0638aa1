#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"

namespace sink_window_tests {

using Positions = std::vector<std::int64_t>;

TEST_CASE("SinkWindow keeps the first tokens for ever and otherwise drops the oldest") {
    msrnn::Lane<msrnn::SinkWindow> lane({.budget = 4}, {.sinks = 2});
    for (std::int64_t t = 0; t < 4; ++t) CHECK(by_arrival::step(lane, t).empty());
    CHECK(by_arrival::step(lane, 4) == Positions{2});
    CHECK(by_arrival::step(lane, 5) == Positions{3});
    CHECK(by_arrival::step(lane, 6) == Positions{4});
    CHECK(by_arrival::kept(lane) == Positions{0, 1, 5, 6});
}

TEST_CASE("SinkWindow keeps four sinks unless told otherwise") {
    msrnn::Lane<msrnn::SinkWindow> lane(6);
    for (std::int64_t t = 0; t < 100; ++t) by_arrival::step(lane, t);
    CHECK(by_arrival::kept(lane) == Positions{0, 1, 2, 3, 98, 99});
}

TEST_CASE("SinkWindow's sinks are the first tokens to arrive, not those of the lowest positions") {
    msrnn::Lane<msrnn::SinkWindow> lane({.budget = 3}, {.sinks = 1});
    for (const std::int64_t position : {500, 0, 1, 2, 3}) by_arrival::step(lane, position);
    CHECK(by_arrival::kept(lane) == Positions{500, 2, 3});
}

TEST_CASE("SinkWindow attends over sinks + recent + 1 rows, as the authors' perplexity script, not as SinkCache") {
    msrnn::Lane<msrnn::SinkWindow> lane({.budget = 5}, {.sinks = 2});
    for (std::int64_t t = 0; t < 20; ++t) {
        lane.append(t);
        if (t >= 5) CHECK(lane.size() == 6);
        lane.evict();
        if (t >= 5) CHECK(lane.size() == 5);
    }
}

TEST_CASE("SinkWindow keeps the positions of the text; the authors' code counts them anew in the cache") {
    msrnn::Lane<msrnn::SinkWindow> lane({.budget = 3}, {.sinks = 1});
    for (std::int64_t t = 0; t < 1000; ++t) by_arrival::step(lane, t);
    CHECK(by_arrival::kept(lane) == Positions{0, 998, 999});
}

TEST_CASE("SinkWindow without sinks is Window") {
    msrnn::Lane<msrnn::SinkWindow> without({.budget = 7}, {.sinks = 0});
    msrnn::Lane<msrnn::Window> window(7);
    for (std::int64_t t = 0; t < 200; ++t) REQUIRE(by_arrival::step(without, t) == by_arrival::step(window, t));
    CHECK(by_arrival::kept(without) == by_arrival::kept(window));
}

}  // namespace sink_window_tests
