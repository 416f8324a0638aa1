#include <cmath>

#include "adapt/fed.hpp"
#include "support/assert_throws.hpp"
#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/simple_policies.hpp"

namespace consensus_tests {

using namespace msrnn;

namespace {

using Lanes = std::vector<Lane<AnyPolicy>>;

bool leaves(const Lane<AnyPolicy>& lane, Slot a, Slot b) {
    const float x = lane.rating(a), y = lane.rating(b);
    return x != y ? x < y : lane.arrival(a) < lane.arrival(b);
}
std::vector<Slot> candidates(const Lanes& lanes) {
    std::vector<Slot> all;
    for (const Slot slot : by_arrival::slots(lanes[0]))
        if (std::ranges::all_of(lanes, [&](const auto& lane) { return lane.candidate(slot); })) all.push_back(slot);
    return all;
}
std::size_t rank_of(const Lane<AnyPolicy>& lane, Slot slot, const std::vector<Slot>& among) {
    std::size_t rank = 0;
    for (const Slot other : among) rank += leaves(lane, other, slot);
    return rank;
}
std::vector<Slot> plain_mean_of_ranks(const Lanes& lanes, std::size_t over) {
    const std::vector<Slot> all = candidates(lanes);
    std::vector<Slot> gone;
    for (; over > 0; --over) {
        std::size_t lowest = all.size() * lanes.size();
        Slot found;
        for (const Slot slot : all) {  // the earliest arrival first
            std::size_t sum = 0;
            for (const auto& lane : lanes) sum += rank_of(lane, slot, all);
            if (sum >= lowest || std::ranges::count(gone, slot) > 0) continue;
            lowest = sum;
            found = slot;
        }
        gone.push_back(found);
    }
    return gone;
}
std::set<std::size_t> plain_union_of_kept(const Lanes& lanes, std::size_t over) {
    std::set<std::size_t> gone;
    const std::vector<Slot> all = candidates(lanes);
    for (const Slot slot : all)
        if (std::ranges::all_of(lanes, [&](const auto& lane) { return rank_of(lane, slot, all) < over; }))
            gone.insert(slot);
    return gone;
}

std::vector<Fed> three(const std::vector<AnyPolicy>& policies, std::size_t slack) {
    std::vector<Fed> all;
    for (std::size_t head = 0; head < policies.size(); ++head) all.push_back(fed(policies[head], 12, slack, head));
    return all;
}

/// Feeds lanes, and decides with `decide(lanes, over)` when they are due.
template <class Decide>
void feed(std::vector<Fed> all, Decide decide) {
    for (std::int64_t t = 0; t < 200; ++t) {
        bool due = true;
        for (Fed& one : all) {
            one.lane.append(t);
            one.see(t);
            due = due && one.lane.due();
        }
        if (!due) continue;
        Lanes lanes;
        for (Fed& one : all) {
            one.rate();
            lanes.push_back(one.lane);
        }
        decide(lanes, lanes[0].size() - lanes[0].budget());
        for (std::size_t i = 0; i < all.size(); ++i) all[i].lane = lanes[i];
    }
}

const std::vector<std::vector<AnyPolicy>> parties{
    {H2O{}, H2O{}, H2O{}},
    {Tova{}, DecayedAttention{}, KeyNorm{}},
    {Protect<Tova>{.extra = {.sinks = 2}}, H2O{}, Window{}},
    {Window{}, Window{}},
};

}  // namespace

TEST_CASE("the lowest mean of ranks leaves, of equal ones the earliest arrival, and every lane drops the same") {
    Consensus consensus;
    for (std::size_t party = 0; party < parties.size(); ++party)
        for (const std::size_t slack : {0u, 5u}) {
            CAPTURE(party, slack);
            feed(three(parties[party], slack), [&](Lanes& lanes, std::size_t over) {
                const std::vector<Slot> expected = plain_mean_of_ranks(lanes, over);
                const auto gone = consensus.mean_of_ranks(lanes);
                REQUIRE(std::ranges::equal(gone, expected));
                for (const auto& lane : lanes) {
                    REQUIRE(std::ranges::equal(lane.victims(), expected));
                    REQUIRE(lane.size() == 12);
                    REQUIRE(by_arrival::kept(lane) == by_arrival::kept(lanes[0]));
                }
            });
        }
}

TEST_CASE("a lane that agrees with itself alone decides as ever") {
    for (const AnyPolicy& policy : simple_policies()) {
        CAPTURE(policy.name());
        Fed alone = fed(policy, 12);
        Consensus consensus;
        std::int64_t t = 0;
        feed(three({policy}, 0), [&](Lanes& lanes, std::size_t) {
            consensus.mean_of_ranks(lanes);
            for (; t < static_cast<std::int64_t>(lanes[0].seen()); ++t) {
                alone.lane.append(t);
                alone.see(t);
                alone.evict();
            }
            REQUIRE(by_arrival::kept(lanes[0]) == by_arrival::kept(alone.lane));
        });
        CHECK(t == 200);
    }
}

TEST_CASE("what one lane keeps all keep: a token leaves where every lane would evict it") {
    Consensus consensus;
    std::size_t fewer = 0, some = 0;
    for (std::size_t party = 0; party < parties.size(); ++party)
        for (const std::size_t slack : {0u, 5u}) {
            CAPTURE(party, slack);
            feed(three(parties[party], slack), [&](Lanes& lanes, std::size_t over) {
                const std::set<std::size_t> expected = plain_union_of_kept(lanes, over);
                const auto gone = consensus.union_of_kept(lanes);
                REQUIRE(std::set<std::size_t>(gone.begin(), gone.end()) == expected);
                fewer += gone.size() < over;
                some += !gone.empty();
                for (const auto& lane : lanes) REQUIRE(by_arrival::kept(lane) == by_arrival::kept(lanes[0]));
                if (lanes[0].size() < 60) return;
                for (auto& lane : lanes) lane.rate(Keys([](Slot) { return std::span<const float>(); }));
                consensus.mean_of_ranks(lanes);
                REQUIRE(lanes[0].size() == 12);
            });
        }
    CHECK(fewer > 100);
    CHECK(some > 100);
}

TEST_CASE("lanes that hold different tokens cannot agree") {
    Lanes lanes(2, Lane<AnyPolicy>({.budget = 2, .capacity = 8}, Window{}));
    for (int t = 0; t < 4; ++t)
        for (auto& lane : lanes) lane.append(t);
    lanes[0].evict(Slot(1));
    lanes[1].evict(Slot(2));
    Consensus consensus;
    CHECK_THROWS_AS(consensus.mean_of_ranks(lanes), msrnn_assertion_failed);
    CHECK_THROWS_AS(consensus.union_of_kept(lanes), msrnn_assertion_failed);
}

TEST_CASE("the choice of a rule ends as a lane's own does: rows are counted anew, and the next choice may be rated") {
    struct CountsRows {
        std::vector<std::size_t>* rows;
        void observe(const Attention&, Ratings rating) const { rows->push_back(rating.rows); }
    };
    std::vector<std::size_t> rows;
    std::vector<Lane<CountsRows>> lanes(1, Lane<CountsRows>({.budget = 2, .slack = 2}, {&rows}));
    Consensus consensus;
    for (int t = 0; t < 8; ++t) {
        lanes[0].append(t);
        lanes[0].observe(std::vector<float>(lanes[0].extent(), 0.5f));
        if (!lanes[0].due()) continue;
        lanes[0].rate();
        CHECK(consensus.mean_of_ranks(lanes).size() == 3);
        CHECK(lanes[0].victims().size() == 3);
    }
    CHECK(rows == std::vector<std::size_t>{1, 2, 3, 4, 5, 1, 2, 3});
    CHECK(lanes[0].evictions() == 6);
    lanes[0].rate();
    lanes[0].evict_rated(std::vector{Slot(0)});
    lanes[0].rate();
    CHECK(lanes[0].evict_rated(std::span<const Slot>()).empty());
}

}  // namespace consensus_tests
