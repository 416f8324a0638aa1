#include <array>
#include <cmath>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "policy/caote.mirror.hpp"
#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/checked_by_formula.hpp"

namespace caote_tests {

using namespace msrnn;

TEST_CASE("CAOTE rates a token by how far the outputs move when it is dropped") { formula::check<Caote<>>(); }
TEST_CASE("fast CAOTE takes the mean of the values in place of the outputs") { formula::check<FastCaote<>>(); }
TEST_CASE("CAOTE with the ratings of another policy as weights") { formula::check<Caote<H2O>>(); }
TEST_CASE("fast CAOTE with the ratings of another policy as weights") { formula::check<FastCaote<H2O>>(); }

TEST_CASE("CAOTE evicts a token with much weight whose value is what the output is anyway") {
    Lane<Caote<>> lane({.budget = 3, .query_heads = 1, .head_dim = 1}, {.recent = 0});
    const std::array<float, 4> rows{1, 0, 2, 1};
    for (std::int64_t t = 0; t < 4; ++t) lane.append(t);
    const std::array<float, 4> weights{0.5f, 0.125f, 0.125f, 0.25f};
    const float out = 1;
    lane.observe(Attention{weights.data(), 1, 4, 4}, Outputs{&out, 1, 1});
    lane.rate(Values(rows.data(), 1, 1));
    CHECK(lane.rating(Slot(0)) == 0.0f);
    CHECK(std::abs(lane.rating(Slot(1)) - 1.0f / 7) < 1e-6f);
    CHECK(by_arrival::positions(lane, lane.evict_rated()) == std::vector<std::int64_t>{0});
}

TEST_CASE("CAOTE keeps a token that has all the weight") {
    Lane<Caote<>> lane({.budget = 1, .query_heads = 1, .head_dim = 1}, {.recent = 0});
    const std::array<float, 2> rows{5, 1}, weights{0.0f, 1.0f};
    lane.append(0), lane.append(1);
    const float out = 1.5f;
    lane.observe(Attention{weights.data(), 1, 2, 2}, Outputs{&out, 1, 1});
    CHECK(by_arrival::positions(lane, lane.evict(Values(rows.data(), 1, 1))) == std::vector<std::int64_t>{0});
}

TEST_CASE("CAOTE needs what it says, and its fast form no outputs") {
    CHECK(needs_of<Caote<>>() == Needs{.at_observe = Heads::bit | Outputs::bit, .at_choice = Values::bit});
    CHECK(needs_of<FastCaote<>>() == Needs{.at_observe = Heads::bit, .at_choice = Values::bit});
    CHECK(needs_of<Caote<KeyNorm>>() == Needs{.at_observe = Outputs::bit, .at_choice = Keys::bit | Values::bit});
    CHECK(needs_of<FastCaote<H2O>>() == Needs{.at_observe = Attention::bit, .at_choice = Values::bit});
    const Facts facts = facts_of(Caote<H2O>{}, {.query_heads = 3, .head_dim = 8, .value_dim = 5}, 10);
    CHECK(facts.memory == Memory{.columns = 1, .floats = 15});
    CHECK(facts.protection.recent == 5);
}

}  // namespace caote_tests
