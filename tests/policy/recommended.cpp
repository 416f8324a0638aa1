#include <cstddef>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <type_traits>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace recommended_tests {

TEST_CASE("RecommendedKeys protects three quarters of the budget, rounded down") {
    const auto recent = [](std::size_t budget) { return msrnn::RecommendedKeys{}.protection(budget).recent; };
    CHECK(recent(1) == 0);
    CHECK(recent(2) == 1);
    CHECK(recent(4) == 3);
    CHECK(recent(255) == 191);
    CHECK(recent(256) == 192);
    CHECK(recent(msrnn::unbounded) == msrnn::unbounded - msrnn::unbounded / 4 - 1);
}

TEST_CASE("RecommendedKeys decides as KeyDiff with that window") {
    constexpr std::size_t budget = 12, dim = 4;
    const msrnn::Limits limits{.budget = budget, .query_heads = 1, .head_dim = dim};
    msrnn::Lane<msrnn::RecommendedKeys> lane(limits);
    msrnn::Lane<msrnn::KeyDiff> same(limits, {.recent = 9});
    Random random{5};
    std::vector<float> keys((budget + 1) * dim);
    for (std::int64_t t = 0; t < 200; ++t) {
        const msrnn::Slot slot = lane.append(t);
        REQUIRE(same.append(t) == slot);
        for (std::size_t d = 0; d < dim; ++d) keys[slot * dim + d] = random.unit() - 0.5f;
        const msrnn::Keys shown(keys.data(), dim, dim);
        REQUIRE(by_arrival::positions(lane, lane.evict(shown)) == by_arrival::positions(same, same.evict(shown)));
    }
}

TEST_CASE("Recommended is Islands") { CHECK(std::is_same_v<msrnn::Recommended, msrnn::Islands>); }

}  // namespace recommended_tests
