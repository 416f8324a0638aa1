#include <cstddef>
#include <cstdint>
#include <limits>
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <string>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/mirror.hpp"
#include "support/mirrored.hpp"
#include "support/random.hpp"

namespace restored_tests {

using namespace msrnn;

namespace {

/// A lane, and the dumbest program that could be right beside it.
template <class P>
struct Beside {
    Lane<P> lane;
    mirror::Lane mirror;
    Random random{11};
    std::int64_t position = 0;

    explicit Beside(const P& policy) : lane({.budget = 16}, policy, {.layer = 2, .kv_head = 1}) {
        mirror = {.settings = differential::mirrored(policy), .budget = 16, .capacity = 17};
        mirror.settings.layer = 2;
        mirror.settings.kv_head = 1;
    }

    void step() {
        lane.append(position);
        mirror.append(position++);
        const auto slots = by_arrival::slots(lane);
        std::vector<std::vector<float>> rows(2), keys(slots.size());
        for (auto& row : rows)
            for (std::size_t t = 0; t < slots.size(); ++t) row.push_back(random.one_in(3) ? 0.25f : random.unit());
        by_arrival::observe(lane, rows);
        mirror.observe_weights(rows);
        std::vector<float> key(3);
        const auto key_of = [&](std::int64_t of) {
            Random numbers{static_cast<std::uint64_t>(of)};
            for (float& x : key) x = numbers.one_in(3) ? 0.5f : numbers.unit();
            return std::span<const float>(key);
        };
        for (std::size_t t = 0; t < slots.size(); ++t) {
            const auto numbers = key_of(mirror.tokens[t].position);
            keys[t].assign(numbers.begin(), numbers.end());
        }
        mirror.observe_keys(keys);
        const auto gone = mirror.evict();
        const auto victims = by_arrival::positions(
            lane, lane.evict(Keys([&](Slot slot) { return key_of(lane.position(slot).value()); })));
        REQUIRE(victims.size() == gone.size());
        for (std::size_t i = 0; i < gone.size(); ++i) REQUIRE(victims[i] == gone[i].position);
        compare();
    }
    void compare() const {
        const auto slots = by_arrival::slots(lane);
        REQUIRE(slots.size() == mirror.tokens.size());
        REQUIRE(lane.seen() == mirror.seen);
        for (std::size_t t = 0; t < slots.size(); ++t) {
            REQUIRE(lane.arrival(slots[t]) == mirror.tokens[t].arrival);
            REQUIRE(lane.position(slots[t]).value() == mirror.tokens[t].position);
            REQUIRE(lane.pinned(slots[t]) == mirror.tokens[t].pinned);
            REQUIRE(lane.candidate(slots[t]) == mirror.candidate(mirror.tokens[t]));
        }
    }
    void pin(std::size_t which) {
        const Slot slot = by_arrival::slots(lane)[which];
        REQUIRE(lane.pin(slot) == mirror.pin(which));
    }
    void unpin(std::size_t which) {
        lane.unpin(by_arrival::slots(lane)[which]);
        mirror.tokens[which].pinned = false;
    }

    /// As if so many more tokens had been appended between the first `ancient` and the others.
    void raise(std::uint64_t seen, std::uint64_t ancient) {
        const std::uint64_t by = seen - mirror.seen;
        LaneRecord record = lane.record();
        record.seen += by;
        for (std::int64_t& arrival : record.arrivals)
            if (arrival >= static_cast<std::int64_t>(ancient)) arrival += static_cast<std::int64_t>(by);
        mirror.seen += by;
        mirror.evictions += by;
        for (mirror::Token& token : mirror.tokens)
            if (token.arrival >= ancient) token.arrival += by;
        lane.restore(record);
        REQUIRE(lane.evictions() == mirror.evictions);
        compare();
    }
};

constexpr std::uint64_t border = std::numeric_limits<std::int32_t>::max();

/// Goes on from each of these numbers of tokens; how many of the first tokens were still there, all in all.
template <class P>
std::size_t go_far(const P& policy) {
    std::size_t ancient = 0;
    for (const std::uint64_t seen : {border - 150, border - 1, border, border + 1, border / 2 + 1, 3 * border,
                                     std::uint64_t{1} << 53, (std::uint64_t{1} << 62) - 400}) {
        Beside<P> beside(policy);
        for (int t = 0; t < 30; ++t) beside.step();
        beside.pin(4);
        beside.pin(5);
        beside.raise(seen, 24);
        for (int t = 0; t < 150; ++t) beside.step();
        beside.unpin(5);
        beside.compare();
        for (int t = 0; t < 150; ++t) beside.step();
        REQUIRE(beside.lane.seen() == seen + 300);
        for (const mirror::Token& token : beside.mirror.tokens) ancient += token.arrival < 24;
    }
    return ancient;
}

}  // namespace

TEST_CASE("a lane restored after two thousand million tokens, or 2^53, decides as the dumbest program does") {
    std::size_t ancient = go_far(Window{});
    for (const std::size_t sinks : {1u, 4u}) ancient += go_far(SinkWindow{.sinks = sinks});
    ancient += go_far(Tova{});
    for (const std::size_t recent : {half_of_budget, std::size_t{3}}) {
        ancient += go_far(H2O{.recent = recent});
        ancient += go_far(DecayedAttention{.recent = recent});
        ancient += go_far(KeyNorm{.recent = recent});
    }
    ancient += go_far(RandomEviction{.seed = 5});
    ancient += go_far(Protect<Tova>{.policy = {}, .extra = {.sinks = 2, .recent = 3}});
    CHECK(ancient > 100);
}

TEST_CASE("a restored lane's recent window counts live tokens") {
    Lane<Protect<Window>> lane({.budget = 8, .capacity = 12}, {.policy = {}, .extra = {.recent = 4}});
    for (int t = 0; t < 20; ++t) {
        lane.append(t);
        lane.evict();
    }
    for (const std::int64_t position : {18, 16}) lane.evict(by_arrival::slot_at(lane, position));
    Lane<Protect<Window>> fresh({.budget = 8, .capacity = 12}, lane.policy());
    fresh.restore(lane.record());
    for (const Slot slot : by_arrival::slots(lane)) CHECK(fresh.candidate(slot) == lane.candidate(slot));
    CHECK(fresh.candidate(by_arrival::slot_at(fresh, 13)));
    CHECK_FALSE(fresh.candidate(by_arrival::slot_at(fresh, 14)));
}

TEST_CASE("drafts that are rejected before and after a record count as never appended") {
    Lane<Window> lane({.budget = 8, .capacity = 12}), fresh = lane;
    for (int t = 0; t < 10; ++t) lane.append(t);
    lane.evict(by_arrival::slot_at(lane, 8));
    fresh.restore(lane.record());
    for (auto* each : {&lane, &fresh}) {
        each->evict(by_arrival::slot_at(*each, 9));
        CHECK(each->seen() == 8);
    }
}

TEST_CASE("a record with rejected tokens that are live or not yet appended is refused") {
    Lane<Window> lane({.budget = 8, .capacity = 12});
    for (int t = 0; t < 6; ++t) lane.append(t);
    LaneRecord record = lane.record();
    for (const Arrival wrong : {3u, 6u, 9u}) {
        record.rejected.assign(1, wrong);
        CHECK(lane.problem(record, 12).find("has rejected arrival " + std::to_string(wrong)) != std::string::npos);
    }
}

}  // namespace restored_tests
