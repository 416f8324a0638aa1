#include <cstddef>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <type_traits>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace recommended_tests {

using namespace msrnn;

TEST_CASE("RecommendedKeys protects four sinks and three quarters of what they leave, rounded down") {
    const auto held = [](std::size_t budget) { return RecommendedKeys{}.protection(budget); };
    CHECK(held(8).sinks == 4);
    CHECK(held(8).recent == 3);
    CHECK(held(12).recent == 6);
    CHECK(held(255).recent == 188);
    CHECK(held(256).recent == 189);
    CHECK(held(unbounded).recent == (unbounded - 4) / 4 * 3 + 2);
    CHECK(RecommendedKeys{.sinks = 0}.protection(256).recent == 192);
}

TEST_CASE("RecommendedKeys never drops the newest token") {
    for (const std::size_t budget : {5u, 6u}) CHECK(RecommendedKeys{}.protection(budget).recent == 1);
    CHECK(RecommendedKeys{.sinks = 0}.protection(1).recent == 1);
}

TEST_CASE("RecommendedKeys wants one slot more than its sinks") {
    const auto problem = [](std::size_t budget, RecommendedKeys policy) {
        return msrnn::problem(policy, Limits{.budget = budget, .query_heads = 1, .head_dim = 4});
    };
    CHECK(problem(5, {}).empty());
    CHECK(problem(1, {.sinks = 0}).empty());
    CHECK(problem(4, {}) == "msrnn: budget 4 leaves no slot behind 4 sinks; give a larger budget or fewer sinks");
    CHECK(!problem(3, {}).empty());
    CHECK(!problem(8, {.sinks = unbounded}).empty());
}

TEST_CASE("RecommendedKeys decides as KeyDiff with those sinks and that window") {
    constexpr std::size_t budget = 12, dim = 4;
    const Limits limits{.budget = budget, .query_heads = 1, .head_dim = dim};
    Lane<RecommendedKeys> lane(limits);
    Lane<Protect<KeyDiff>> same(limits, {.policy = {.recent = 6}, .extra = {.sinks = 4}});
    Random random{5};
    std::vector<float> keys((budget + 1) * dim);
    for (std::int64_t t = 0; t < 200; ++t) {
        const Slot slot = lane.append(t);
        REQUIRE(same.append(t) == slot);
        for (std::size_t d = 0; d < dim; ++d) keys[slot * dim + d] = random.unit() - 0.5f;
        const Keys shown(keys.data(), dim, dim);
        REQUIRE(by_arrival::positions(lane, lane.evict(shown)) == by_arrival::positions(same, same.evict(shown)));
    }
}

TEST_CASE("RecommendedKeys keeps the first tokens where their keys point with all others") {
    Lane<RecommendedKeys> lane({.budget = 8, .query_heads = 1, .head_dim = 2});
    std::vector<float> keys;
    for (std::size_t slot = 0; slot < 9; ++slot) keys.insert(keys.end(), {1, 0});
    for (std::int64_t t = 0; t < 30; ++t) {
        lane.append(t);
        lane.evict(Keys(keys.data(), 2, 2));
    }
    CHECK(by_arrival::kept(lane) == std::vector<std::int64_t>{0, 1, 2, 3, 26, 27, 28, 29});
}

TEST_CASE("Recommended is Islands") { CHECK(std::is_same_v<Recommended, Islands>); }

}  // namespace recommended_tests
