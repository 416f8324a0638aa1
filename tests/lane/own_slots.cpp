#include <cstdint>
#include <map>
#include <msrnn/any_policy.hpp>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/same_record.hpp"

namespace own_slots_tests {

using namespace msrnn;

namespace {

using Positions = std::vector<std::int64_t>;

/// A lane beside the numbers of its tokens, which do not depend on the slots that they lie in.
struct Fed {
    Lane<AnyPolicy> lane;
    std::vector<std::vector<float>> keys = std::vector<std::vector<float>>(64, std::vector<float>(4));

    void fill(Slot slot, std::int64_t position) {
        Random random{static_cast<std::uint64_t>(position) + 1};
        for (float& x : keys[slot]) x = random.unit() - 0.5f;
    }
    Positions see_and_evict(std::int64_t newest) {
        std::vector<float> weights(lane.extent(), NAN), query(4);
        Random random{static_cast<std::uint64_t>(newest) + 1000};
        for (float& x : query) x = random.unit() - 0.5f;
        for (const LaneToken token : lane.tokens())
            weights[token.slot] = Random{static_cast<std::uint64_t>(100 * newest + token.position.value())}.unit();
        const auto read = [this](Slot slot) { return std::span<const float>(keys[slot]); };
        lane.observe(Attention{.weights = weights.data(), .query_heads = 1, .slots = weights.size(), .stride = 0},
                     Query{query.data(), 1, 4}, Outputs{query.data(), 1, 4}, Keys(read), Values(read));
        return by_arrival::positions(lane, lane.evict(Keys(read), Values(read)));
    }
};
constexpr Limits small{.budget = 12, .capacity = 64, .query_heads = 1, .head_dim = 4};
Fed fed(const AnyPolicy& policy) { return {Lane<AnyPolicy>(small, policy)}; }
/// Any slot that holds no token, beyond the extent too.
Slot some_vacancy(const Lane<AnyPolicy>& lane, Random& random) {
    for (;;)
        if (const Slot slot(random.below(lane.capacity())); !lane.live(slot)) return slot;
}

}  // namespace

TEST_CASE("a lane decides alike whichever slots an engine assigns, and undoes such a step whole") {
    for (const AnyPolicy& policy : AnyPolicy::known()) {
        if (!problem(policy, small).empty()) continue;  // its window is longer than the budget
        CAPTURE(policy.name());
        Fed own = fed(policy), assigned = fed(policy);
        Random random{11};
        std::size_t undone = 0, beyond = 0;
        for (std::int64_t t = 0; t < 400; ++t) {
            own.fill(own.lane.append(t), t);
            const Positions victims = own.see_and_evict(t);
            const LaneRecord before = assigned.lane.record();
            const LaneCheckpoint checkpoint = assigned.lane.checkpoint();
            for (const bool again : {true, false}) {
                const Slot slot = some_vacancy(assigned.lane, random);
                beyond += slot > assigned.lane.extent();
                REQUIRE(assigned.lane.append(t, slot) == slot);
                const std::vector<float> row = assigned.keys[slot];
                assigned.fill(slot, t);
                REQUIRE(assigned.see_and_evict(t) == victims);
                REQUIRE(by_arrival::kept(assigned.lane) == by_arrival::kept(own.lane));
                if (!again || random.one_in(2)) break;
                assigned.lane.restore(checkpoint);
                assigned.keys[slot] = row;
                REQUIRE(same_record(assigned.lane.record(), before));
                ++undone;
            }
        }
        CHECK(undone > 100);
        CHECK(beyond > 0);
        CHECK(own.lane.evictions() == 388);
        Lane<AnyPolicy> other(small, policy);
        other.restore(assigned.lane.record());
        CHECK(other.next() == assigned.lane.next());
        assigned.lane.compact([&](Move move) { assigned.keys[move.to] = assigned.keys[move.from]; });
        own.fill(own.lane.append(400), 400);
        assigned.fill(assigned.lane.append(400, Slot(63)), 400);
        CHECK(assigned.see_and_evict(400) == own.see_and_evict(400));
    }
}

TEST_CASE("slots before one that an engine assigned are vacancies, and the next tokens take them") {
    Lane<Window> lane({.budget = 4, .capacity = 8});
    lane.append(0, Slot(3));
    CHECK(lane.extent() == 4);
    CHECK(lane.size() == 1);
    CHECK(lane.live(Slot(3)));
    for (const std::size_t slot : {0u, 1u, 2u}) CHECK_FALSE(lane.live(Slot(slot)));
    lane.append(1, Slot(1));
    CHECK(lane.append(2) == Slot(2));
    CHECK(lane.append(3) == Slot(0));
    CHECK(lane.append(4) == Slot(4));
    lane.evict();
    CHECK(lane.victims().front() == Slot(3));
    CHECK(lane.append(5) == Slot(3));
}

TEST_CASE("a slot that holds a token, or lies beyond the capacity, cannot be assigned") {
    Lane<Window> lane({.budget = 4, .capacity = 8});
    lane.append(0, Slot(3));
    CHECK_THROWS_AS(lane.append(1, Slot(3)), std::logic_error);
    CHECK_THROWS_AS(lane.append(1, Slot(8)), std::logic_error);
    CHECK(lane.size() == 1);
}

}  // namespace own_slots_tests
