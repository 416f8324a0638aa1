#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <msrnn/budget/above.hpp>
#include <msrnn/budget/chunks.hpp>
#include <msrnn/budget/lazy_layers.hpp>
#include <msrnn/budget/together.hpp>
#include <span>
#include <vector>

#include "budget/marked_lanes.hpp"
#include "support/assert_throws.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/thrown_by.hpp"

namespace selections_tests {

using namespace msrnn;
using marked::Marks;

namespace {

/// The slots of a lane's tokens by arrival.
std::map<Arrival, Slot> by_arrival_of(const Lane<Marks>& lane) {
    std::map<Arrival, Slot> slots;
    for (const LaneToken token : lane.tokens()) slots.emplace(token.arrival, token.slot);
    return slots;
}
std::vector<Arrival> arrivals_of(const Lane<Marks>& lane) {
    std::vector<Arrival> arrivals;
    for (const auto& [arrival, slot] : by_arrival_of(lane)) arrivals.push_back(arrival);
    return arrivals;
}

}  // namespace

TEST_CASE("together evicts the token with the lowest sum again and again, from every lane") {
    Random random{21};
    for (int round = 0; round < 100; ++round) {
        marked::Lanes made = marked::lanes(
            {.lanes = 1 + random.below(4), .tokens = 40, .alike = true, .held = {random.below(3), random.below(4)}},
            random);
        const std::size_t budget = 8 + random.below(60);
        std::map<Arrival, Slot> left = by_arrival_of(made.each[0]);
        const auto candidate = [&](Slot slot) { return made.each[0].candidate(slot); };
        while (left.size() > budget) {
            auto lowest = left.end();
            double least = HUGE_VAL;
            for (auto token = left.begin(); token != left.end(); ++token) {
                double sum = 0;
                for (const Lane<Marks>& lane : made.each) sum += static_cast<double>(lane.rating(token->second));
                if (candidate(token->second) && sum < least) least = sum, lowest = token;
            }
            left.erase(lowest);
        }
        for (Lane<Marks>& lane : made.each) lane.set_budget(budget);
        budget::together(made.each);
        std::vector<Arrival> expected;
        for (const auto& [arrival, slot] : left) expected.push_back(arrival);
        for (Lane<Marks>& lane : made.each) {
            REQUIRE(arrivals_of(lane) == expected);
            lane.evict_rated();
            REQUIRE(arrivals_of(lane) == expected);
        }
    }
}

TEST_CASE("a token that one lane has pinned stays in all lanes that decide together") {
    Random random{22};
    marked::Lanes made = marked::lanes({.lanes = 3, .tokens = 40, .alike = true}, random);
    const Slot slot = (*made.each[0].tokens().begin()).slot;
    for (Lane<Marks>& lane : made.each) lane.set_budget(2);
    REQUIRE(made.each[1].pin(slot));
    budget::together(made.each);
    for (const Lane<Marks>& lane : made.each) CHECK(lane.live(slot));
    made.each[2].evict(slot);
    CHECK_THROWS_AS(budget::together(made.each), msrnn_assertion_failed);
}

TEST_CASE("chunks keeps the runs with the highest mean and evicts the others whole") {
    Random random{23};
    for (int round = 0; round < 100; ++round) {
        marked::Lanes made = marked::lanes({.lanes = 1 + random.below(4),
                                            .tokens = 20 + random.below(40),
                                            .alike = true,
                                            .held = {random.below(3), random.below(4)}},
                                           random);
        const std::size_t chunk = 1 + random.below(12);
        const double share = static_cast<double>(1 + random.below(8)) / 8;
        double filler = -HUGE_VAL;
        for (const Lane<Marks>& lane : made.each)
            for (const LaneToken token : lane.tokens())
                if (lane.candidate(token.slot)) filler = std::max(filler, static_cast<double>(token.rating) + 1);
        struct Run {
            double score = 0;
            std::vector<Arrival> tokens = {};
        };
        std::vector<Run> runs;
        for (const auto& [arrival, slot] : by_arrival_of(made.each[0])) {
            if (runs.empty() || runs.back().tokens.size() == chunk) runs.emplace_back();
            runs.back().tokens.push_back(arrival);
            for (const Lane<Marks>& lane : made.each)
                runs.back().score += lane.candidate(slot) ? static_cast<double>(lane.rating(slot)) : filler;
        }
        for (Run& run : runs) run.score /= static_cast<double>(run.tokens.size());
        std::stable_sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.score < b.score; });
        const auto keep = std::max<std::size_t>(1, static_cast<std::size_t>(static_cast<double>(runs.size()) * share));
        std::vector<Arrival> expected;
        for (std::size_t i = runs.size() - keep; i < runs.size(); ++i)
            expected.insert(expected.end(), runs[i].tokens.begin(), runs[i].tokens.end());
        std::sort(expected.begin(), expected.end());
        budget::chunks(made.each, chunk, share);
        for (const Lane<Marks>& lane : made.each) REQUIRE(arrivals_of(lane) == expected);
    }
}

TEST_CASE("fewer tokens than a run: each lane keeps its own best") {
    Random random{24};
    marked::Lanes made = marked::lanes({.lanes = 2, .tokens = 10, .alike = true}, random);
    const std::size_t tokens = made.each[0].size();
    budget::chunks(made.each, 20, 0.5);
    for (Lane<Marks>& lane : made.each) {
        CHECK(lane.budget() == tokens / 2);
        lane.evict_rated();
        CHECK(lane.size() == tokens / 2);
    }
    CHECK(thrown_by([&] { budget::chunks(made.each, 0, 0.5); }).find("chunk is 0") != std::string::npos);
    CHECK(thrown_by([&] { budget::chunks(made.each, 4, 2); }).find("share is 2") != std::string::npos);
}

TEST_CASE("above keeps as many tokens as rate at least the threshold, and what is protected") {
    Random random{25};
    for (int round = 0; round < 100; ++round) {
        marked::Lanes made = marked::lanes({.held = {random.below(3), random.below(4)}}, random);
        const float threshold = static_cast<float>(random.below(44)) / 8;
        std::vector<std::vector<Arrival>> expected;
        for (const Lane<Marks>& lane : made.each) {
            expected.emplace_back();
            for (const auto& [arrival, slot] : by_arrival_of(lane))
                if (!(lane.candidate(slot) && lane.rating(slot) < threshold)) expected.back().push_back(arrival);
        }
        budget::above(made.each, threshold);
        for (std::size_t i = 0; i < made.each.size(); ++i) {
            made.each[i].evict_rated();
            const std::size_t sinks = made.each[i].protection().sinks;
            if (expected[i].size() <= sinks)  // a slot behind them is the least
                REQUIRE(made.each[i].size() == sinks + 1);
            else
                REQUIRE(arrivals_of(made.each[i]) == expected[i]);
        }
    }
}

TEST_CASE("lazy_layers lowers the budgets of layers that look at sinks and recent tokens only") {
    Random random{26};
    std::size_t lazy = 0;
    for (int round = 0; round < 100; ++round) {
        marked::Lanes made = marked::lanes({.lanes = 4, .held = {1 + random.below(3), 1 + random.below(4)}}, random);
        std::vector<std::size_t> expected;
        const float threshold = static_cast<float>(random.below(100)) / 4;
        for (std::size_t layer = 0; layer < 2; ++layer) {
            double mass = 0;
            std::size_t held[2] = {};
            for (std::size_t head = 0; head < 2; ++head)
                for (const LaneToken token : made.each[2 * layer + head].tokens())
                    if (!made.each[2 * layer + head].candidate(token.slot))
                        mass += static_cast<double>(token.rating), ++held[head];
            for (const std::size_t count : held)
                expected.push_back(mass / 2 > static_cast<double>(threshold) ? count : 250);
            lazy += mass / 2 > static_cast<double>(threshold);
        }
        budget::lazy_layers(made.each, threshold);
        for (std::size_t i = 0; i < 4; ++i) REQUIRE(made.each[i].budget() == expected[i]);
    }
    CHECK(lazy > 20);
    CHECK(lazy < 180);
}

}  // namespace selections_tests
