#include <msrnn/decide.hpp>
#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace moved_from_tests {

using namespace msrnn;

namespace {
/// Counts the choices of its lane.
struct CountsChoices {
    Memory memory(Shape) const { return {.columns = 0, .floats = 3}; }
    void rate(Ratings rating) const { ++rating.floats[2]; }
};
}  // namespace

TEST_CASE("a lane that was moved from has the floats of its policy again, and its first step can be undone") {
    Lane<CountsChoices> lane(2);
    Lane<CountsChoices> taken = std::move(lane);
    const LaneCheckpoint empty = lane.checkpoint();
    lane.append(0);
    lane.rate();
    lane.evict_rated();
    CHECK(lane.floats()[2] == 1);
    lane.restore(empty);
    CHECK(lane.size() == 0);
    CHECK(taken.floats()[2] == 0);
    CHECK(lane.floats()[2] == 0);
}

TEST_CASE("the record of a lane that was moved from is one that a lane can go on from") {
    Lane<CountsChoices> lane(2), fresh(2);
    const Lane<CountsChoices> taken = std::move(lane);
    const LaneRecord record = lane.record();
    CHECK(fresh.problem(record, fresh.capacity()).empty());
    CHECK_NOTHROW(fresh.restore(record));
}

TEST_CASE("a choice among no tokens asks no policy") {
    Lane<CountsChoices> lane(2);
    const Lane<CountsChoices> taken = std::move(lane);
    lane.rate();
    CHECK(lane.evict_rated().empty());
    CHECK(lane.size() == 0);
}

TEST_CASE("a lane that was moved from in a prompt is in no prompt") {
    Lane<Tova> lane(4);
    lane.prompt(10);
    lane.append(0);
    REQUIRE_FALSE(lane.observes());
    Lane<Tova> taken(std::move(lane)), assigned(4);
    assigned = std::move(taken);
    CHECK_FALSE(assigned.observes());
    for (auto* empty : {&lane, &taken}) {
        empty->append(0);
        CHECK(empty->observes());
    }
}

TEST_CASE("a lane that was moved into itself is empty and may be used") {
    Lane<Tova> lane(4), fresh(4);
    const auto token = [](Lane<Tova>& to, int position) {
        to.append(position);
        to.observe(std::vector<float>(to.extent(), 0.1f));
        to.evict();
    };
    for (int t = 0; t < 9; ++t) token(lane, t);
    Lane<Tova>& self = lane;
    lane = std::move(self);
    CHECK(lane.size() == 0);
    CHECK(lane.extent() == 0);
    CHECK(lane.victims().empty());
    CHECK(lane.seen() == 0);
    for (int t = 0; t < 9; ++t) token(lane, t), token(fresh, t);
    REQUIRE(lane.size() == fresh.size());
    for (const LaneToken a : lane.tokens()) CHECK(fresh.position(a.slot) == a.position);
}

}  // namespace moved_from_tests
