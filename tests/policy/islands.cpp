#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <msrnn/decide.hpp>
#include <span>
#include <string>
#include <vector>

#include "policy/islands.mirror.hpp"
#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace islands_tests {

using msrnn::Islands;
using msrnn::IslandsByWeights;
using Lane = msrnn::Lane<IslandsByWeights>;
using Floats = std::vector<float>;
using Positions = std::vector<std::int64_t>;

namespace {

/// The ratings of the live tokens, the oldest first, once this query is shown.
Floats rated(Lane& lane, const Floats& weights) {
    by_arrival::observe(lane, {weights});
    lane.rate();
    Floats ratings;
    for (const msrnn::Slot slot : by_arrival::slots(lane)) ratings.push_back(lane.rating(slot));
    lane.evict_rated();
    return ratings;
}
/// A lane that holds so many tokens, of which nothing was shown.
Lane of_tokens(std::size_t tokens, const IslandsByWeights& policy) {
    Lane lane({.budget = tokens, .capacity = tokens + 8}, policy);
    for (std::size_t t = 0; t < tokens; ++t) lane.append(t);
    return lane;
}

}  // namespace

TEST_CASE("Islands lends what the newest query looks at to those that follow it, but for the first token") {
    Lane lane = of_tokens(5, {.reach = 2});
    CHECK(rated(lane, {0.5f, 0.125f, 0.25f, 0, 0.0625f}) == Floats{0.5f, 0.125f, 0.25f, 0.25f, 0.25f});
}

TEST_CASE("Islands forgets by the number of tokens, and lends half of what it remembers") {
    Lane lane = of_tokens(3, {.recent = 0, .reach = 2});
    rated(lane, {0.5f, 1, 0});
    lane.append(3);
    // slow is 3/4 of the weights before and the newest ones; a quarter of it is what was looked at on average.
    CHECK(rated(lane, {0, 0, 0, 0.0625f}) == Floats{0.09375f, 0.1875f, 0.09375f, 0.09375f});
}

TEST_CASE("an island ends where a token is missing") {
    Lane lane = of_tokens(6, {.recent = 0, .reach = 3});
    lane.evict(by_arrival::slot_at(lane, 2));
    CHECK(rated(lane, {0, 0.5f, 0, 0.25f, 0}) == Floats{0, 0.5f, 0, 0.25f, 0.25f});

    SECTION("also when its slot holds another token") {
        lane.append(6);
        CHECK(rated(lane, {0, 0.5f, 0, 0.25f, 0, 0}) == Floats{0, 0.5f, 0, 0.25f, 0.25f, 0.25f});
    }
    SECTION("also when rows have moved") {
        lane.compact([](msrnn::Move) {});
        lane.append(6);
        CHECK(rated(lane, {0, 0.5f, 0, 0.25f, 0, 0}) == Floats{0, 0.5f, 0, 0.25f, 0.25f, 0.25f});
    }
}

TEST_CASE("an island ends where a token is missing, however long ago that was") {
    Lane lane({.budget = 4}, {.recent = 1, .reach = 2});
    const auto step = [&](std::int64_t t) {
        lane.append(t);
        Floats weights(lane.size(), 0.0f);
        if (t > 0) weights[by_arrival::kept(lane)[0] == 0 ? 1 : 0] = 1;  // token 1
        if (t > 5) weights[2] = 1;                                       // token 3
        by_arrival::observe(lane, {weights});
        return by_arrival::positions(lane, lane.evict());
    };
    for (std::int64_t t = 0; t < 4; ++t) step(t);
    CHECK(step(4) == Positions{0});
    for (std::int64_t t = 5; t < 1000; ++t) {
        REQUIRE(step(t) == Positions{t - 1});
        REQUIRE(by_arrival::kept(lane) == Positions{1, 2, 3, t});
    }
}

TEST_CASE("tokens of an island rate alike, and the earliest of them is evicted") {
    Lane lane({.budget = 4}, {.recent = 1, .reach = 4});
    for (std::int64_t t = 0; t < 4; ++t) lane.append(t);
    lane.append(4);
    CHECK(rated(lane, {0.25f, 0.5f, 0, 0, 0}) == Floats{0.25f, 0.5f, 0.5f, 0.5f, 0.5f});
    CHECK(by_arrival::kept(lane) == Positions{1, 2, 3, 4});
    lane.append(5);
    CHECK(rated(lane, {0.5f, 0, 0, 0, 0}) == Floats{0.5f, 0.5f, 0.5f, 0.5f, 0.5f});
    CHECK(by_arrival::kept(lane) == Positions{2, 3, 4, 5});
}

TEST_CASE("islands reach as far as min(16, tokens / 64), or as they are told") {
    const auto followers = [](std::size_t tokens, std::size_t reach) {
        Lane lane = of_tokens(tokens, {.reach = reach});
        Floats weights(tokens, 0.0f);
        weights[tokens / 3] = 1;
        const Floats ratings = rated(lane, weights);
        REQUIRE(ratings[tokens / 3] == 1);
        return std::count(ratings.begin(), ratings.end(), 1.0f) - 1;
    };
    CHECK(followers(63, 0) == 0);
    CHECK(followers(64, 0) == 1);
    CHECK(followers(255, 0) == 3);
    CHECK(followers(1024, 0) == 16);
    CHECK(followers(2500, 0) == 16);
    CHECK(followers(20, 1) == 1);
    CHECK(followers(300, 64) == 64);
    CHECK(msrnn::problem(IslandsByWeights{.reach = 64}, msrnn::Limits{.budget = 4}).empty());
    CHECK(IslandsByWeights{.reach = 65}.problem() ==
          "reach is 65; it must be at most 64, or 0 for min(16, slots / 64)");
    CHECK(!Islands{.reach = 65}.problem().empty());
}

TEST_CASE("Islands weighs by the length of values, read once per token") {
    const std::vector<Floats> rows{{3, 4}, {0, 1}, {6, 8}, {0, 0}, {1, 0}};
    std::vector<std::size_t> read;
    const auto row = [&](msrnn::Slot slot) -> std::span<const float> {
        read.push_back(slot);
        return rows[slot];
    };
    const msrnn::Values values(row);
    msrnn::Lane<Islands> lane({.budget = 5, .capacity = 8}, {.recent = 0, .reach = 1});
    for (std::int64_t t = 0; t < 4; ++t) lane.append(t);
    const auto ratings = [&](const Floats& weights) {
        by_arrival::observe(lane, {weights});
        lane.rate(values);
        const auto all = lane.ratings();
        const Floats listed(all.begin(), all.end());
        lane.evict_rated();
        std::sort(read.begin(), read.end());
        return listed;
    };
    CHECK(ratings({0.25f, 0.5f, 0.125f, 0.25f}) == Floats{1.25f, 0.5f, 1.25f, 1.25f});
    CHECK(read == std::vector<std::size_t>{0, 1, 2, 3});
    lane.append(4);
    CHECK(ratings({0, 0, 0, 0, 1}).back() == 1);
    CHECK(read == std::vector<std::size_t>{0, 1, 2, 3, 4});
}

TEST_CASE("Islands protects the newest half of the budget and no sinks, and needs weights and values") {
    CHECK(msrnn::Lane<Islands>(9).protection().recent == 4);
    CHECK(msrnn::Lane<Islands>(9).protection().sinks == 0);
    CHECK(msrnn::Lane<Islands>({.budget = 9}, {.recent = 2}).protection().recent == 2);
    CHECK(msrnn::scope_of(Islands{}) == msrnn::Scope::kv_head);
    CHECK(msrnn::needs_of<Islands>() == msrnn::Needs{msrnn::Attention::bit, msrnn::Values::bit});
    CHECK(msrnn::needs_of<IslandsByWeights>() == msrnn::Needs{msrnn::Attention::bit, 0});
    CHECK(!msrnn::rate_may_throw<IslandsByWeights>());
}

namespace {

/// Steps beside the mirror, some tokens a choice.
void beside_mirror(std::size_t budget, std::size_t most_tokens, int choices) {
    Random random{budget};
    Lane lane({.budget = budget, .capacity = budget + most_tokens});
    mirror::Lane expected{mirror::mirrored(IslandsByWeights{}), budget, budget + most_tokens};
    std::int64_t position = 0;
    const auto append = [&] {
        expected.append(position);
        lane.append(position++);
        if (!random.one_in(4)) return;
        Floats weights;
        for (std::size_t t = 0; t < lane.size(); ++t) weights.push_back(random.one_in(5) ? random.unit() : 0);
        by_arrival::observe(lane, {weights});
        expected.observe_weights({weights});
    };
    const auto show = [&] {
        Floats weights(lane.size(), 0.25f);
        by_arrival::observe(lane, {weights});
        expected.observe_weights({weights});
    };
    for (std::size_t t = 0; t < budget; ++t) append();
    for (int choice = 0; choice < choices; ++choice) {
        for (std::size_t t = choice == 0 ? most_tokens : 1 + random.below(most_tokens); t > 1; --t) append();
        expected.append(position);
        lane.append(position++);
        show();
        lane.rate();
        expected.settings.method->rate_all(expected);
        const auto slots = by_arrival::slots(lane);
        for (std::size_t t = 0; t < slots.size(); ++t) {
            REQUIRE(std::abs(lane.rating(slots[t]) - expected.tokens[t].rating) < 1e-5f);
            expected.tokens[t].rating = lane.rating(slots[t]);
        }
        const auto victims = by_arrival::positions(lane, lane.evict_rated());
        Positions foreseen;
        for (const auto& token : expected.evict_rated()) foreseen.push_back(token.position);
        REQUIRE(victims == foreseen);
    }
}

}  // namespace

TEST_CASE("lanes of many tokens rate as the mirror") {
    beside_mirror(130, 1, 700);
    beside_mirror(200, 40, 40);
    beside_mirror(1100, 1, 3);
    beside_mirror(2100, 300, 4);
}

TEST_CASE("a lane that goes on from a record of nonsense rates nothing outside its memory") {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    Random random{7};
    for (int round = 0; round < 200; ++round) {
        Lane lane({.budget = 70, .capacity = 80}, {.reach = 3});
        for (std::int64_t t = 0; t < 70; ++t) lane.append(t);
        msrnn::LaneRecord record = lane.record();
        const auto nonsense = [&] {
            return random.one_of(
                {std::nanf(""), infinity, -infinity, -1.0f, 0.0f, 0.5f, 7.0f, 1e9f, 3e38f, 2097151.0f});
        };
        for (float& number : record.columns) number = nonsense();
        for (float& number : record.floats)
            if (random.one_in(2)) number = nonsense();
        Lane other({.budget = 70, .capacity = 80}, {.reach = 3});
        other.restore(record);
        for (std::int64_t t = 70; t < 75; ++t) {
            other.append(t);
            by_arrival::observe(other, {Floats(other.size(), 0.25f)});
        }
        const msrnn::LaneRecord after = other.record();
        CHECK(after.size() == 75);
        try {
            other.evict();
        } catch (const std::exception&) {  // a rating that is NaN
        }
    }
}

}  // namespace islands_tests
