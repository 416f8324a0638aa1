#include <algorithm>
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <stdexcept>
#include <utility>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/policies.hpp"
#include "support/random.hpp"
#include "support/same_record.hpp"
#include "support/show_all.hpp"
#include "support/simple_policies.hpp"

namespace ordinary_tests {

using namespace msrnn;

namespace {

template <class Lane>
void step(Lane& lane, std::int64_t position, Random& random) {
    lane.append(position);
    std::vector<float> weights(lane.extent());
    for (float& weight : weights) weight = random.unit();
    show_all::observe(lane, weights);
    show_all::evict(lane, weights);
    lane.compact([](Move) {});
}

/// Throws in the middle of a hook on request.
struct Nervous {
    static inline bool throws = false;

    Memory memory(Shape) const { return {.columns = 1}; }
    void observe(const Attention& seen, Ratings rating) const {
        seen.sum_into(rating.column(0), 1);
        if (throws) throw std::runtime_error("observe() throws");
    }
    void rate(Ratings rating) const {
        for (std::size_t slot = 0; slot < rating.size(); ++slot) {
            rating[slot] = rating.column(0)[slot]++;
            if (throws && slot == 2) throw std::runtime_error("rate() throws");
        }
    }
};

}  // namespace

TEST_CASE("a lane that was moved from is empty and may be used") {
    for_every_policy([]<class P>(const P& policy) {
        Random random{1};
        Lane<P> lane({.budget = 8, .capacity = 12, .query_heads = 1, .head_dim = 1}, policy), fresh = lane;
        for (int t = 0; t < 30; ++t) step(lane, t, random);
        const Lane<P> copy = lane;
        Lane<P> taken = std::move(lane);
        CHECK(by_arrival::kept(taken) == by_arrival::kept(copy));
        for (int round = 0; round < 2; ++round) {
            CHECK(lane.size() == 0);
            CHECK(lane.extent() == 0);
            CHECK(lane.seen() == 0);
            CHECK(lane.evictions() == 0);
            CHECK(lane.victims().empty());
            CHECK(lane.capacity() == 12);
            CHECK(lane.budget() == 8);
            CHECK(lane.protection().recent == fresh.protection().recent);
            if (round == 0) lane.reset();
        }
        Random one{2}, other{2};
        for (int t = 0; t < 40; ++t) step(lane, t, one), step(fresh, t, other);
        CHECK(by_arrival::kept(lane) == by_arrival::kept(fresh));
        taken = std::move(lane);
        CHECK(lane.size() == 0);
        CHECK(by_arrival::kept(taken) == by_arrival::kept(fresh));
        Lane<P>& self = taken;
        taken = self;
        CHECK(by_arrival::kept(taken) == by_arrival::kept(fresh));
    });
}

TEST_CASE("a budget that is not used costs nothing") {
    Lane<H2O> large(Limits{.budget = 500'000'000}), small(Limits{.budget = 64});
    CHECK(large.bytes() < 4 * small.bytes());
    Random random{1};
    for (int t = 0; t < 200; ++t) step(large, t, random);
    CHECK(large.size() == 200);
    CHECK(large.bytes() < 512 * 64);
    large.reserve(1000);
    CHECK(large.bytes() >= 1000 * 24);
}

TEST_CASE("drafts that are rejected, in any order, count as never appended") {
    for (const AnyPolicy& policy : simple_policies()) {
        Random order{5};
        for (const std::size_t sinks : {0u, 4u}) {
            const auto lane_of = [&] {
                return Lane<Protect<AnyPolicy>>({.budget = 12, .capacity = 24, .query_heads = 1, .head_dim = 1},
                                                {.policy = policy, .extra = {.sinks = sinks}});
            };
            auto drafted = lane_of(), plain = lane_of();
            for (int t = 0; t < 60; ++t) {
                Random numbers{static_cast<std::uint64_t>(t)}, same = numbers;
                step(drafted, t, numbers);
                step(plain, t, same);
                std::vector<Slot> drafts;
                for (std::size_t i = 1 + order.below(4); i > 0; --i) drafts.push_back(drafted.append(-1));
                for (std::size_t left = drafts.size(); left > 0; --left) {
                    std::swap(drafts[order.below(left)], drafts[left - 1]);
                    drafted.evict(drafts[left - 1]);
                }
                drafted.compact([](Move) {});
                CAPTURE(policy.name(), sinks, t);
                REQUIRE(drafted.seen() == plain.seen());
                REQUIRE(drafted.evictions() == plain.evictions());
                REQUIRE(by_arrival::kept(drafted) == by_arrival::kept(plain));
            }
        }
    }
}

TEST_CASE("a step between two rejected drafts that is undone changes nothing about them") {
    Lane<Window> lane({.budget = 4, .capacity = 12});
    for (int t = 0; t < 3; ++t) lane.append(t);
    lane.evict(by_arrival::slot_at(lane, 1));
    const LaneCheckpoint before = lane.checkpoint();
    const LaneRecord record = lane.record();
    REQUIRE(record.rejected.size() == 1);
    lane.append(3);
    lane.evict();
    CHECK(lane.record().rejected.empty());
    lane.restore(before);
    CHECK(lane.record().rejected == record.rejected);
    lane.evict(by_arrival::slot_at(lane, 2));
    CHECK(lane.seen() == 1);
    CHECK(lane.append(9) == Slot(2));
    CHECK(lane.arrival(Slot(2)) == 1);
}

TEST_CASE("a record between two rejected drafts goes on as the lane does") {
    Lane<H2O> lane({.budget = 8, .capacity = 16});
    Random random{4};
    for (int t = 0; t < 20; ++t) step(lane, t, random);
    const Arrival seen = lane.seen();
    const Slot first = lane.append(-1), second = lane.append(-1);
    lane.evict(first);
    Lane<H2O> other({.budget = 8, .capacity = 16});
    other.restore(lane.record());
    for (auto* one : {&lane, &other}) {
        one->evict(second);
        CHECK(one->seen() == seen);
    }
    LaneRecord damaged = lane.record();
    damaged.rejected.push_back(seen);
    CHECK(lane.problem(damaged, 16).find("which is live or was never appended") != std::string::npos);
    damaged.rejected.back() = lane.arrival(by_arrival::slots(lane)[0]);
    CHECK(lane.problem(damaged, 16).find("which is live or was never appended") != std::string::npos);
}

TEST_CASE("a token that is evicted by name does not shrink the recent window") {
    Lane<H2O> lane({.budget = 8, .capacity = 16}, H2O{.recent = 4});
    Random random{1};
    for (int t = 0; t < 20; ++t) step(lane, t, random);
    for (int round = 0; round < 10; ++round) {
        const auto live = by_arrival::slots(lane);
        lane.evict(live[live.size() - 2]);  // the newest but one
        for (int t = 0; t < 2; ++t) step(lane, 20 + 2 * round + t, random);
        const auto now = by_arrival::slots(lane);
        for (std::size_t i = 0; i < now.size(); ++i) CHECK(lane.candidate(now[i]) == (i + 4 < now.size()));
    }
}

TEST_CASE("victims, their positions and arrivals are right after every kind of eviction, and through compact") {
    Lane<Tova> lane({.budget = 5, .capacity = 40});
    Random random{3};
    std::int64_t position = 100;
    for (int round = 0; round < 200; ++round) {
        const std::size_t more = 1 + random.below(20);
        for (std::size_t i = 0; i < more; ++i) lane.append(position++);
        std::vector<float> weights(lane.extent());
        for (float& weight : weights) weight = random.unit();
        lane.observe(weights);
        std::vector<std::pair<std::int64_t, Arrival>> before;
        for (const Slot slot : by_arrival::slots(lane))
            before.emplace_back(lane.position(slot).value(), lane.arrival(slot));
        const auto victims_of = [&] {
            std::vector<std::pair<std::int64_t, Arrival>> gone;
            for (const Slot victim : lane.victims())
                gone.emplace_back(lane.position(victim).value(), lane.arrival(victim));
            return gone;
        };
        lane.evict();
        const auto gone = victims_of();
        auto expected = before;
        for (const Slot slot : by_arrival::slots(lane))
            std::erase(expected, std::pair(lane.position(slot).value(), lane.arrival(slot)));
        auto sorted = gone;
        std::sort(sorted.begin(), sorted.end());
        REQUIRE(sorted == expected);
        if (random.one_in(2)) lane.compact([](Move) {});
        REQUIRE(victims_of() == gone);
        if (random.one_in(4)) {  // fewer rows than victims
            lane.compact([](Move) {});
            lane.set_capacity(6);
            REQUIRE(victims_of() == gone);
            lane.set_capacity(40);
            REQUIRE(victims_of() == gone);
        }
    }
}

TEST_CASE("after a move that throws the lane is valid, and compact goes on") {
    Random random{9};
    for (std::size_t calm = 0; calm < 6; ++calm) {
        Lane<H2O> lane({.budget = 20, .capacity = 30});
        for (int t = 0; t < 25; ++t) lane.append(t);
        std::vector<float> weights(25);
        for (float& weight : weights) weight = random.unit();
        lane.observe(weights);
        lane.evict();
        for (const std::size_t slot : {0u, 3u, 7u})
            if (lane.live(Slot(slot))) lane.evict(std::vector<Slot>{Slot(slot)});
        std::vector<std::int64_t> rows(30, -1);
        for (const Slot slot : by_arrival::slots(lane)) rows[slot] = lane.position(slot).value();
        const auto kept = by_arrival::kept(lane);
        std::size_t left = calm;
        const auto carry = [&](Move move) {
            if (left-- == 0) throw std::runtime_error("the engine cannot move a row");
            rows[move.to] = rows[move.from];
        };
        try {
            lane.compact(carry);
        } catch (const std::runtime_error&) {
        }
        const auto agree = [&] {
            for (const Slot slot : by_arrival::slots(lane)) REQUIRE(rows[slot] == lane.position(slot).value());
        };
        REQUIRE(by_arrival::kept(lane) == kept);
        agree();
        left = 100;
        lane.compact(carry);
        REQUIRE(lane.extent() == lane.size());
        REQUIRE(by_arrival::kept(lane) == kept);
        agree();
    }
}

TEST_CASE("a hook that throws does not change the lane") {
    Random random{4};
    Lane<Nervous> lane(6);
    for (int t = 0; t < 40; ++t) {
        lane.append(t);
        std::vector<float> weights(lane.extent());
        for (float& weight : weights) weight = random.unit();
        const LaneRecord came = lane.record();
        Nervous::throws = true;
        CHECK_THROWS_AS(lane.observe(weights), std::runtime_error);
        REQUIRE(same_record(lane.record(), came));
        Nervous::throws = false;
        lane.observe(weights);
        if (lane.size() > 6) {
            const LaneRecord observed = lane.record();
            Nervous::throws = true;
            CHECK_THROWS_AS(lane.evict(), std::runtime_error);
            REQUIRE(same_record(lane.record(), observed));
            Nervous::throws = false;
        }
        lane.evict();
    }
}

TEST_CASE("what is kept of many victims is given back one step after the next choice") {
    Lane<Window> lane({.budget = 8, .capacity = 1000});
    const Lane<Window> fresh(8);
    for (int t = 0; t < 1000; ++t) lane.append(t);
    lane.evict();
    lane.compact([](Move) {});
    lane.set_capacity(9);
    CHECK(lane.bytes() > 992 * (sizeof(Position) + sizeof(Arrival)));
    for (int t = 1000; t < 1002; ++t) {
        lane.append(t);
        lane.evict();
    }
    CHECK(lane.bytes() == fresh.bytes());
}

}  // namespace ordinary_tests
