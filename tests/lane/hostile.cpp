#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/mirrored.hpp"
#include "support/random.hpp"
#include "support/same_record.hpp"
#include "support/thrown_by.hpp"

namespace hostile_tests {

using namespace msrnn;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr std::size_t most = std::numeric_limits<std::size_t>::max();

/// A lane and its mirror, fed with the same numbers, whatever they are.
template <class P>
struct Fed {
    Lane<P> lane;
    mirror::Lane mirror;
    std::size_t query_heads = 2;
    std::vector<float> keys = {};  // [capacity], of one number each

    Fed(const P& policy, Limits limits, const mirror::Settings& settings)
        : lane(limits, policy), mirror{settings, limits.budget, limits.rows()}, keys(limits.rows()) {}

    template <class Number>
    void append(Position position, Number number) {
        const Slot slot = lane.append(position);
        mirror.append(position.value());
        keys[slot] = number();
        const auto slots = by_arrival::slots(lane);
        std::vector<std::vector<float>> rows(query_heads), shown;
        for (auto& row : rows)
            for (std::size_t t = 0; t < slots.size(); ++t) row.push_back(number());
        for (const Slot s : slots) shown.push_back({keys[s]});
        by_arrival::observe(lane, rows);
        mirror.observe_weights(rows);
        mirror.observe_keys(shown);
    }
    void evict() {
        const auto victims = lane.evict(Keys(keys.data(), 1, 1));
        const auto expected = mirror.evict();
        REQUIRE(victims.size() == expected.size());
        for (std::size_t i = 0; i < victims.size(); ++i)
            REQUIRE(lane.position(victims[i]).value() == expected[i].position);
        compare();
    }
    void compare() const {
        const auto slots = by_arrival::slots(lane);
        REQUIRE(slots.size() == mirror.tokens.size());
        for (std::size_t t = 0; t < slots.size(); ++t) {
            REQUIRE(lane.arrival(slots[t]) == mirror.tokens[t].arrival);
            REQUIRE(lane.position(slots[t]).value() == mirror.tokens[t].position);
            REQUIRE(lane.rating(slots[t]) == mirror.tokens[t].rating);
            REQUIRE(lane.pinned(slots[t]) == mirror.tokens[t].pinned);
        }
    }
};

/// check(policy, mirror's settings) for every policy that has a name, with fewer sinks than usual.
template <class Check>
void for_every_known_policy(std::size_t sinks, Check check) {
    const auto ask = [&](const auto& policy) {
        const AnyPolicy any(policy);
        INFO("policy " << any.name());
        check(any, differential::mirrored(policy));
    };
    mirror::for_each_policy([&](auto policy) {
        if constexpr (requires { policy.sinks; }) policy.sinks = sinks;
        ask(policy);
    });
    ask(Tova{.scope = Scope::kv_head});
}

}  // namespace

TEST_CASE("weights are taken as they are: negative, huge, and summing to anything") {
    for_every_known_policy(2, [](const AnyPolicy& policy, const mirror::Settings& settings) {
        Fed fed(policy, {.budget = 7}, settings);
        Random random{1};
        for (int t = 0; t < 400; ++t) {
            fed.append(t, [&] { return random.one_of({-3.0f, -0.5f, 0.0f, -0.0f, 2.0f, 1e18f, -1e18f, 0.25f}); });
            fed.evict();
        }
        CHECK(fed.lane.evictions() == 393);
    });
}

TEST_CASE("infinite ratings decide: minus infinity is evicted first, plus infinity last, of equals the earliest") {
    for_every_known_policy(2, [](const AnyPolicy& policy, const mirror::Settings& settings) {
        std::size_t infinite = 0;
        for (const float end : {infinity, -infinity}) {
            Fed fed(policy, {.budget = 7}, settings);
            Random random{2};
            for (int t = 0; t < 400; ++t) {
                fed.append(t, [&] { return random.one_in(6) ? end : random.unit(); });
                fed.evict();
                for (const float rating : fed.lane.ratings()) infinite += rating == infinity || rating == -infinity;
            }
        }
        if (policy.facts({}, 7).needs != Needs{}) CHECK(infinite > 200);
    });

    Lane<Tova> lane(3);
    for (std::int64_t t = 0; t < 3; ++t)
        by_arrival::step(lane, t, {std::vector<float>(static_cast<std::size_t>(t) + 1, 1.0f)});
    CHECK(by_arrival::step(lane, 3, {{infinity, 1e38f, -infinity, -infinity}}) == std::vector<std::int64_t>{2});
    CHECK(by_arrival::step(lane, 4, {{infinity, infinity, infinity, infinity}}) == std::vector<std::int64_t>{0});
}

TEST_CASE("positions may repeat, go backwards, be negative and lie at either end of 64 bits: they decide nothing") {
    constexpr auto lowest = std::numeric_limits<std::int64_t>::min(),
                   highest = std::numeric_limits<std::int64_t>::max();
    for_every_known_policy(2, [](const AnyPolicy& policy, const mirror::Settings& settings) {
        Fed tidy(policy, {.budget = 6}, settings), wild(policy, {.budget = 6}, settings);
        Random mine{3}, other{3}, positions{4};
        for (int t = 0; t < 200; ++t) {
            tidy.append(t, [&] { return mine.unit(); });
            wild.append(positions.one_of({lowest, highest, std::int64_t{-1}, std::int64_t{0}, std::int64_t{7}}),
                        [&] { return other.unit(); });
            tidy.evict();
            wild.evict();
            for (std::size_t slot = 0; slot < tidy.lane.extent(); ++slot)
                REQUIRE(tidy.lane.arrival(Slot(slot)) == wild.lane.arrival(Slot(slot)));
        }
    });
}

TEST_CASE("a budget of one serves a thousand steps, or a sentence says what is in the way") {
    std::size_t served = 0;
    for_every_known_policy(0, [&](const AnyPolicy& policy, const mirror::Settings& settings) {
        Fed fed(policy, {.budget = 1}, settings);
        Random random{5};
        for (int t = 0; t < 1000; ++t) {
            fed.append(t, [&] { return random.unit(); });
            fed.evict();
        }
        CHECK(fed.lane.size() == 1);
        CHECK(fed.lane.extent() == 2);
        CHECK(fed.lane.evictions() == 999);
        ++served;
    });
    CHECK(served == std::tuple_size_v<mirror::Policies> + 1);
    CHECK(problem(SinkWindow{.sinks = 1}, {.budget = 1}) ==
          "msrnn: budget 1 leaves no slot behind 1 sinks; give a larger budget or fewer sinks");
    CHECK(problem(H2O{.recent = 2}, {.budget = 1}) ==
          "msrnn: budget 1 is smaller than what is protected (sinks 0, recent 2, pinned 0); give a larger budget or "
          "protect less");
    CHECK(problem(Protect<Tova>{.extra = {.sinks = 1}}, {.budget = 1}) ==
          problem(SinkWindow{.sinks = 1}, {.budget = 1}));
}

TEST_CASE("pins are granted until no candidate would remain, and those that remain are still evicted") {
    for_every_known_policy(2, [](const AnyPolicy& policy, const mirror::Settings& settings) {
        Fed fed(policy, {.budget = 9}, settings);
        Random random{6};
        const auto come = [&](int t) {
            fed.append(t, [&] { return random.unit(); });
            fed.evict();
        };
        for (int t = 0; t < 30; ++t) come(t);
        std::size_t granted = 0, refused = 0;
        for (std::size_t which = 0; which < fed.mirror.tokens.size(); ++which) {
            const bool pinned = fed.lane.pin(by_arrival::slots(fed.lane)[which]);
            REQUIRE(pinned == fed.mirror.pin(which));
            ++(pinned ? granted : refused);
        }
        CHECK(granted > 0);
        CHECK((refused > 0 || fed.lane.protection().recent == 0));
        for (int t = 30; t < 130; ++t) come(t);
        CHECK(fed.lane.evictions() == 121);
    });
}

TEST_CASE("a lane emptied by name goes on from nothing, and an empty one has no victim") {
    for_every_known_policy(2, [](const AnyPolicy& policy, const mirror::Settings& settings) {
        Fed fed(policy, {.budget = 5, .capacity = 8}, settings);
        CHECK(fed.lane.evict().empty());
        fed.lane.compact([](Move) { FAIL("nothing is there to move"); });
        Random random{7};
        int t = 0;
        for (int round = 0; round < 6; ++round) {
            for (int end = t + 4 + round; t < end; ++t) {
                fed.append(t, [&] { return random.unit(); });
                fed.evict();
            }
            while (!fed.mirror.tokens.empty()) {
                const std::size_t which = random.below(fed.mirror.tokens.size());
                fed.lane.evict(by_arrival::slots(fed.lane)[which]);
                fed.mirror.reject(which);
                fed.compare();
            }
            CHECK(fed.lane.size() == 0);
            CHECK(fed.lane.evict().empty());
            if (round % 2 == 0) {
                fed.lane.compact([](Move) { FAIL("nothing is there to move"); });
                CHECK(fed.lane.extent() == 0);
            }
        }
        CHECK(fed.lane.seen() == fed.mirror.seen);
        CHECK(fed.lane.evictions() == fed.lane.seen());
    });
}

TEST_CASE("what is asked against its terms changes nothing") {
    Lane<H2O> lane({.budget = 4, .capacity = 6});
    for (int t = 0; t < 6; ++t) {
        lane.append(t);
        lane.observe(std::vector<float>(lane.extent(), 0.25f));
    }
    const std::vector<float> weights(24, 0.5f);
    const auto keeps = [&](auto broken) {
        const LaneRecord before = lane.record();
        CHECK_THROWS_AS(broken(), msrnn_assertion_failed);
        CHECK(same_record(lane.record(), before));
    };
    keeps([&] { lane.append(7); });
    keeps([&] { lane.observe(weights.data(), 0, 6); });
    keeps([&] { lane.observe(weights.data(), 2, 5); });
    keeps([&] { lane.observe(std::span(weights).first(7)); });
    keeps([&] { lane.observe(std::span(weights).first(0).data(), 0, 0); });
    keeps([&] { lane.set_capacity(5); });
    const auto victims = lane.evict();
    REQUIRE(victims.size() == 2);
    const Slot vacant = victims[0];
    keeps([&] { lane.evict(vacant); });
    keeps([&] { lane.evict(Slot(6)); });
    keeps([&] { (void)lane.pin(vacant); });
    lane.append(8);
    keeps([&] { lane.set_capacity(4); });
    Lane<H2O> late(4);
    for (int t = 0; t < 5; ++t) late.append(t);
    const LaneRecord before = late.record();
    CHECK_THROWS_AS(late.evict(), msrnn_assertion_failed);
    CHECK(same_record(late.record(), before));
    Lane<Tova> empty(4);
    CHECK_THROWS_AS(empty.observe(weights), msrnn_assertion_failed);
}

TEST_CASE("keys without numbers are all equally short: the earliest is evicted") {
    Lane<KeyNorm> lane({.budget = 6}, {.recent = 2});
    for (std::int64_t t = 0; t < 50; ++t) {
        lane.append(t);
        const auto victims =
            by_arrival::positions(lane, lane.evict(Keys([](Slot) { return std::span<const float>(); })));
        if (t >= 6) REQUIRE(victims == std::vector<std::int64_t>{t - 6});
    }
}

TEST_CASE("settings at the end of what a number holds are refused in a sentence, or mean what they say") {
    CHECK_FALSE(problem(SinkWindow{.sinks = most}, {.budget = 8}).empty());
    CHECK_FALSE(problem(H2O{.recent = most - 1}, {.budget = 8}).empty());
    CHECK_FALSE(problem(KeyNorm{.recent = most - 1}, {.budget = 8}).empty());
    CHECK_FALSE(problem(Protect<Tova>{.extra = {.sinks = most, .recent = most}}, {.budget = 8}).empty());
    CHECK_FALSE(problem(Protect<Tova>{.extra = {.sinks = 7, .recent = most}}, {.budget = 8}).empty());
    CHECK_FALSE(problem(Protect<Tova>{.extra = {.sinks = 7, .recent = most - 1}}, {.budget = 8}).empty());
    CHECK_FALSE(problem(Window{}, {.budget = most - 1, .capacity = 8}).empty());
    CHECK(problem(Protect<Tova>{.extra = {.sinks = 7, .recent = 1}}, {.budget = 8}).empty());
}

TEST_CASE("a lane refuses more rows than it can number, and keeps those it has") {
    Lane<Window> lane({.budget = unbounded, .capacity = 4});
    for (int t = 0; t < 4; ++t) lane.append(t);
    const LaneRecord before = lane.record();
    CHECK_FALSE(thrown_by([&] { lane.set_capacity(most); }).empty());
    CHECK(thrown_by([&] { lane.set_capacity(most); }) != "nothing was thrown");
    CHECK(lane.capacity() == 4);
    CHECK(same_record(lane.record(), before));
}

TEST_CASE("a million steps and no sum stands still") {
    Lane<H2O> lane({.budget = 4}, {.recent = 1});
    constexpr std::size_t tokens = 1000000;
    const std::vector<float> weights{0.125f, 0.0f, 0.0f, 0.0f, 0.0f};
    lane.append(0);
    for (std::size_t t = 0; t < tokens; ++t) {
        lane.observe(weights.data(), 1, lane.extent());
        lane.evict();
        if (t + 1 < tokens) lane.append(t + 1);
    }
    CHECK(lane.rating(Slot(0)) == 0.125f * tokens);
    CHECK(lane.position(Slot(0)).value() == 0);
    CHECK(lane.evictions() == tokens - 4);
}

}  // namespace hostile_tests
