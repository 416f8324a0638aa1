#include <algorithm>
#include <vector>

#include "support/catch.hpp"
#include "support/policies.hpp"
#include "support/random.hpp"

using namespace msrnn;

namespace {
/// An engine that owns one key number per row and shows everything to every policy.
template <class P>
struct Engine {
    explicit Engine(Limits limits, std::uint64_t seed = 1) : lane(limits), key(lane.capacity()), random{seed} {}

    Slot append() {
        const Slot slot = lane.append(position += 1 + random.below(3));
        key[slot] = random.unit() + 0.5f;
        std::vector<float> weights(2 * lane.extent());
        for (float& w : weights) w = random.unit();
        lane.observe(weights);
        return slot;
    }
    std::span<const Slot> evict() { return lane.evict(Keys(key.data(), 1, 1)); }
    std::vector<Slot> step() {
        append();
        const auto victims = evict();
        return {victims.begin(), victims.end()};
    }
    /// (arrival, slot) of every live token.
    std::vector<std::pair<Arrival, std::size_t>> held() const {
        std::vector<std::pair<Arrival, std::size_t>> all;
        for (std::size_t s = 0; s < lane.extent(); ++s)
            if (lane.live(Slot(s))) all.emplace_back(lane.arrival(Slot(s)), s);
        std::sort(all.begin(), all.end());
        return all;
    }

    Lane<P> lane;
    std::vector<float> key;
    std::int64_t position = 0;
    Random random;
};
}  // namespace

TEMPLATE_LIST_TEST_CASE("nothing is evicted until the budget is reached, and then one token a step", "", EveryPolicy) {
    Engine<TestType> engine({.budget = 9});
    for (int t = 0; t < 9; ++t) CHECK(engine.step().empty());
    CHECK(engine.lane.size() == 9);
    CHECK(engine.lane.evictions() == 0);
    for (int t = 0; t < 200; ++t) {
        REQUIRE(engine.step().size() == 1);
        REQUIRE(engine.lane.size() == 9);
    }
    CHECK(engine.lane.seen() == 209);
    CHECK(engine.lane.evictions() == 200);
}

TEMPLATE_LIST_TEST_CASE("the next token gets the victim's slot and no other row moves", "", EveryPolicy) {
    Engine<TestType> engine({.budget = 7});
    for (int t = 0; t < 7; ++t) engine.step();
    for (int t = 0; t < 200; ++t) {
        const Slot promised = engine.lane.next();
        REQUIRE(engine.append() == promised);
        REQUIRE(engine.lane.extent() == 8);
        REQUIRE(engine.lane.size() == engine.lane.extent());
        const auto before = engine.held();
        const std::int64_t position = engine.lane.position(promised).value();
        REQUIRE(position == engine.position);

        const auto victims = engine.evict();
        REQUIRE(victims.size() == 1);
        auto expected = before;
        std::erase_if(expected, [&](const auto& token) { return token.second == victims[0]; });
        REQUIRE(engine.held() == expected);
        REQUIRE(engine.lane.next() == victims[0]);
    }
}

TEMPLATE_LIST_TEST_CASE("only candidates are evicted: no sink, nothing recent, nothing pinned", "", EveryPolicy) {
    Engine<TestType> engine({.budget = 16});
    for (int t = 0; t < 16; ++t) engine.step();
    const Slot pinned = Slot(9);
    REQUIRE(engine.lane.pin(pinned));
    const Arrival kept = engine.lane.arrival(pinned);
    const Protection protection = engine.lane.protection();
    for (int t = 0; t < 300; ++t) {
        engine.append();
        std::vector<Arrival> candidates;
        for (const auto& [arrival, slot] : engine.held()) {
            const bool free =
                arrival >= protection.sinks && arrival + protection.recent < engine.lane.seen() && arrival != kept;
            REQUIRE(engine.lane.candidate(Slot(slot)) == free);
            if (free) candidates.push_back(arrival);
        }
        const auto before = engine.held();
        const Slot victim = engine.evict()[0];
        const auto gone =
            std::find_if(before.begin(), before.end(), [&](auto token) { return token.second == victim; });
        REQUIRE(std::count(candidates.begin(), candidates.end(), gone->first) == 1);
    }
    CHECK(engine.lane.live(pinned));
    CHECK(engine.lane.arrival(pinned) == kept);
}

TEMPLATE_LIST_TEST_CASE("victims are listed weakest first, and their positions stay readable", "", EveryPolicy) {
    Engine<TestType> engine({.budget = 8, .capacity = 20});
    for (int t = 0; t < 20; ++t) engine.append();
    const auto victims = engine.evict();
    REQUIRE(victims.size() == 12);
    CHECK(engine.lane.size() == 8);
    CHECK(engine.lane.extent() == 20);
    for (const Slot victim : victims) {
        CHECK_FALSE(engine.lane.live(victim));
        CHECK(engine.lane.position(victim).value() > 0);
    }
    for (std::size_t i = 1; i < victims.size(); ++i)
        CHECK(engine.lane.rating(victims[i - 1]) <= engine.lane.rating(victims[i]));
}

TEMPLATE_LIST_TEST_CASE("compact closes every gap with moves that are safe in any order", "", EveryPolicy) {
    Engine<TestType> engine({.budget = 8, .capacity = 20});
    for (int t = 0; t < 20; ++t) engine.append();
    engine.evict();
    auto tokens = engine.held();
    engine.lane.compact([&](Move move) {
        CHECK(move.from >= 8);
        CHECK(move.to < 8);
        for (auto& token : tokens)
            if (token.second == move.from) token.second = move.to;
    });
    CHECK(engine.lane.extent() == 8);
    CHECK(engine.held() == tokens);
    CHECK(engine.lane.next() == 8);
}

TEMPLATE_LIST_TEST_CASE("a smaller budget drops at the next eviction, a larger one lets the lane fill", "",
                        EveryPolicy) {
    Engine<TestType> engine({.budget = 12});
    for (int t = 0; t < 30; ++t) engine.step();
    engine.lane.set_budget(8);
    CHECK(engine.lane.size() == 12);
    CHECK(engine.step().size() == 5);
    CHECK(engine.lane.size() == 8);
    engine.lane.set_budget(12);
    for (int t = 0; t < 4; ++t) CHECK(engine.step().empty());
    CHECK(engine.step().size() == 1);
    CHECK(engine.lane.size() == 12);
}

TEMPLATE_LIST_TEST_CASE("a copy goes its own way", "", EveryPolicy) {
    Engine<TestType> engine({.budget = 8});
    for (int t = 0; t < 30; ++t) engine.step();
    Engine<TestType> fork = engine;
    const auto before = engine.held();
    for (int t = 0; t < 30; ++t) fork.step();
    CHECK(engine.held() == before);
    Engine<TestType> again = engine;
    for (int t = 0; t < 30; ++t) again.step();
    CHECK(again.held() == fork.held());
    CHECK(again.lane.evictions() == fork.lane.evictions());
}

TEMPLATE_LIST_TEST_CASE("after reset a lane decides as a new one", "", EveryPolicy) {
    Engine<TestType> used({.budget = 8}), fresh({.budget = 8});
    for (int t = 0; t < 30; ++t) used.step();
    used.lane.reset();
    CHECK(used.lane.size() == 0);
    CHECK(used.lane.extent() == 0);
    CHECK(used.lane.seen() == 0);
    CHECK(used.lane.evictions() == 0);
    used.random = Random{1};
    used.position = 0;
    for (int t = 0; t < 30; ++t) {
        used.step();
        fresh.step();
        REQUIRE(used.held() == fresh.held());
    }
}

TEMPLATE_LIST_TEST_CASE("an unbounded lane keeps everything and grows when told", "", EveryPolicy) {
    Engine<TestType> engine({.budget = unbounded, .capacity = 4});
    for (int t = 0; t < 100; ++t) {
        if (engine.lane.size() == engine.lane.capacity()) {
            engine.lane.set_capacity(2 * engine.lane.capacity());
            engine.key.resize(engine.lane.capacity());
        }
        CHECK(engine.step().empty());
    }
    CHECK(engine.lane.size() == 100);
    CHECK(engine.held().back() == std::pair<Arrival, std::size_t>{99, 99});
    engine.lane.set_budget(10);
    CHECK(engine.step().size() == 91);
}

TEMPLATE_LIST_TEST_CASE("evict by name drops what no rating would", "", EveryPolicy) {
    Engine<TestType> engine({.budget = 8});
    for (int t = 0; t < 8; ++t) engine.step();
    REQUIRE(engine.lane.pin(Slot(5)));
    engine.lane.evict(Slot(5));
    REQUIRE(engine.lane.victims().size() == 1);
    CHECK(engine.lane.victims()[0] == 5);
    CHECK_FALSE(engine.lane.live(Slot(5)));
    CHECK(engine.lane.size() == 7);
    CHECK(engine.evict().empty());
    CHECK(engine.lane.victims().empty());
    engine.append();
    CHECK(engine.lane.live(Slot(5)));
    CHECK_FALSE(engine.lane.pinned(Slot(5)));
}

TEMPLATE_LIST_TEST_CASE("victims() are those of this lane's last eviction alone", "", EveryPolicy) {
    Engine<TestType> engine({.budget = 8}), other({.budget = 8});
    for (int t = 0; t < 8; ++t) {
        engine.step();
        other.step();
    }
    engine.lane.evict(Slot(1));
    engine.lane.evict(Slot(3));
    other.lane.evict(Slot(5));
    REQUIRE(engine.lane.victims().size() == 1);
    CHECK(engine.lane.victims()[0] == 3);
}
