#include <algorithm>
#include <vector>

#include "support/catch.hpp"
#include "support/known_policies.hpp"
#include "support/random.hpp"

namespace contract_tests {

using namespace msrnn;

namespace {
/// An engine of two query heads that shows everything to every policy; its rows have eight numbers.
struct Engine {
    Engine(const AnyPolicy& policy, Limits limits, std::uint64_t seed = 1)
        : lane(shaped(limits), policy), rows(8 * (lane.capacity() + 1)), random{seed} {}

    static Limits shaped(Limits limits) {
        limits.query_heads = 2, limits.head_dim = 8;
        return limits;
    }
    Slot append() {
        const Slot slot = lane.append(position += 1 + random.below(3));
        for (std::size_t i = 0; i < 8; ++i) rows[8 * slot + i] = random.unit() + 0.5f;
        std::vector<float> weights(2 * lane.extent()), query(16);
        for (float& w : weights) w = random.unit();
        for (float& x : query) x = random.unit() - 0.5f;
        lane.observe(Attention{weights.data(), 2, lane.extent(), lane.extent()}, Query{query.data(), 2, 8},
                     Outputs{query.data(), 2, 8}, keys(), values());
        return slot;
    }
    std::span<const Slot> evict() { return lane.evict(keys(), values()); }
    std::vector<Slot> step() {
        append();
        const auto victims = evict();
        return {victims.begin(), victims.end()};
    }
    Keys keys() const { return Keys(rows.data(), 8, 8); }
    Values values() const { return Values(rows.data() + 1, 8, 8); }
    /// (arrival, slot) of every live token.
    std::vector<std::pair<Arrival, std::size_t>> held() const {
        std::vector<std::pair<Arrival, std::size_t>> all;
        for (std::size_t s = 0; s < lane.extent(); ++s)
            if (lane.live(Slot(s))) all.emplace_back(lane.arrival(Slot(s)), s);
        std::sort(all.begin(), all.end());
        return all;
    }

    Lane<AnyPolicy> lane;
    std::vector<float> rows;
    std::int64_t position = 0;
    Random random;
};

/// check(policy, budget) for every known policy, at the smallest budget it can have from this one on.
template <class Check>
void for_each_known(std::size_t at_least, Check check) {
    for (const AnyPolicy& policy : known_policies()) {
        const std::size_t budget = budget_for(policy, at_least);
        CAPTURE(policy.name(), budget);
        check(policy, budget);
    }
}
}  // namespace

TEST_CASE("nothing is evicted until the budget is reached, and then one token a step") {
    for_each_known(9, [](const AnyPolicy& policy, std::size_t budget) {
        Engine engine(policy, {.budget = budget});
        for (std::size_t t = 0; t < budget; ++t) CHECK(engine.step().empty());
        CHECK(engine.lane.size() == budget);
        CHECK(engine.lane.evictions() == 0);
        for (int t = 0; t < 200; ++t) {
            REQUIRE(engine.step().size() == 1);
            REQUIRE(engine.lane.size() == budget);
        }
        CHECK(engine.lane.seen() == budget + 200);
        CHECK(engine.lane.evictions() == 200);
    });
}

TEST_CASE("the next token gets the victim's slot and no other row moves") {
    for_each_known(7, [](const AnyPolicy& policy, std::size_t budget) {
        Engine engine(policy, {.budget = budget});
        for (std::size_t t = 0; t < budget; ++t) engine.step();
        for (int t = 0; t < 200; ++t) {
            const Slot promised = engine.lane.next();
            REQUIRE(engine.append() == promised);
            REQUIRE(engine.lane.extent() == budget + 1);
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
    });
}

TEST_CASE("only candidates are evicted: no sink, nothing recent, nothing pinned") {
    for_each_known(16, [](const AnyPolicy& policy, std::size_t budget) {
        Engine engine(policy, {.budget = budget});
        for (std::size_t t = 0; t < budget; ++t) engine.step();
        const Slot pinned = Slot(budget / 2 + 1);
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
    });
}

TEST_CASE("victims are listed weakest first, and their positions stay readable") {
    for_each_known(8, [](const AnyPolicy& policy, std::size_t budget) {
        Engine engine(policy, {.budget = budget, .capacity = budget + 12});
        for (std::size_t t = 0; t < budget + 12; ++t) engine.append();
        const auto victims = engine.evict();
        REQUIRE(victims.size() == 12);
        CHECK(engine.lane.size() == budget);
        CHECK(engine.lane.extent() == budget + 12);
        for (const Slot victim : victims) {
            CHECK_FALSE(engine.lane.live(victim));
            CHECK(engine.lane.position(victim).value() > 0);
        }
        for (std::size_t i = 1; i < victims.size(); ++i)
            CHECK(engine.lane.rating(victims[i - 1]) <= engine.lane.rating(victims[i]));
    });
}

TEST_CASE("compact closes every gap with moves that are safe in any order") {
    for_each_known(8, [](const AnyPolicy& policy, std::size_t budget) {
        Engine engine(policy, {.budget = budget, .capacity = budget + 12});
        for (std::size_t t = 0; t < budget + 12; ++t) engine.append();
        engine.evict();
        auto tokens = engine.held();
        engine.lane.compact([&](Move move) {
            CHECK(move.from >= budget);
            CHECK(move.to < budget);
            for (auto& token : tokens)
                if (token.second == move.from) token.second = move.to;
        });
        CHECK(engine.lane.extent() == budget);
        CHECK(engine.held() == tokens);
        CHECK(engine.lane.next() == budget);
    });
}

TEST_CASE("a smaller budget drops at the next eviction, a larger one lets the lane fill") {
    for_each_known(8, [](const AnyPolicy& policy, std::size_t budget) {
        Engine engine(policy, {.budget = budget + 4});
        for (std::size_t t = 0; t < budget + 20; ++t) engine.step();
        engine.lane.set_budget(budget);
        CHECK(engine.lane.size() == budget + 4);
        CHECK(engine.step().size() == 5);
        CHECK(engine.lane.size() == budget);
        engine.lane.set_budget(budget + 4);
        for (int t = 0; t < 4; ++t) CHECK(engine.step().empty());
        CHECK(engine.step().size() == 1);
        CHECK(engine.lane.size() == budget + 4);
    });
}

TEST_CASE("a copy goes its own way") {
    for_each_known(8, [](const AnyPolicy& policy, std::size_t budget) {
        Engine engine(policy, {.budget = budget});
        for (std::size_t t = 0; t < budget + 22; ++t) engine.step();
        Engine fork = engine;
        const auto before = engine.held();
        for (std::size_t t = 0; t < budget + 22; ++t) fork.step();
        CHECK(engine.held() == before);
        Engine again = engine;
        for (std::size_t t = 0; t < budget + 22; ++t) again.step();
        CHECK(again.held() == fork.held());
        CHECK(again.lane.evictions() == fork.lane.evictions());
    });
}

TEST_CASE("after reset a lane decides as a new one") {
    for_each_known(8, [](const AnyPolicy& policy, std::size_t budget) {
        Engine used(policy, {.budget = budget}), fresh(policy, {.budget = budget});
        for (std::size_t t = 0; t < budget + 22; ++t) used.step();
        used.lane.reset();
        CHECK(used.lane.size() == 0);
        CHECK(used.lane.extent() == 0);
        CHECK(used.lane.seen() == 0);
        CHECK(used.lane.evictions() == 0);
        used.random = Random{1};
        used.position = 0;
        for (std::size_t t = 0; t < budget + 22; ++t) {
            used.step();
            fresh.step();
            REQUIRE(used.held() == fresh.held());
        }
    });
}

TEST_CASE("an unbounded lane keeps everything and grows when told") {
    for_each_known(10, [](const AnyPolicy& policy, std::size_t budget) {
        Engine engine(policy, {.budget = unbounded, .capacity = 4});
        for (int t = 0; t < 90 + static_cast<int>(budget); ++t) {
            if (engine.lane.size() == engine.lane.capacity()) {
                engine.lane.set_capacity(2 * engine.lane.capacity());
                engine.rows.resize(8 * (engine.lane.capacity() + 1));
            }
            CHECK(engine.step().empty());
        }
        CHECK(engine.lane.size() == 90 + budget);
        CHECK(engine.held().back() == std::pair<Arrival, std::size_t>{89 + budget, 89 + budget});
        engine.lane.set_budget(budget);
        CHECK(engine.step().size() == 91);
    });
}

TEST_CASE("evict by name drops what no rating would") {
    for_each_known(8, [](const AnyPolicy& policy, std::size_t budget) {
        Engine engine(policy, {.budget = budget});
        for (std::size_t t = 0; t < budget; ++t) engine.step();
        REQUIRE(engine.lane.pin(Slot(5)));
        engine.lane.evict(Slot(5));
        REQUIRE(engine.lane.victims().size() == 1);
        CHECK(engine.lane.victims()[0] == 5);
        CHECK_FALSE(engine.lane.live(Slot(5)));
        CHECK(engine.lane.size() == budget - 1);
        CHECK(engine.evict().empty());
        CHECK(engine.lane.victims().empty());
        engine.append();
        CHECK(engine.lane.live(Slot(5)));
        CHECK_FALSE(engine.lane.pinned(Slot(5)));
    });
}

TEST_CASE("victims() are those of this lane's last eviction alone") {
    for_each_known(8, [](const AnyPolicy& policy, std::size_t budget) {
        Engine engine(policy, {.budget = budget}), other(policy, {.budget = budget});
        for (std::size_t t = 0; t < budget; ++t) {
            engine.step();
            other.step();
        }
        engine.lane.evict(Slot(1));
        engine.lane.evict(Slot(3));
        other.lane.evict(Slot(5));
        REQUIRE(engine.lane.victims().size() == 1);
        CHECK(engine.lane.victims()[0] == 3);
    });
}

}  // namespace contract_tests
