#include <algorithm>
#include <cmath>
#include <cstddef>
#include <msrnn/budget/by_preference.hpp>
#include <msrnn/budget/shared_by_rating.hpp>
#include <span>
#include <stdexcept>
#include <vector>

#include "budget/marked_lanes.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/thrown_by.hpp"

namespace shares_tests {

using namespace msrnn;
using marked::Marks;

namespace {

struct Left {
    double rating;
    Arrival arrival;
    std::size_t lane;
    bool held;
};

/// The tokens of a lane, best first: what is protected or pinned, then the highest rating, then the latest.
std::vector<Left> best_first(const Lane<Marks>& lane, std::size_t number) {
    std::vector<Left> tokens;
    for (const LaneToken token : lane.tokens())
        tokens.push_back({static_cast<double>(token.rating), token.arrival, number, !lane.candidate(token.slot)});
    std::sort(tokens.begin(), tokens.end(), [](const Left& a, const Left& b) {
        if (a.held != b.held) return a.held;
        return a.rating != b.rating ? a.rating > b.rating : a.arrival > b.arrival;
    });
    return tokens;
}

/// AdaKV slot by slot: first what is safe in each lane, then again and again the best token that is left in any.
std::vector<std::size_t> slot_by_slot(const std::vector<Lane<Marks>>& lanes, std::size_t total, std::size_t safe) {
    std::vector<std::size_t> shares(lanes.size(), 0);
    std::vector<std::vector<Left>> tokens;
    for (std::size_t i = 0; i < lanes.size(); ++i) {
        tokens.push_back(best_first(lanes[i], i));
        while (shares[i] < tokens[i].size() && (shares[i] < safe || tokens[i][shares[i]].held)) ++shares[i], --total;
    }
    for (; total > 0; --total) {
        std::size_t best = lanes.size();
        for (std::size_t i = 0; i < lanes.size(); ++i) {
            if (shares[i] >= tokens[i].size()) continue;
            const Left& next = tokens[i][shares[i]];
            if (best == lanes.size()) {
                best = i;
                continue;
            }
            const Left& other = tokens[best][shares[best]];
            if (next.rating > other.rating || (next.rating == other.rating && next.arrival > other.arrival)) best = i;
        }
        if (best == lanes.size()) break;
        ++shares[best];
    }
    for (std::size_t i = 0; total > 0; --total, i = (i + 1) % lanes.size()) ++shares[i];
    return shares;
}

}  // namespace

TEST_CASE("shared_by_rating gives each slot to the best token that is left, and the total is exact") {
    Random random{11};
    for (int round = 0; round < 200; ++round) {
        marked::Lanes made =
            marked::lanes({.lanes = 1 + random.below(5), .held = {random.below(3), random.below(4)}}, random);
        const std::size_t total = made.each.size() * (25 + random.below(60));
        const double safeguard = static_cast<double>(random.below(5)) / 4;
        const auto safe = static_cast<std::size_t>(static_cast<double>(total / made.each.size()) * safeguard);
        const std::vector<std::size_t> expected = slot_by_slot(made.each, total, std::max<std::size_t>(safe, 1));
        std::vector<Lane<Marks>*> pointers;
        for (Lane<Marks>& lane : made.each) pointers.push_back(&lane);
        if (round % 2 == 0)
            budget::shared_by_rating(made.each, total, safeguard);
        else
            budget::shared_by_rating(std::span<Lane<Marks>* const>(pointers), total, safeguard);
        std::size_t sum = 0;
        for (std::size_t i = 0; i < made.each.size(); ++i) {
            REQUIRE(made.each[i].budget() == expected[i]);
            sum += made.each[i].budget();
        }
        REQUIRE(sum == total);
    }
}

TEST_CASE("a total that is too small for what lanes protect is refused, and no budget changes") {
    Random random{12};
    marked::Lanes made = marked::lanes({.lanes = 4, .held = {.sinks = 4, .recent = 8}}, random);
    CHECK(thrown_by([&] { budget::shared_by_rating(made.each, 20); }).find("total of 20 slots") != std::string::npos);
    CHECK(thrown_by([&] { budget::shared_by_rating(made.each, 200, 1.5); }).find("safeguard is 1.5") !=
          std::string::npos);
    for (const Lane<Marks>& lane : made.each) CHECK(lane.budget() == 250);
}

TEST_CASE("lanes that hold a share of the budget in their window are judged by that of the new budget") {
    std::vector<Lane<H2O>> lanes;
    for (std::size_t i = 0; i < 2; ++i) {
        lanes.emplace_back(Limits{.budget = unbounded, .capacity = 100}, H2O{}, LaneId{0, i});
        for (std::size_t t = 0; t < 50; ++t) {
            lanes[i].append(t);
            const std::vector<float> weights(t + 1, i == 0 ? 0.5f : 0.1f);
            lanes[i].observe(weights);
        }
        lanes[i].rate();
    }
    budget::shared_by_rating(lanes, 40, 0.2);
    CHECK(lanes[0].budget() == 30);  // 10 of each are recent, all others of the first rate higher
    CHECK(lanes[1].budget() == 10);
}

TEST_CASE("rules may be asked from the first token on, whatever lanes protect") {
    std::vector<Lane<H2O>> lanes;
    for (std::size_t i = 0; i < 3; ++i) lanes.emplace_back(Limits{.budget = 20, .capacity = 70}, H2O{}, LaneId{0, i});
    std::vector<Lane<Marks>> sinks;
    const std::vector<float> marks(100, 1);
    for (std::size_t i = 0; i < 3; ++i)
        sinks.emplace_back(Limits{.budget = 20, .capacity = 70}, Marks{&marks, {.sinks = 4, .recent = 6}},
                           LaneId{0, i});
    Random random{15};
    const auto step = [&](auto& all, std::size_t t) {
        for (auto& lane : all) {
            lane.append(t);
            std::vector<float> weights(lane.extent());
            for (float& weight : weights) weight = random.unit();
            lane.observe(weights);
            lane.rate();
        }
        budget::shared_by_rating(all, 61);
        std::size_t budgets = 0, tokens = 0;
        for (auto& lane : all) {
            lane.evict_rated();
            budgets += lane.budget(), tokens += lane.size();
        }
        REQUIRE(budgets == 61);
        REQUIRE(tokens == std::min<std::size_t>(61, 3 * (t + 1)));
    };
    for (std::size_t t = 0; t < 100; ++t) step(lanes, t), step(sinks, t);
}

TEST_CASE("shared_with_floor counts the best of all lanes and leaves each a part of its own") {
    Random random{13};
    for (int round = 0; round < 100; ++round) {
        marked::Lanes made =
            marked::lanes({.lanes = 2 + random.below(3), .held = {random.below(3), random.below(4)}}, random);
        const std::size_t each = 5 + random.below(15);
        const double floor = static_cast<double>(random.below(5)) / 4;
        std::vector<Left> all;
        std::vector<std::size_t> expected;
        for (std::size_t i = 0; i < made.each.size(); ++i) {
            std::vector<Left> tokens = best_first(made.each[i], i);
            expected.push_back(
                static_cast<std::size_t>(std::ranges::count_if(tokens, [](const Left& t) { return t.held; })));
            std::erase_if(tokens, [](const Left& t) { return t.held; });
            all.insert(all.end(), tokens.begin(), tokens.end());
        }
        std::sort(all.begin(), all.end(), [](const Left& a, const Left& b) {
            if (a.rating != b.rating) return a.rating > b.rating;
            return a.arrival != b.arrival ? a.arrival > b.arrival : a.lane < b.lane;
        });
        for (std::size_t i = 0; i < made.each.size(); ++i) {
            double count = 0;
            for (std::size_t t = 0; t < std::min(all.size(), each * made.each.size()); ++t) count += all[t].lane == i;
            const double part = std::floor(static_cast<double>(each) * floor);
            expected[i] = std::max<std::size_t>(
                1, expected[i] + static_cast<std::size_t>(std::nearbyint(count * (1 - floor) + part)));
        }
        budget::shared_with_floor(made.each, each, floor);
        for (std::size_t i = 0; i < made.each.size(); ++i) REQUIRE(made.each[i].budget() == expected[i]);
    }
}

TEST_CASE("a lane whose ratings are flat gives slots away where ratings are normalized") {
    // Best 2 of 4: 1.5 of 2 in the first lane, 4 of 8 in the second: factors 0.75 and 0.5.
    const std::vector<float> first{0.25f, 0.75f, 0.75f, 0.25f}, second{2, 2, 2, 2};
    std::vector<Lane<Marks>> lanes;
    for (const auto* marks : {&first, &second}) {
        lanes.emplace_back(Limits{.budget = 9}, Marks{marks});
        for (std::size_t t = 0; t < 4; ++t) lanes.back().append(t);
        lanes.back().rate();
    }
    budget::shared_with_floor(lanes, 2, 0, true);
    CHECK(lanes[0].budget() == 1);  // none of the best 4, but a lane keeps one
    CHECK(lanes[1].budget() == 4);
    CHECK(thrown_by([&] { budget::shared_with_floor(lanes, 2, -1); }).find("floor is -1") != std::string::npos);
}

namespace {

/// CAKE's dealing one slot at a time: what is cut off, or missing, goes round among those that took part at its start.
std::vector<std::ptrdiff_t> dealt_singly(const std::vector<double>& preferences, std::ptrdiff_t total,
                                         std::ptrdiff_t limit) {
    std::vector<std::ptrdiff_t> budgets;
    double sum = 0;
    for (const double p : preferences) sum += p;
    std::ptrdiff_t excess = 0;
    for (const double p : preferences) {
        budgets.push_back(static_cast<std::ptrdiff_t>(p / sum * static_cast<double>(total)));
        for (; budgets.back() > limit; ++excess) --budgets.back();
    }
    const auto round = [&](std::ptrdiff_t amount, std::ptrdiff_t by, auto may) {
        std::vector<std::ptrdiff_t*> takers;
        for (std::ptrdiff_t& budget : budgets)
            if (may(budget)) takers.push_back(&budget);
        for (std::size_t i = 0; amount > 0 && !takers.empty(); --amount, ++i) *takers[i % takers.size()] += by;
    };
    round(excess, 1, [&](std::ptrdiff_t b) { return b < limit; });
    std::ptrdiff_t left = total;
    for (const std::ptrdiff_t b : budgets) left -= b;
    round(left, 1, [&](std::ptrdiff_t b) { return b < limit; });
    round(-left, -1, [](std::ptrdiff_t b) { return b > 1; });
    return budgets;
}

}  // namespace

TEST_CASE("by_preference deals as one slot at a time") {
    Random random{14};
    for (int round = 0; round < 2000; ++round) {
        std::vector<double> preferences;
        for (std::size_t l = 0; l < 1 + random.below(8); ++l)
            preferences.push_back(static_cast<double>(1 + random.below(random.one_in(3) ? 1000 : 20)));
        const auto total = static_cast<std::ptrdiff_t>(1 + random.below(300));
        const auto limit = static_cast<std::ptrdiff_t>(1 + random.below(100));
        const auto got = budget::by_preference(preferences, total, limit);
        const auto expected = dealt_singly(preferences, total, limit);
        for (std::size_t l = 0; l < preferences.size(); ++l) {
            REQUIRE(got[l].adjusted == expected[l]);
            REQUIRE(got[l].used == std::min(expected[l], limit));
        }
    }
}

}  // namespace shares_tests
