#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/policies.hpp"
#include "support/random.hpp"

namespace record_tests {

using namespace msrnn;

namespace {

/// A policy of one's own that keeps two columns, and rates by them late.
struct TwoColumns {
    [[maybe_unused]] static constexpr const char* name = "two-columns";
    Memory memory(Shape) const { return {.columns = 2}; }
    Protection protection(std::size_t budget) const { return {.sinks = 1, .recent = budget / 2}; }
    void observe(const Attention& seen, Ratings rating) const {
        const auto all = rating.column(0), late = rating.column(1);
        for (float& x : late) x *= 0.5f;
        seen.sum([&](std::size_t slot, float weight) { all[slot] += weight, late[slot] += weight; });
    }
    void rate(Ratings rating) const {
        for (std::size_t slot = 0; slot < rating.size(); ++slot)
            rating[slot] = rating.column(1)[slot] - 0.1f * rating.column(0)[slot];
    }
};

/// What a lane shows of itself, in numbers to be compared.
template <class Lane>
std::vector<std::uint64_t> picture_of(const Lane& lane) {
    std::vector<std::uint64_t> picture;
    const auto add = [&](auto number) { picture.push_back(static_cast<std::uint64_t>(number)); };
    const auto [sinks, recent] = lane.protection();
    for (const std::size_t number : {lane.budget(), lane.size(), lane.extent(), sinks, recent}) add(number);
    for (const std::uint64_t number : {lane.seen(), lane.evictions()}) add(number);
    if (lane.size() < lane.extent()) add(std::size_t{lane.next()});
    for (std::size_t s = 0; s < lane.extent(); ++s) {
        const Slot slot(s);
        add(lane.position(slot).value());
        add(lane.live(slot) ? lane.arrival(slot) : no_arrival);
        if (lane.live(slot) && !lane.facts().rates) add(std::bit_cast<std::uint32_t>(lane.rating(slot)));
        for (const bool is : {lane.live(slot), lane.pinned(slot), lane.candidate(slot)}) add(is);
    }
    return picture;
}

/// Weights for every slot.
template <class Lane>
void observe(Lane& lane, Random& random) {
    std::vector<float> weights(2 * lane.extent());
    for (float& weight : weights) weight = random.one_in(3) ? 0.25f : random.unit();
    lane.observe(weights);
}
template <class Lane>
void evict(Lane& lane) {
    std::vector<float> key(3);
    lane.evict(Keys([&](Slot slot) {
        Random of_key{static_cast<std::uint64_t>(lane.position(slot).value())};
        for (float& x : key) x = of_key.unit();
        return std::span<const float>(key);
    }));
}

/// One of the things that may happen to a lane; the same of all lanes that are alike.
template <class Lane>
void operate(Lane& lane, Random random) {
    const std::size_t dice = random.below(20);
    const Slot any = lane.size() == 0 ? Slot() : by_arrival::slots(lane)[random.below(lane.size())];
    if (dice < 12 && lane.size() < lane.capacity()) {
        lane.append(random.below(1'000'000));
        observe(lane, random);
        if (!random.one_in(4)) evict(lane);
    } else if (dice < 14) {
        if (lane.size() > 0 && !lane.record().observed) observe(lane, random);
        evict(lane);
    } else if (dice == 14 && lane.size() > 0) {
        static_cast<void>(lane.pin(any));
    } else if (dice == 15 && lane.size() > 0) {
        lane.unpin(any);
    } else if (dice == 16 && lane.size() > 0) {
        lane.evict(any);
    } else if (dice == 17) {
        lane.compact([](Move) {});
    } else if (dice == 18) {
        const std::size_t budget = 6 + random.below(10);
        if (lane.problem(budget, lane.capacity()).empty()) lane.set_budget(budget);
    }
}

struct Counted {
    std::size_t records = 0, vacancies = 0, two_vacancies = 0, pins = 0, waiting = 0;

    void add(const LaneRecord& record) {
        const std::size_t vacant = record.extent() - record.size();
        ++records;
        vacancies += vacant > 0;
        two_vacancies += vacant > 1;
        pins += record.pinned_behind(0) > 0;
        waiting += record.size() > record.budget;
    }
};

/// A lane lives on; one of other stamps takes its records now and then, and must be its double until the next.
template <class P>
void shadow(const P& policy, std::uint64_t seed, Counted& counted) {
    const LaneId id{.layer = 1, .kv_head = 2};
    Lane<P> lane({.budget = 10, .capacity = 20}, policy, id);
    Lane<P, std::uint8_t> other({.budget = 12, .capacity = 24}, policy, id);
    Random random{seed};
    for (int i = 0; i < 600; ++i) {
        if (i % 10 == 0) {
            const LaneRecord record = lane.record();
            counted.add(record);
            REQUIRE(other.problem(record, other.capacity()) == "");
            other.restore(record);
            REQUIRE(other.victims().empty());
            REQUIRE(other.capacity() == 24);
        }
        REQUIRE((picture_of(lane) == picture_of(other)));
        REQUIRE(lane.record().columns == other.record().columns);
        const std::uint64_t next = random.next();
        if (lane.size() == lane.capacity()) {
            evict(lane), evict(other);
            continue;
        }
        if (next % 20 == 18 && lane.budget() > 15) continue;
        operate(lane, Random{next});
        operate(other, Random{next});
    }
}

/// A lane with a vacancy, a pin, and tokens of both columns.
template <class P = TwoColumns>
Lane<P> used(P policy = {}) {
    Lane<P> lane({.budget = 8, .capacity = 12}, policy);
    Random random{3};
    for (int t = 0; t < 30; ++t) {
        lane.append(t);
        observe(lane, random);
        evict(lane);
        if (t == 7) REQUIRE(lane.pin(Slot(3)));
    }
    lane.evict(by_arrival::slots(lane).back());
    return lane;
}

/// The record is refused by these words, and the lane stays what it was.
template <class P>
void require_refused(const Lane<P>& lane, const LaneRecord& record, const std::string& words) {
    Lane<P> target = lane;
    const auto before = picture_of(target);
    const std::string sentence = target.problem(record, target.capacity());
    INFO(sentence);
    REQUIRE(sentence.find("msrnn: ") == 0);
    REQUIRE(sentence.find(words) != std::string::npos);
    std::string thrown;
    try {
        target.restore(record);
    } catch (const std::invalid_argument& error) {
        thrown = error.what();
    }
    REQUIRE(thrown == sentence);
    REQUIRE((picture_of(target) == before));
    REQUIRE(target.victims().size() == lane.victims().size());
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a lane that goes on from a record is the double of the one that left it", "", EveryPolicy) {
    Counted counted;
    for (const std::uint64_t seed : {1u, 2u, 3u}) shadow(TestType{}, seed, counted);
    CHECK(counted.records == 180);
    CHECK(counted.vacancies > 20);
    CHECK(counted.two_vacancies > 10);
    CHECK(counted.pins > 20);
    CHECK(counted.waiting > 10);
}

TEST_CASE("so is one whose policy keeps columns") {
    Counted counted;
    for (const std::uint64_t seed : {4u, 5u, 6u}) {
        shadow(TwoColumns{}, seed, counted);
        shadow(SnapKV{.window = 3, .kernel = 3}, seed, counted);
    }
    CHECK(counted.records == 360);
}

TEST_CASE("a record remembers what the policy was shown since the last append") {
    Lane<H2O> lane({.budget = 2, .capacity = 4}), fresh = lane;
    for (int t = 0; t < 3; ++t) lane.append(t);
    fresh.restore(lane.record());
    CHECK_THROWS_AS(fresh.evict(), msrnn_assertion_failed);
    lane.observe(std::vector<float>(3, 0.25f));
    CHECK(lane.record().observed);
    CHECK_FALSE(fresh.record().observed);
    fresh.restore(lane.record());
    CHECK(fresh.evict().size() == 1);
}

TEST_CASE("a record of no token is restored too") {
    Lane<TwoColumns> lane = used();
    lane.restore(Lane<TwoColumns>(5).record());
    CHECK(lane.size() == 0);
    CHECK(lane.extent() == 0);
    CHECK(lane.seen() == 0);
    CHECK(lane.budget() == 5);
    CHECK(lane.next() == 0);
    CHECK((picture_of(lane) == picture_of(Lane<TwoColumns>(5))));
}

TEST_CASE("a record without bound is taken by a lane with as many rows") {
    Lane<Window> whole({.budget = unbounded, .capacity = 9}), fresh({.budget = 4, .capacity = 9});
    for (int t = 0; t < 9; ++t) whole.append(t);
    fresh.restore(whole.record());
    CHECK(fresh.budget() == unbounded);
    CHECK(by_arrival::kept(fresh) == by_arrival::kept(whole));
}

TEST_CASE("a record that no lane can have left is refused, and nothing is changed") {
    const Lane<TwoColumns> lane = used();
    const LaneRecord good = lane.record();
    REQUIRE(lane.problem(good, lane.capacity()) == "");
    REQUIRE(good.extent() == 9);
    REQUIRE(good.size() == 7);  // of two vacancies the last one left is -1
    const auto slot_of = [&](std::int64_t arrival) {
        return static_cast<std::size_t>(std::find(good.arrivals.begin(), good.arrivals.end(), arrival) -
                                        good.arrivals.begin());
    };
    const std::size_t last_vacancy = slot_of(-1), first_vacancy = slot_of(-2), pinned = 3;
    REQUIRE(last_vacancy < 9);
    REQUIRE(first_vacancy < 9);
    REQUIRE(good.pinned[pinned] == 1);
    const std::size_t token = slot_of(0);  // a sink
    REQUIRE(token < 9);
    const auto refused = [&](const std::function<void(LaneRecord&)>& change, const std::string& words) {
        LaneRecord bad = good;
        change(bad);
        require_refused(lane, bad, words);
    };

    const std::string lengths = "columns of different lengths";
    refused([](LaneRecord& r) { r.positions.pop_back(); }, lengths);
    refused([](LaneRecord& r) { r.pinned.push_back(0); }, lengths);
    refused([](LaneRecord& r) { r.ratings.pop_back(); }, lengths);
    refused([](LaneRecord& r) { r.arrivals.pop_back(); }, lengths);
    refused([](LaneRecord& r) { r.columns.pop_back(); }, lengths);
    refused([](LaneRecord& r) { r.columns.clear(); }, lengths);
    refused([](LaneRecord& r) { r.columns.resize(3 * r.extent()); }, lengths);

    const std::string damaged = "it is damaged";
    refused([&](LaneRecord& r) { r.arrivals[token] = r.arrivals[pinned]; }, damaged);
    refused([&](LaneRecord& r) { r.arrivals[token] = 30; }, damaged);
    refused([&](LaneRecord& r) { r.arrivals[token] = std::numeric_limits<std::int64_t>::max(); }, damaged);
    refused([&](LaneRecord& r) { r.arrivals[token] = -1; }, damaged);
    refused([&](LaneRecord& r) { r.arrivals[token] = -4; }, damaged);
    refused([&](LaneRecord& r) { r.arrivals[token] = std::numeric_limits<std::int64_t>::min(); }, damaged);
    refused([&](LaneRecord& r) { r.arrivals[first_vacancy] = -3; }, damaged);
    refused([&](LaneRecord& r) { r.arrivals[first_vacancy] = -1; }, damaged);
    refused([&](LaneRecord& r) { r.arrivals[last_vacancy] = -2; }, damaged);
    refused([&](LaneRecord& r) { r.arrivals[last_vacancy] = 29; }, damaged);  // the other is not -1 then
    refused([](LaneRecord& r) { r.seen = 5; }, damaged);
    refused([](LaneRecord& r) { r.seen = 0; }, damaged);
    refused([](LaneRecord& r) { r.seen = std::uint64_t{1} << 62; }, "more than ever come");
    refused([](LaneRecord& r) { r.seen = ~std::uint64_t{0}; }, "more than ever come");

    refused([&](LaneRecord& r) { r.pinned[last_vacancy] = 1; }, "for pinned; it is 0, or 1 for a live token");
    refused([&](LaneRecord& r) { r.pinned[token] = 2; }, "has 2 for pinned");
    refused([&](LaneRecord& r) { r.pinned[pinned] = 255; }, "has 255 for pinned");

    refused([](LaneRecord& r) { r.budget = 0; }, "budget is 0");
    refused([](LaneRecord& r) { r.budget = 1; }, "leaves no slot behind 1 sinks");
    refused([](LaneRecord& r) { r.budget = 12; }, "capacity 12 does not exceed budget 12");
    refused([](LaneRecord& r) { r.budget = unbounded - 1; }, "does not exceed budget");
    refused(
        [](LaneRecord& r) {
            std::fill(r.pinned.begin(), r.pinned.end(), 0), r.budget = 2;
            r.pinned[3] = 1;
        },
        "smaller than what is protected (sinks 1, recent 1, pinned 1)");

    Lane<TwoColumns> few({.budget = 5, .capacity = 8});
    require_refused(few, good, "a lane's record has 9 slots and capacity is 8");
}

}  // namespace record_tests
