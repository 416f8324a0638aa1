#include <cstddef>
#include <cstring>
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <vector>

#include "support/assert_throws.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/simple_policies.hpp"

namespace parts_tests {

using namespace msrnn;

namespace {

Attention rows_of(const std::vector<float>& weights, std::size_t first, std::size_t heads, std::size_t slots) {
    return {.weights = weights.data() + first * slots, .query_heads = heads, .slots = slots, .stride = slots};
}

template <class P>
std::vector<float> ratings(const P& policy, const std::vector<float>& weights, const std::vector<std::size_t>& split,
                           std::size_t slots) {
    Lane<P> lane({.budget = slots}, policy);
    for (std::size_t t = 0; t < slots; ++t) lane.append(t);
    Parts parts;
    for (int token = 0; token < 2; ++token) {  // the second one begins anew
        parts.start(slots);
        std::size_t head = 0;
        for (const std::size_t heads : split) {
            parts.add(rows_of(weights, head, heads, slots));
            head += heads;
        }
        if (token == 0) {
            lane.observe(parts.whole());
            lane.evict(Slot(0));
            lane.append(slots);
        }
    }
    lane.observe(parts.whole());
    return {lane.ratings().begin(), lane.ratings().end()};
}

}  // namespace

TEST_CASE("weights that are shown in parts rate as all at once, bit for bit, however they are split") {
    Random random{1};
    for (const std::size_t slots : {1u, 5u, 16u, 37u, 300u})
        for (const std::size_t heads : {1u, 3u, 4u, 8u}) {
            std::vector<float> weights(heads * slots);
            for (float& weight : weights) weight = random.unit();
            for (const AnyPolicy& policy : {AnyPolicy(Tova{}), AnyPolicy(H2O{}), AnyPolicy(DecayedAttention{})}) {
                CAPTURE(slots, heads, policy.name());
                Lane<AnyPolicy> once({.budget = slots}, policy);
                for (std::size_t t = 0; t < slots; ++t) once.append(t);
                once.observe(rows_of(weights, 0, heads, slots));
                once.evict(Slot(0));
                once.append(slots);
                once.observe(rows_of(weights, 0, heads, slots));
                for (int trial = 0; trial < 6; ++trial) {
                    std::vector<std::size_t> split;
                    for (std::size_t left = heads; left > 0; left -= split.back())
                        split.push_back(1 + random.below(left));
                    const auto rated = ratings(policy, weights, split, slots);
                    REQUIRE(std::memcmp(rated.data(), once.ratings().data(), slots * sizeof(float)) == 0);
                }
            }
        }
}

TEST_CASE("a part that is a sum counts the heads it stands for") {
    const std::vector<float> a{0.5f, 0.25f}, b{0.25f, 0.5f};
    Parts parts;
    parts.start(2);
    parts.add({.weights = a.data(), .query_heads = 3, .slots = 2, .stride = 2, .rows = 1});
    parts.add({.weights = b.data(), .query_heads = 1, .slots = 2, .stride = 2});
    std::vector<float> mean(2);
    parts.whole().mean_into(mean, 0);
    CHECK(mean == std::vector<float>{0.1875f, 0.1875f});
    CHECK(parts.whole().query_heads == 4);
    CHECK(parts.whole().rows == 1);
}

TEST_CASE("one token's weights are shown once: the second time is caught, for every policy") {
    for (const AnyPolicy& policy : simple_policies()) {
        Lane<AnyPolicy> lane({.budget = 8}, policy);
        const std::vector<float> weights(2, 0.5f);
        lane.append(0);
        lane.observe(std::span(weights).first(1));
        CHECK_THROWS_AS(lane.observe(std::span(weights).first(1)), msrnn_assertion_failed);
        lane.append(1);
        lane.observe(weights);
    }
}

TEST_CASE("the whole of no parts, which would be that of the token before, is caught") {
    const std::vector<float> weights(3, 0.25f);
    Parts parts;
    CHECK_THROWS_AS(parts.whole(), msrnn_assertion_failed);
    parts.start(3);
    parts.add(rows_of(weights, 0, 1, 3));
    CHECK(parts.whole().query_heads == 1);
    parts.start(3);
    CHECK_THROWS_AS(parts.whole(), msrnn_assertion_failed);
}

TEST_CASE("parts of other lengths are caught") {
    const std::vector<float> weights(4, 0.25f);
    Parts parts;
    parts.start(3);
    CHECK_THROWS_AS(parts.add(rows_of(weights, 0, 1, 4)), msrnn_assertion_failed);
    CHECK_THROWS_AS(parts.add({.weights = weights.data(), .query_heads = 0, .slots = 3, .stride = 3}),
                    msrnn_assertion_failed);
}

}  // namespace parts_tests
