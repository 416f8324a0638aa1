#include <cmath>
#include <cstddef>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "policy/decayed_attention.mirror.hpp"
#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/checked_by_formula.hpp"
#include "support/random.hpp"

namespace decayed_attention_tests {

using Positions = std::vector<std::int64_t>;

namespace {

/// Both lanes through the same steps: whether they drop the same token every time.
template <class P>
bool decide_alike(msrnn::Lane<msrnn::DecayedAttention> decayed, msrnn::Lane<P> other, std::size_t query_heads) {
    Random random{query_heads};
    for (std::int64_t t = 0; t < 1000; ++t) {
        decayed.append(t);
        other.append(t);
        std::vector<std::vector<float>> rows(query_heads, std::vector<float>(decayed.size()));
        for (auto& row : rows)  // thirds of the coarse weights are exact, halves and quarters of the others
            for (float& weight : row)
                weight = query_heads == 3 ? static_cast<float>(3 * random.below(300)) * 0x1p-10f : random.unit();
        by_arrival::observe(decayed, rows);
        by_arrival::observe(other, rows);
        if (by_arrival::positions(decayed, decayed.evict()) != by_arrival::positions(other, other.evict()))
            return false;
    }
    return decayed.evictions() > 900;
}

}  // namespace

TEST_CASE("DecayedAttention forgets at its rate and adds the mean over query heads") {
    msrnn::Lane<msrnn::DecayedAttention> lane({.budget = 2}, {.decay = 0.5f, .recent = 1});
    by_arrival::step(lane, 0, {{1.0f}, {1.0f}});
    by_arrival::step(lane, 1, {{0.5f, 0.5f}, {0.25f, 0.75f}});
    CHECK(lane.rating(by_arrival::slot_at(lane, 0)) == 0.875f);  // 0.5 * 1 + 0.375
    CHECK(lane.rating(by_arrival::slot_at(lane, 1)) == 0.625f);
    // .6875 .4375 | .625
    CHECK(by_arrival::step(lane, 2, {{0.25f, 0.0f, 0.75f}, {0.25f, 0.25f, 0.5f}}) == Positions{1});
    // .84375 .5625 | .25
    CHECK(by_arrival::step(lane, 3, {{0.5f, 0.25f, 0.25f}, {0.5f, 0.25f, 0.25f}}) == Positions{2});
}

TEST_CASE(
    "DecayedAttention decays at 0.9, protects half the budget and decides for each KV head unless told otherwise") {
    CHECK(msrnn::DecayedAttention{}.decay == 0.9f);
    CHECK(msrnn::Lane<msrnn::DecayedAttention>(9).protection().recent == 4);
    CHECK(msrnn::Lane<msrnn::DecayedAttention>(9).protection().sinks == 0);
    CHECK(msrnn::scope_of(msrnn::DecayedAttention{}) == msrnn::Scope::kv_head);
}

TEST_CASE("DecayedAttention at decay 0 and without its window decides exactly as Tova") {
    for (const std::size_t query_heads : {1u, 2u, 3u, 4u}) {
        INFO(query_heads << " query heads");
        CHECK(decide_alike(msrnn::Lane<msrnn::DecayedAttention>({.budget = 12}, {.decay = 0.0f, .recent = 0}),
                           msrnn::Lane<msrnn::Tova>(12), query_heads));
    }
}

TEST_CASE("DecayedAttention at decay 1 decides exactly as H2O") {
    for (const std::size_t query_heads : {1u, 2u, 3u, 4u}) {
        INFO(query_heads << " query heads");
        CHECK(decide_alike(msrnn::Lane<msrnn::DecayedAttention>({.budget = 12}, {.decay = 1.0f}),
                           msrnn::Lane<msrnn::H2O>(12), query_heads));
        CHECK(decide_alike(msrnn::Lane<msrnn::DecayedAttention>({.budget = 12}, {.decay = 1.0f, .recent = 0}),
                           msrnn::Lane<msrnn::H2O>({.budget = 12}, {.recent = 0}), query_heads));
    }
}

TEST_CASE("DecayedAttention between the limits is neither Tova nor H2O") {
    CHECK_FALSE(decide_alike(msrnn::Lane<msrnn::DecayedAttention>({.budget = 12}, {.decay = 0.5f, .recent = 0}),
                             msrnn::Lane<msrnn::Tova>(12), 1));
    CHECK_FALSE(decide_alike(msrnn::Lane<msrnn::DecayedAttention>({.budget = 12}, {.decay = 0.5f}),
                             msrnn::Lane<msrnn::H2O>(12), 1));
}

TEST_CASE("DecayedAttention does not freeze: over 1000 random steps new tokens are kept and old ones are evicted") {
    Random random{4};
    msrnn::Lane<msrnn::DecayedAttention> lane(16);
    for (std::int64_t t = 0; t < 1000; ++t) {
        lane.append(t);
        std::vector<float> row(lane.size());
        for (float& weight : row) weight = random.one_in(8) ? random.unit() : 0.0f;
        by_arrival::observe(lane, {row});
        for (const auto victim : by_arrival::positions(lane, lane.evict())) REQUIRE(victim <= t - 8);
        REQUIRE(by_arrival::kept(lane).back() == t);
        if (t >= 200) REQUIRE(by_arrival::kept(lane).front() > t - 200);
    }
}

TEST_CASE("DecayedAttention by a half-life rates and evicts as its formula says") {
    formula::check<msrnn::DecayedAttention>();
}

TEST_CASE("a half-life is a share of the budget: after so many queries a weight counts half") {
    msrnn::Lane<msrnn::DecayedAttention> lane({.budget = 8, .capacity = 17}, {.half_life = 0.5f});
    by_arrival::step(lane, 0, {{1.0f}});
    for (std::int64_t t = 1; t <= 4; ++t)
        by_arrival::step(lane, t, {std::vector<float>(static_cast<std::size_t>(t) + 1)});
    CHECK(std::abs(lane.rating(msrnn::Slot(0)) - 0.5f) < 1e-6f);
    lane.set_budget(16);
    for (std::int64_t t = 5; t <= 12; ++t)
        by_arrival::step(lane, t, {std::vector<float>(static_cast<std::size_t>(t) + 1)});
    CHECK(std::abs(lane.rating(msrnn::Slot(0)) - 0.25f) < 1e-6f);
}

TEST_CASE("a half-life in a lane without bound forgets nothing") {
    const msrnn::DecayedAttention policy{.half_life = 0.25f};
    CHECK(policy.decay_at(msrnn::unbounded) == 1.0f);
    CHECK(policy.decay_at(4) == 0.5f);
    CHECK(msrnn::DecayedAttention{.half_life = -1}.problem() ==
          "half_life is -1; it must be a share of the budget, 0 or more, such as 0.25");
}

}  // namespace decayed_attention_tests
