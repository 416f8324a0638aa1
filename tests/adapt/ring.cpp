#include <cmath>
#include <set>

#include "adapt/fed.hpp"
#include "support/assert_throws.hpp"
#include "support/catch.hpp"

namespace ring_tests {

using namespace msrnn;

namespace {

std::vector<std::size_t> rows_of(const RingRuns& runs, std::size_t ring) {
    std::vector<std::size_t> rows;
    REQUIRE(runs.count <= 2);
    for (std::size_t i = 0; i < runs.count; ++i) {
        REQUIRE(runs.run[i].rows > 0);
        REQUIRE(runs.run[i].start + runs.run[i].rows <= ring);  // no run wraps
        for (std::size_t row = 0; row < runs.run[i].rows; ++row) rows.push_back(runs.run[i].start + row);
    }
    return rows;
}

}  // namespace

// The engine's ring by hand: it writes tokens to rows, and every query must find the tokens of its window there.
TEST_CASE("every query of a step finds its window in the runs that are read, oldest first") {
    Random random{3};
    for (const std::size_t window : {1u, 2u, 5u, 8u})
        for (const std::size_t written : {1u, 2u, 3u, 8u}) {
            CAPTURE(window, written);
            const Ring ring(window, written);
            CHECK(ring.rows() == window + written - 1);
            std::vector<std::int64_t> row(ring.rows(), -1);
            for (std::int64_t at = 0; at < 100;) {
                const std::size_t tokens = 1 + random.below(written);
                const auto write = rows_of(ring.write(at, tokens), ring.rows());
                REQUIRE(write.size() == tokens);
                for (std::size_t i = 0; i < tokens; ++i) {
                    row[write[i]] = at + static_cast<std::int64_t>(i);
                    REQUIRE(ring.slot(at + static_cast<std::int64_t>(i)) == write[i]);
                }
                std::vector<std::int64_t> read, wanted;
                for (const std::size_t at_row : rows_of(ring.read(at, tokens), ring.rows()))
                    read.push_back(row[at_row]);
                const auto first = std::max(std::int64_t{0}, at - static_cast<std::int64_t>(window) + 1);
                for (std::int64_t seen = first; seen < at + static_cast<std::int64_t>(tokens); ++seen)
                    wanted.push_back(seen);
                REQUIRE(read == wanted);
                REQUIRE(ring.first_read(at).value() == first);
                at += static_cast<std::int64_t>(tokens);
            }
        }
}

TEST_CASE("a lane of budget window - 1 keeps what the next query of the ring reads") {
    for (const std::size_t window : {2u, 3u, 9u})
        for (const bool assigned : {true, false}) {
            CAPTURE(window, assigned);
            const Ring ring(window);
            Lane<Window> lane(window - 1);
            CHECK(ring.lane_runs(lane).count == 0);
            for (std::int64_t t = 0; t < 50; ++t) {
                if (assigned)
                    lane.append(t, ring.slot(t));
                else
                    REQUIRE(lane.append(t) == ring.slot(t));
                lane.observe(std::vector<float>(lane.extent(), 1.0f));
                lane.evict();
                auto kept = rows_of(ring.lane_runs(lane), ring.rows());
                kept.push_back(ring.slot(t + 1));
                REQUIRE(kept == rows_of(ring.read(t + 1, 1), ring.rows()));
            }
        }
}

TEST_CASE("a lane that is no ring, a step that is too long and a window of nothing are refused") {
    const Ring ring(5);
    Lane<SinkWindow> sinks(4, SinkWindow{.sinks = 1});
    for (int t = 0; t < 8; ++t) {
        sinks.append(t);
        sinks.observe(std::vector<float>(sinks.extent(), 1.0f));
        sinks.evict();
    }
    CHECK_THROWS_AS(ring.lane_runs(sinks), msrnn_assertion_failed);
    CHECK_THROWS_AS(ring.write(3, 2), msrnn_assertion_failed);
    CHECK_THROWS_AS(Ring(0), std::invalid_argument);
    CHECK_THROWS_AS(Ring(4, 0), std::invalid_argument);
}

}  // namespace ring_tests
