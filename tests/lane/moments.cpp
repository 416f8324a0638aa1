#include <algorithm>
#include <array>
#include <msrnn/decide.hpp>
#include <span>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/counter.hpp"
#include "support/policies.hpp"
#include "support/random.hpp"
#include "support/same_record.hpp"
#include "support/show_all.hpp"

namespace moments_tests {

using namespace msrnn;

namespace {

using Positions = std::vector<std::int64_t>;

/// Takes every kind of evidence, in an order of its own, and writes down what it saw.
struct Witness {
    struct Seen {
        float sum = 0, head = 0, query = 0, key = 0, value = 0;
        std::size_t rows = 0, age = 0, generated = 0;
        std::int64_t position = 0;
    };
    static inline std::vector<Seen> seen = {};
    static inline std::size_t choices = 0;

    Memory memory(Shape lane) const { return {.columns = 1, .floats = lane.query_heads * lane.head_dim}; }
    void observe(const Values& values, Ratings rating, const Query& query, const Heads& heads, const Attention& all,
                 const Keys& keys) const {
        Seen now;
        all.sum([&](std::size_t slot, float weight) { now.sum += rating.live(slot) ? weight : 0; });
        for (std::size_t head = 0; head < heads.query_heads; ++head) now.head += heads(head)[rating.newest];
        for (std::size_t head = 0; head < query.query_heads; ++head) now.query += query(head)[1];
        now.key = keys(rating.newest)[0];
        now.value = values(rating.newest)[0];
        now.rows = rating.rows;
        now.age = rating.age(rating.newest);
        now.generated = rating.generated();
        now.position = rating.position[rating.newest].value();
        rating.floats[0] += 1;
        seen.push_back(now);
    }
    void rate(const Keys& keys, Ratings rating) const {
        ++choices;
        rating.each([&](std::size_t slot) { rating[slot] += keys(slot)[0]; });
    }
};

/// Adds one to what it finds.
struct AddsOne {
    void rate(Ratings rating) const {
        rating.each([&](std::size_t slot) { rating[slot] += 1; });
    }
};

/// Rates all slots that it is shown by their rank in time, the latest lowest.
struct LatestFirst {
    Protection protection(std::size_t) const { return {}; }
    void rate(Ratings rating) const {
        float rank = 0;
        for (const Slot slot : rating.in_order()) rating[slot] = -rank++;
    }
};

template <class P>
void observe(Lane<P>& lane, Random& random) {
    std::vector<float> weights(lane.extent());
    for (float& weight : weights) weight = random.unit();
    lane.observe(weights);
}

}  // namespace

TEST_CASE("a hook is shown what it takes, in any order of arguments") {
    Witness::seen.clear();
    Witness::choices = 0;
    Lane<Witness> lane(Limits{.budget = 2, .query_heads = 2, .head_dim = 3});
    const std::array<float, 6> query{0, 10, 0, 0, 20, 0};
    std::array<float, 3> keys{}, values{};
    lane.prompt(2);
    for (int t = 0; t < 4; ++t) {
        const Slot slot = lane.append(100 + t);
        keys[slot] = static_cast<float>(t + 1), values[slot] = static_cast<float>(-t);
        std::vector<float> weights(2 * lane.extent(), 0.25f);
        const Keys shown_keys(keys.data(), 1, 1);
        lane.observe(
            Attention{.weights = weights.data(), .query_heads = 2, .slots = lane.extent(), .stride = lane.extent()},
            Query{.first = query.data(), .query_heads = 2, .head_dim = 3}, shown_keys, Values(values.data(), 1, 1));
        const Witness::Seen& now = Witness::seen.back();
        CHECK(now.sum == 0.5f * static_cast<float>(lane.size()));
        CHECK(now.head == 0.5f);
        CHECK(now.query == 30);
        CHECK(now.key == static_cast<float>(t + 1));
        CHECK(now.value == static_cast<float>(-t));
        CHECK(now.position == 100 + t);
        CHECK(now.age == 1);
        CHECK(now.generated == static_cast<std::size_t>(t < 2 ? 0 : t - 1));
        CHECK(now.rows == (t < 3 ? static_cast<std::size_t>(t + 1) : 1));
        lane.evict(shown_keys);
    }
    CHECK(Witness::choices == 2);
    CHECK(by_arrival::kept(lane) == Positions{102, 103});  // the lowest keys were those of 100 and 101
    CHECK(lane.floats()[0] == 4);
    CHECK(lane.floats().size() == 6);
}

TEST_CASE("memory for each query head asks for their number") {
    CHECK(problem(Witness{}, {.budget = 4}) ==
          "msrnn: query_heads is 0 and head_dim 0, and this policy keeps floats for them; set both in Limits");
    CHECK(problem(Witness{}, {.budget = 4, .query_heads = 2, .head_dim = 8}).empty());
    CHECK(problem(Counter{}, {.budget = 4}).empty());
    CHECK_THROWS_AS(Lane<Witness>(4), std::invalid_argument);
}

TEST_CASE("a summed row does not serve a policy that looks at each head, and a token is shown once") {
    Lane<Witness> lane(Limits{.budget = 2, .query_heads = 2, .head_dim = 3});
    lane.append(0);
    const std::array<float, 6> numbers{};
    const Keys keys(numbers.data(), 1, 1);
    const Values values(numbers.data(), 1, 1);
    const Query query{.first = numbers.data(), .query_heads = 2, .head_dim = 3};
    const auto show = [&](std::size_t rows) {
        lane.observe(Attention{.weights = numbers.data(), .query_heads = 2, .slots = 1, .stride = 1, .rows = rows},
                     query, keys, values);
    };
    CHECK_THROWS_AS(show(1), msrnn_assertion_failed);
    CHECK_NOTHROW(show(2));
    CHECK_THROWS_AS(show(2), msrnn_assertion_failed);
}

TEST_CASE("floats of a lane are copied, recorded, undone and reset") {
    Random random{1};
    Lane<Counter> lane(4);
    for (int t = 0; t < 9; ++t) lane.append(t), observe(lane, random), lane.evict();
    CHECK(std::vector<float>(lane.floats().begin(), lane.floats().end()) == std::vector<float>{9, 5});
    CHECK(lane.record().floats.size() == 2);

    const LaneCheckpoint before = lane.checkpoint();
    const LaneRecord record = lane.record();
    lane.append(9), observe(lane, random), lane.evict();
    CHECK(lane.floats()[0] == 10);
    lane.restore(before);
    CHECK(same_record(lane.record(), record));

    Lane<Counter> other(4), copy = lane;
    other.restore(record);
    CHECK(same_record(other.record(), record));
    CHECK(copy.floats()[0] == 9);
    LaneRecord wrong = record;
    wrong.floats.push_back(0);
    CHECK(other.problem(wrong, other.capacity()) ==
          "msrnn: a lane's record has 3 floats of its policy, which keeps 2; it is the record of another policy");
    lane.reset();
    CHECK(lane.floats()[0] == 0);

    Lane<Counter> taken = std::move(copy);
    copy.append(0), observe(copy, random);
    CHECK(copy.floats()[0] == 1);
    CHECK(taken.floats()[0] == 9);
}

TEST_CASE("ratings start at 0 in every choice, and in_order() is the order of arrival") {
    Lane<LatestFirst> lane({.budget = 3, .capacity = 6});
    for (int t = 0; t < 6; ++t) lane.append(t);
    CHECK(by_arrival::positions(lane, lane.evict()) == Positions{5, 4, 3});
    for (int t = 6; t < 9; ++t) lane.append(t);  // into the slots of 3, 4, 5, the latest first
    CHECK(by_arrival::positions(lane, lane.evict()) == Positions{8, 7, 6});

    Lane<AddsOne> sums(4);
    for (int t = 0; t < 20; ++t) sums.append(t), sums.evict();
    for (const LaneToken token : sums.tokens()) CHECK(token.rating == 1);
}

TEST_CASE("slack lets tokens pile up, and evicts them together") {
    Random random{3};
    Lane<H2O> lane(Limits{.budget = 8, .slack = 3});
    CHECK(lane.capacity() == 12);
    std::vector<std::size_t> evicted;
    for (int t = 0; t < 24; ++t) {
        lane.append(t);
        observe(lane, random);
        CHECK(lane.due() == (lane.size() == 12));
        const LaneRecord record = lane.record();
        evicted.push_back(lane.evict().size());
        if (evicted.back() == 0) CHECK(same_record(record, lane.record()));
    }
    for (std::size_t t = 0; t < evicted.size(); ++t) CHECK(evicted[t] == (t >= 11 && (t - 11) % 4 == 0 ? 4 : 0));

    // What a choice of four evicts are the four weakest of a lane that looks at the same ratings.
    Lane<H2O> sorted = lane;
    while (!sorted.due()) sorted.append(100), observe(sorted, random);
    std::vector<std::pair<float, Arrival>> candidates;
    for (const LaneToken token : sorted.tokens())
        if (sorted.candidate(token.slot)) candidates.emplace_back(token.rating, token.arrival);
    std::sort(candidates.begin(), candidates.end());
    const auto victims = sorted.evict();
    REQUIRE(victims.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) CHECK(sorted.arrival(victims[i]) == candidates[i].second);
}

TEST_CASE("slack and capacity are checked together") {
    CHECK(problem(H2O{}, {.budget = 8, .capacity = 11, .slack = 3}) ==
          "msrnn: capacity 11 does not exceed budget 8 and slack 3; a step needs one row more than both");
    CHECK(problem(H2O{}, {.budget = 8, .capacity = 12, .slack = 3}).empty());
    CHECK_FALSE(problem(H2O{}, {.budget = 8, .slack = unbounded}).empty());
    Lane<H2O> lane(Limits{.budget = 8, .slack = 3});
    CHECK_FALSE(lane.problem(9, lane.capacity()).empty());
    CHECK_THROWS_AS(lane.set_budget(9), std::invalid_argument);
    CHECK_NOTHROW(lane.set_budget(7));
}

TEST_CASE("steps that evict several tokens are undone, one after the other") {
    for_every_policy([]<class P>(const P& policy) {
        Random random{5};
        Lane<P> lane(Limits{.budget = 8, .slack = 2, .query_heads = 1, .head_dim = 1}, policy);
        std::vector<Lane<P>> past;
        std::vector<LaneCheckpoint> before;
        for (int t = 0; t < 60; ++t) {
            past.push_back(lane);
            before.push_back(lane.checkpoint());
            lane.append(t);
            std::vector<float> weights(lane.extent());
            for (float& weight : weights) weight = random.unit();
            show_all::observe(lane, weights);
            show_all::evict(lane, weights);
        }
        for (int back = 0; back < 50; ++back) {
            lane.restore(before.back());
            REQUIRE(same_record(lane.record(), past.back().record()));
            REQUIRE(lane.next() == past.back().next());
            REQUIRE(lane.evictions() == past.back().evictions());
            before.pop_back(), past.pop_back();
        }
        CHECK(lane.seen() == 10);
    });
}

TEST_CASE("between the halves of a choice a rule may share out budgets; rate() is called once") {
    Random random{7};
    std::vector<Lane<H2O>> lanes(2, Lane<H2O>(Limits{.budget = 8, .capacity = 20}, {.recent = 1}));
    for (Lane<H2O>& lane : lanes)
        for (int t = 0; t < 14; ++t) lane.append(t), observe(lane, random);
    for (Lane<H2O>& lane : lanes) lane.rate();
    CHECK_THROWS_AS(lanes[0].rate(), msrnn_assertion_failed);
    lanes[0].set_budget(12), lanes[1].set_budget(4);
    CHECK(lanes[0].evict_rated().size() == 2);
    CHECK(lanes[1].evict_rated().size() == 10);
    CHECK(lanes[0].size() + lanes[1].size() == 16);
    CHECK(lanes[1].evict().empty());
}

TEST_CASE("rows are read through a pointer, a small callable that is copied, or a large one with a name") {
    const std::array<float, 4> numbers{1, 2, 3, 4};
    const Keys strided(numbers.data(), 2, 1);
    CHECK(strided(1)[0] == 3);
    const Keys copied([&](Slot slot) { return std::span<const float>(&numbers[3 - slot], 1); });
    CHECK(copied(0)[0] == 4);
    struct Large {
        std::array<float, 64> all{};
        std::span<const float> operator()(Slot slot) const { return std::span<const float>(all).subspan(slot, 1); }
    };
    Large large;
    const Values named(large);
    large.all[5] = 7;
    CHECK(named(5)[0] == 7);
    CHECK_FALSE(Keys().shown());
    CHECK(named.shown());
}

TEST_CASE("tokens() walks the live slots") {
    Lane<Window> lane({.budget = 4, .capacity = 8});
    for (int t = 0; t < 8; ++t) lane.append(10 * t);
    lane.evict(Slot(0)), lane.evict(Slot(5)), lane.evict(Slot(7));
    Positions positions;
    for (const LaneToken token : lane.tokens()) {
        positions.push_back(token.position.value());
        CHECK(lane.arrival(token.slot) == token.arrival);
    }
    CHECK(positions == Positions{10, 20, 30, 40, 60});
    CHECK(lane.tokens().size() == 5);
    CHECK(Lane<Window>(4).tokens().empty());
}

}  // namespace moments_tests
