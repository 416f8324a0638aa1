#include <cstddef>
#include <limits>
#include <msrnn/decide.hpp>
#include <string>

#include "support/catch.hpp"
#include "support/thrown_by.hpp"

namespace messages_tests {

using namespace msrnn;

TEST_CASE("settings that make no sense are refused in a sentence with the setting, its value and the remedy") {
    CHECK(problem(Tova{}, {}) == "msrnn: budget is 0; give at least 1 slot");
    CHECK(problem(SinkWindow{}, {.budget = 4}) ==
          "msrnn: budget 4 leaves no slot behind 4 sinks; give a larger budget or fewer sinks");
    CHECK(problem(H2O{.recent = 9}, {.budget = 8}) ==
          "msrnn: budget 8 is smaller than what is protected (sinks 0, recent 9, pinned 0); give a larger budget or "
          "protect less");
    CHECK(problem(Protect<H2O>{.extra = {.sinks = 5}}, {.budget = 8}) ==
          "msrnn: budget 8 is smaller than what is protected (sinks 5, recent 4, pinned 0); give a larger budget or "
          "protect less");
    CHECK(problem(Window{}, {.budget = 8, .capacity = 8}) ==
          "msrnn: capacity 8 does not exceed budget 8; a step needs one row more than the budget");
    CHECK(problem(Window{}, {.budget = unbounded}) ==
          "msrnn: capacity is 0 and the budget unbounded; give the number of rows that exist");
    CHECK(problem(DecayedAttention{.decay = -0.5f}, {.budget = 8}) ==
          "msrnn: decay is -0.5; it must lie between 0 and 1");
    CHECK_FALSE(problem(DecayedAttention{.decay = std::numeric_limits<float>::quiet_NaN()}, {.budget = 8}).empty());
    CHECK(thrown_by([] { Lane<Window, std::int8_t> lane(100); }) ==
          "msrnn: capacity 101 is more than the 63 rows a lane can number; give a smaller budget or capacity");
}

TEST_CASE("settings that make sense are accepted, equality included") {
    CHECK(problem(Tova{}, {.budget = 1}).empty());
    CHECK(problem(H2O{}, {.budget = 1}).empty());
    CHECK(problem(H2O{.recent = 8}, {.budget = 8}).empty());
    CHECK(problem(SinkWindow{.sinks = 4}, {.budget = 5}).empty());
    CHECK(problem(Window{}, {.budget = unbounded, .capacity = 3}).empty());
    CHECK(problem(Window{}, {.budget = 8, .capacity = 9}).empty());
}

TEST_CASE("the constructor throws the sentence of problem()") {
    CHECK(thrown_by([] { Lane<Tova> lane(0); }) == problem(Tova{}, {}));
    CHECK(thrown_by([] { Lane<SinkWindow> lane(3); }) == problem(SinkWindow{}, {.budget = 3}));
}

TEST_CASE("a refused budget changes nothing") {
    Lane<SinkWindow> lane({.budget = 6}, {.sinks = 2});
    for (int t = 0; t < 9; ++t) {
        lane.append(t);
        lane.evict();
    }
    CHECK(thrown_by([&] { lane.set_budget(2); }).find("2 sinks") != std::string::npos);
    CHECK(thrown_by([&] { lane.set_budget(7); }).find("capacity 7") != std::string::npos);
    CHECK(thrown_by([&] { lane.set_budget(0); }).find("budget is 0") != std::string::npos);
    CHECK(lane.budget() == 6);
    CHECK(lane.protection().sinks == 2);
    CHECK(lane.size() == 6);
}

TEST_CASE("pins count against the budget, and a budget below them is refused") {
    Lane<Window> lane(4);
    for (int t = 0; t < 4; ++t) lane.append(t);
    CHECK(lane.pin(Slot(0)));
    CHECK(lane.pin(Slot(1)));
    CHECK(lane.pin(Slot(2)));
    CHECK_FALSE(lane.pin(Slot(3)));  // recent 1 and four pins would fill the budget of 4
    CHECK(lane.pin(Slot(0)));        // it is pinned already
    CHECK(lane.problem(3, 5) ==
          "msrnn: budget 3 is smaller than what is protected (sinks 0, recent 1, pinned 3); give a larger budget or "
          "protect less");
    lane.unpin(Slot(1));
    CHECK(lane.pin(Slot(3)));
}

TEST_CASE("problem() says of too many rows what the constructor of a lane throws") {
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
    for (const Limits limits : {Limits{.budget = most - 1}, Limits{.budget = unbounded, .capacity = most},
                                Limits{.budget = 8, .capacity = most}, Limits{.budget = std::size_t{1} << 40}}) {
        CAPTURE(limits.budget, limits.capacity);
        CHECK(thrown_by([&] { Lane<Window> lane(limits); }) == problem(Window{}, limits));
    }
}

}  // namespace messages_tests
