#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "policy/scissorhands.mirror.hpp"
#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/checked_by_formula.hpp"

namespace scissorhands_tests {

using msrnn::Scissorhands;
using Positions = std::vector<std::int64_t>;

TEST_CASE("Scissorhands rates and evicts as its formula says") { formula::check<Scissorhands>(); }

TEST_CASE("Scissorhands adds up a prompt, and forgets it while it generates") {
    msrnn::Lane<Scissorhands> lane({.budget = 2}, {.recent = 1, .decay = 0.25f});
    lane.prompt(2);
    by_arrival::step(lane, 0, {{1.0f}});
    by_arrival::step(lane, 1, {{0.5f, 0.5f}});
    CHECK(lane.rating(by_arrival::slot_at(lane, 0)) == 1.5f);
    lane.append(2);
    by_arrival::observe(lane, {{0.25f, 0.5f, 0.25f}});
    CHECK(lane.rating(by_arrival::slot_at(lane, 0)) == 0.625f);
    CHECK(lane.rating(by_arrival::slot_at(lane, 1)) == 0.625f);
    CHECK(by_arrival::positions(lane, lane.evict()) == Positions{0});
}

TEST_CASE("Scissorhands by counts: each query that gave less than an even share counts one against a token") {
    msrnn::Lane<Scissorhands> lane({.budget = 4}, {.recent = 0, .counts = true});
    by_arrival::step(lane, 0, {{1.0f}});
    by_arrival::step(lane, 1, {{0.75f, 0.25f}});
    by_arrival::step(lane, 2, {{0.125f, 0.5f, 0.375f}});
    by_arrival::step(lane, 3, {{0.25f, 0.125f, 0.375f, 0.25f}});
    CHECK(lane.rating(by_arrival::slot_at(lane, 0)) == -1.0f);
    CHECK(lane.rating(by_arrival::slot_at(lane, 1)) == -2.0f);
    CHECK(lane.rating(by_arrival::slot_at(lane, 2)) == 0.0f);
    CHECK(lane.rating(by_arrival::slot_at(lane, 3)) == 0.0f);
}

TEST_CASE("Scissorhands says what is wrong with its settings") {
    CHECK(Scissorhands{.decay = 1.5f}.problem() == "decay is 1.5; it must lie between 0 and 1");
    CHECK(Scissorhands{.history = 0}.problem() ==
          "history is 0; Scissorhands rates by at least one query, so give 1 or more");
    CHECK(Scissorhands{}.problem().empty());
}

}  // namespace scissorhands_tests
