#include <cmath>
#include <cstring>
#include <stdexcept>

#include "adapt/fed.hpp"
#include "support/assert_throws.hpp"
#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/simple_policies.hpp"

namespace moves_tests {

using namespace msrnn;

namespace {

/// The engine's rows in place, and what TensorRT-LLM demands of moves: ascending, and never beyond their source.
struct Rows {
    std::vector<std::int64_t> row;
    std::size_t sources = 0, targets = 0, calls = 0;

    void start() { sources = targets = calls = 0; }
    void operator()(RunMove run) {
        ++calls;
        REQUIRE(run.rows > 0);
        REQUIRE(run.to < run.from);
        REQUIRE(run.rows <= run.from - run.to);  // memcpy may do it
        REQUIRE(run.from >= sources);
        REQUIRE(run.to >= targets);
        sources = run.from + run.rows;
        targets = run.to + run.rows;
        std::memcpy(row.data() + run.to, row.data() + run.from, run.rows * sizeof(std::int64_t));
    }
};

}  // namespace

TEST_CASE("gaps are closed in place and in order: ascending moves that never overtake their sources") {
    std::size_t runs = 0, long_runs = 0;
    for (const AnyPolicy& policy : simple_policies())
        for (const std::size_t slack : {0u, 3u, 20u}) {
            CAPTURE(policy.name(), slack);
            Fed own = fed(policy, 16, slack), moved = fed(policy, 16, slack);
            Rows rows{std::vector<std::int64_t>(16 + slack + 1)};
            for (std::int64_t t = 0; t < 250; ++t) {
                own.lane.append(t);
                own.see(t);
                own.evict();
                rows.row.at(moved.lane.append(t)) = t;
                moved.see(t);
                moved.evict();
                const std::vector<std::int64_t> kept = by_arrival::kept(moved.lane);
                rows.start();
                close_gaps(moved.lane, [&](RunMove run) {
                    rows(run);
                    long_runs += run.rows > 1;
                });
                runs += rows.calls;
                REQUIRE(moved.lane.extent() == moved.lane.size());
                REQUIRE(std::vector(rows.row.begin(), rows.row.begin() + static_cast<std::ptrdiff_t>(kept.size())) ==
                        kept);
                for (const LaneToken token : moved.lane.tokens())
                    REQUIRE(rows.row[token.slot] == token.position.value());
                REQUIRE(kept == by_arrival::kept(own.lane));
                rows.start();
                close_gaps(moved.lane, [&](RunMove run) { rows(run); });
                REQUIRE(rows.calls == 0);
            }
        }
    CHECK(runs > 1000);
    CHECK(long_runs > 100);
}

TEST_CASE("runs are as long as one copy allows") {
    Lane<Window> lane(16);
    for (int t = 0; t < 10; ++t) lane.append(t);
    lane.evict(std::vector{Slot(1), Slot(2), Slot(3), Slot(8)});
    std::vector<RunMove> runs;
    close_gaps(lane, [&](RunMove run) { runs.push_back(run); });
    CHECK(runs == std::vector<RunMove>{{4, 1, 3}, {7, 4, 1}, {9, 5, 1}});
}

TEST_CASE("a copy that fails leaves the lane with the rows that were copied, and the rest can be moved again") {
    for (std::size_t fails = 0; fails < 3; ++fails) {
        Lane<Window> lane(16);
        std::vector<int> row(10);
        for (int t = 0; t < 10; ++t) row[lane.append(t)] = t;
        lane.evict(std::vector{Slot(1), Slot(2), Slot(3), Slot(8)});
        std::size_t calls = 0;
        const auto carry = [&](RunMove run) {
            if (calls++ == fails) throw std::runtime_error("no");
            for (std::size_t i = 0; i < run.rows; ++i) row[run.to + i] = row[run.from + i];
        };
        CHECK_THROWS_AS(close_gaps(lane, carry), std::runtime_error);
        for (const LaneToken token : lane.tokens()) CHECK(row[token.slot] == token.position.value());
        Lane<Window> fork = lane;
        for (int t = 10; t < 14; ++t) {  // the gaps are where they should be
            REQUIRE_FALSE(fork.live(fork.next()));
            REQUIRE(fork.append(t) < 10);
        }
        close_gaps(lane, carry);
        CHECK(by_arrival::kept(lane) == std::vector<std::int64_t>{0, 4, 5, 6, 7, 9});
        CHECK(lane.extent() == 6);
        for (const LaneToken token : lane.tokens()) CHECK(row[token.slot] == token.position.value());
    }
}

TEST_CASE("the newest token is known after its row has moved") {
    struct DropsTheNewest {
        Protection protection(std::size_t) const { return {}; }
        void rate(Ratings rating) const { rating[rating.newest] = -1; }
    };
    Lane<DropsTheNewest> lane({.budget = 4, .capacity = 16});
    for (int t = 0; t < 8; ++t) lane.append(t);
    lane.evict(std::vector{Slot(1), Slot(4)});
    close_gaps(lane, [](RunMove) {});
    const auto gone = lane.evict();
    REQUIRE(gone.size() == 2);
    CHECK(lane.position(gone[0]).value() == 7);
}

}  // namespace moves_tests
