#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <msrnn/trace/metered.hpp>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/choices.hpp"
#include "support/close.hpp"
#include "support/random.hpp"
#include "support/same_record.hpp"

namespace metered_tests {

using namespace msrnn;

namespace {

/// What a lane loses, by the book: the mean weight that each token last had, written down by its arrival.
struct Book {
    std::map<Arrival, double> weight = {};
    double lost = 0, lost_now = 0;

    template <class L>
    void seen(const L& lane, const std::vector<float>& weights, std::size_t heads) {
        lost_now = 0;
        for (const LaneToken token : lane.tokens()) {
            double sum = 0;
            for (std::size_t h = 0; h < heads; ++h) sum += static_cast<double>(weights[h * lane.extent() + token.slot]);
            weight[token.arrival] = sum / static_cast<double>(heads);
        }
    }
    template <class L>
    void evicted(const L& lane) {
        std::map<Arrival, double> left;
        for (const LaneToken token : lane.tokens()) left.emplace(token.arrival, weight.at(token.arrival));
        double gone = 0;
        for (const auto& [arrival, x] : weight) gone += left.contains(arrival) ? 0 : x;
        lost += gone, lost_now += gone;
        weight = std::move(left);
    }
};

constexpr std::size_t heads = 3, room = 60;

struct Rows {
    std::vector<float> keys = std::vector<float>(room * 2);
    Keys shown() const { return {keys.data(), 2, 2}; }
};
std::vector<float> random_weights(std::size_t extent, Random& random) {
    std::vector<float> weights(heads * extent);
    for (std::size_t h = 0; h < heads; ++h) {
        float sum = 0;
        for (std::size_t slot = 0; slot < extent; ++slot) {
            const float x = random.unit();
            sum += weights[h * extent + slot] = x * x * x * x;
        }
        for (std::size_t slot = 0; slot < extent; ++slot) weights[h * extent + slot] /= sum;
    }
    return weights;
}

}  // namespace

TEMPLATE_TEST_CASE("a meter counts the mass of every victim, and decides as the policy inside", "", H2O, Tova, KeyNorm,
                   SinkWindow, RandomEviction) {
    Random random{41};
    for (const std::size_t slack : {0u, 5u}) {
        const Limits limits{.budget = 20, .capacity = room, .slack = slack};
        const TestType policy{};
        Lane<Metered<TestType>> lane(limits, Metered<TestType>{policy});
        Lane<AnyPolicy> any(limits, Metered<TestType>{policy});
        Lane<TestType> beside(limits, policy);
        Rows rows;
        Book book;
        for (std::size_t t = 0; t < 300; ++t) {
            const Slot slot = lane.append(t);
            REQUIRE((beside.append(t) == slot && any.append(t) == slot));
            rows.keys[2 * slot] = random.unit();
            const std::vector<float> weights = random_weights(lane.extent(), random);
            const Attention seen{weights.data(), heads, lane.extent(), lane.extent()};
            lane.observe(seen), any.observe(seen), beside.observe(seen);
            book.seen(lane, weights, heads);
            lane.evict(rows.shown()), any.evict(rows.shown()), beside.evict(rows.shown());
            book.evicted(lane);
            REQUIRE(std::ranges::equal(lane.victims(), beside.victims()));
            REQUIRE(std::ranges::equal(any.victims(), beside.victims()));
            REQUIRE(close(mass_lost_now(lane), book.lost_now, 1e-6, 0));
            REQUIRE(close(lost_mass(lane), book.lost, 1e-5, 1e-6));
            REQUIRE(lost_mass(any) == lost_mass(lane));
            if (t % 50 == 49) {
                const auto carry = [&](Move move) { rows.keys[2 * move.to] = rows.keys[2 * move.from]; };
                lane.compact(carry), any.compact([](Move) {}), beside.compact([](Move) {});
            }
            if (t % 70 == 69) {
                const Slot victim = (*lane.tokens().begin()).slot;
                lane.evict(victim), any.evict(victim), beside.evict(victim);
                book.evicted(lane);
                REQUIRE(close(lost_mass(lane), book.lost, 1e-5, 1e-6));
            }
        }
        CHECK(book.lost > 0.1);
        lane.reset();
        CHECK(lost_mass(lane) == 0);
    }
}

TEST_CASE("copies, records and undone steps keep the meter right") {
    Random random{42};
    Lane<Metered<H2O>> lane(Limits{.budget = 12, .capacity = room}, Metered<H2O>{});
    Book book;
    const auto step = [](Lane<Metered<H2O>>& one, Book& beside, std::size_t t) {
        Random numbers{t};
        one.append(t);
        const std::vector<float> weights = random_weights(one.extent(), numbers);
        one.observe(weights.data(), heads, one.extent());
        beside.seen(one, weights, heads);
        one.evict();
        beside.evicted(one);
    };
    for (std::size_t t = 0; t < 200; ++t) {
        if (t % 3 == 0) {
            const LaneCheckpoint before = lane.checkpoint();
            Book undone = book;
            step(lane, undone, 1000 + random.below(1000));
            lane.restore(before);
        }
        step(lane, book, t);
        REQUIRE(close(lost_mass(lane), book.lost, 1e-5, 1e-6));
    }
    Lane<Metered<H2O>> other(Limits{.budget = 12, .capacity = room}, Metered<H2O>{});
    other.restore(lane.record());
    CHECK(lost_mass(other) == lost_mass(lane));
    for (std::size_t t = 200; t < 230; ++t) {
        Book ignored = book;
        step(other, ignored, t), step(lane, book, t);
        REQUIRE(lost_mass(other) == lost_mass(lane));
    }
}

TEST_CASE("a million small losses add up") {
    Lane<Metered<Window>> lane(Limits{.budget = 2}, Metered<Window>{});
    const float weights[] = {0.001f, 0.001f, 0.001f};
    constexpr int tokens = 1'000'000;
    for (int t = 0; t < tokens; ++t) {
        lane.append(t);
        lane.observe(weights, 1, 3 - (t < 2 ? 2 - static_cast<std::size_t>(t) : 0));
        lane.evict();
    }
    CHECK(close(lost_mass(lane), (tokens - 2) * static_cast<double>(0.001f), 0.01, 0));
}

TEST_CASE("a meter asks for weights and adds its memory to that of the policy inside") {
    CHECK(needs_of<Metered<KeyNorm>>().at_observe == Attention::bit);
    CHECK(needs_of<Metered<KeyNorm>>().at_choice == Keys::bit);
    const Facts inside = facts_of(SnapKV{}, Shape{}, 100), metered = facts_of(Metered{SnapKV{}}, Shape{}, 100);
    CHECK(metered.memory.columns == inside.memory.columns + 1);
    CHECK(metered.memory.floats == inside.memory.floats + 3);
    CHECK(metered.observation_window == inside.observation_window);
    CHECK(metered.protection.recent == 32);
}

TEST_CASE("a metered policy is that inside, whatever is done to its lane") {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        const auto outcome = differential::run(seed, 4000, Metered<H2O>{});
        INFO(outcome.mismatch);
        CHECK(outcome.mismatch.empty());
        CHECK(outcome.taken_back > 0);
    }
}

}  // namespace metered_tests
