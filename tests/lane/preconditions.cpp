#include <limits>
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <vector>

#include "support/catch.hpp"

namespace preconditions_tests {

using namespace msrnn;

namespace {
template <class P>
Lane<P> full_lane(std::size_t budget, P policy = {}) {
    Lane<P> lane({.budget = budget}, policy);
    for (std::size_t t = 0; t <= budget; ++t) lane.append(t);
    return lane;
}
const float one = 1;
const Keys key(&one, 0, 1);
const Values value(&one, 0, 1);
}  // namespace

TEST_CASE("appending beyond the capacity is caught") {
    Lane<Window> lane = full_lane<Window>(3);
    CHECK_THROWS_AS(lane.append(4), msrnn_assertion_failed);
    lane.evict();
    CHECK_NOTHROW(lane.append(4));
}

TEST_CASE("dropping before the policy was shown what it reads is caught") {
    Lane<Tova> tova = full_lane<Tova>(3);
    CHECK_THROWS_AS(tova.evict(), msrnn_assertion_failed);
    tova.observe(std::vector<float>(4, 0.25f));
    CHECK_NOTHROW(tova.evict());
    tova.append(9);
    CHECK_THROWS_AS(tova.evict(), msrnn_assertion_failed);

    Lane<AnyPolicy> norm = full_lane<AnyPolicy>(4, KeyNorm{});
    CHECK_THROWS_AS(norm.evict(), msrnn_assertion_failed);
    CHECK_THROWS_AS(norm.evict(value), msrnn_assertion_failed);
    CHECK_NOTHROW(norm.evict(key));

    Lane<AnyPolicy> blind = full_lane<AnyPolicy>(4, H2O{});
    CHECK_THROWS_AS(blind.observe(key), msrnn_assertion_failed);
}

TEST_CASE("showing a policy what it does not read is harmless") {
    Lane<SinkWindow> lane = full_lane<SinkWindow>(5);
    const std::vector<float> weights(6, 1.0f);
    lane.observe(Attention{.weights = weights.data(), .query_heads = 1, .slots = 6, .stride = 6}, key, value);
    REQUIRE(lane.evict(key, value).size() == 1);
    CHECK(lane.position(lane.victims()[0]).value() == 4);
}

TEST_CASE("weights of the wrong width are caught") {
    Lane<Tova> lane = full_lane<Tova>(3);
    const std::vector<float> weights(12, 0.1f);
    CHECK_THROWS_AS(lane.observe(std::span(weights).first(7)), msrnn_assertion_failed);
    CHECK_THROWS_AS(lane.observe(weights.data(), 0, 4), msrnn_assertion_failed);
    CHECK_THROWS_AS(lane.observe(weights.data(), 2, 3), msrnn_assertion_failed);
    CHECK_THROWS_AS(lane.observe(Attention{.weights = weights.data(), .query_heads = 1, .slots = 3, .stride = 3}),
                    msrnn_assertion_failed);
    CHECK_NOTHROW(lane.observe(weights.data(), 3, 4));
}

TEST_CASE("a NaN rating of a candidate is caught before it decides") {
    Lane<Tova> lane = full_lane<Tova>(3);
    std::vector<float> weights(4, 0.25f);
    weights[2] = std::numeric_limits<float>::quiet_NaN();
    lane.observe(weights);
    CHECK_THROWS_AS(lane.evict(), msrnn_assertion_failed);
    CHECK(lane.size() == 4);
}

TEST_CASE("naming a slot that holds no token is caught") {
    Lane<Window> lane = full_lane<Window>(3);
    const Slot victim = lane.evict()[0];
    CHECK_THROWS_AS(lane.evict(victim), msrnn_assertion_failed);
    CHECK_THROWS_AS(lane.evict(Slot(17)), msrnn_assertion_failed);
    CHECK_THROWS_AS(lane.evict(std::vector<Slot>{victim}), msrnn_assertion_failed);
    CHECK_THROWS_AS((void)lane.pin(victim), msrnn_assertion_failed);
    CHECK_FALSE(lane.live(victim));
    CHECK_FALSE(lane.live(Slot(17)));
    CHECK_FALSE(lane.candidate(Slot(17)));
    const Slot other((victim + 1) % 4);
    CHECK_THROWS_AS(lane.evict(std::vector<Slot>{other, other}), msrnn_assertion_failed);
}

}  // namespace preconditions_tests
