#include <msrnn/decide.hpp>

#include "policy/observed_attention.mirror.hpp"
#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/checked_by_formula.hpp"

namespace observed_attention_tests {

TEST_CASE("ObservedAttention rates and evicts as its formula says") { formula::check<msrnn::ObservedAttention>(); }

TEST_CASE("ObservedAttention divides by the tokens that came since, so an old token has no advantage") {
    msrnn::Lane<msrnn::ObservedAttention> lane(4);
    by_arrival::step(lane, 0, {{1.0f}});
    by_arrival::step(lane, 1, {{0.5f, 0.5f}});
    by_arrival::step(lane, 2, {{0.0f, 0.5f, 0.5f}});
    by_arrival::step(lane, 3, {{0.5f, 0.25f, 0.25f, 0.0f}});
    lane.rate();
    CHECK(lane.rating(by_arrival::slot_at(lane, 0)) == 0.5f);       // 2 of 4
    CHECK(lane.rating(by_arrival::slot_at(lane, 1)) == 1.25f / 3);  // of 3
    CHECK(lane.rating(by_arrival::slot_at(lane, 2)) == 0.375f);     // 0.75 of 2
    CHECK(lane.rating(by_arrival::slot_at(lane, 3)) == 0.0f);
}

}  // namespace observed_attention_tests
