#include <array>
#include <cstddef>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"

namespace random_eviction_tests {

using Positions = std::vector<std::int64_t>;
using Lane = msrnn::Lane<msrnn::RandomEviction>;

namespace {

constexpr std::size_t budget = 7;

Lane lane_of(std::uint64_t seed, msrnn::LaneId id = {}) { return Lane({.budget = budget}, {.seed = seed}, id); }

/// Which of the candidates is evicted at each step, counted from the oldest. The newest is no candidate.
std::vector<std::size_t> ranks(Lane lane, std::size_t evictions) {
    std::vector<std::size_t> chosen;
    for (std::int64_t t = 0; chosen.size() < evictions; ++t) {
        lane.append(t);
        const auto before = by_arrival::kept(lane);
        for (const auto victim : by_arrival::positions(lane, lane.evict()))
            for (std::size_t rank = 0; rank < before.size(); ++rank)
                if (before[rank] == victim) chosen.push_back(rank);
    }
    return chosen;
}

/// Sum of (counted - expected)^2 / expected over the cells.
template <class Counts>
double chi_square(const Counts& counts, double expected) {
    double sum = 0;
    for (const std::size_t count : counts) {
        const double off = static_cast<double>(count) - expected;
        sum += off * off / expected;
    }
    return sum;
}

double agreement(const Lane& a, const Lane& b) {
    const auto one = ranks(a, 2000), other = ranks(b, 2000);
    std::size_t equal = 0;
    for (std::size_t i = 0; i < one.size(); ++i) equal += one[i] == other[i];
    return static_cast<double>(equal) / 2000;
}

}  // namespace

TEST_CASE("RandomEviction is uniform over the candidates") {
    for (const std::uint64_t seed : {0u, 1u, 2u}) {
        std::array<std::size_t, budget> counts{};
        for (const std::size_t rank : ranks(lane_of(seed), 35000)) ++counts.at(rank);
        CHECK(chi_square(counts, 5000) < 27.9);  // six degrees of freedom: exceeded once in 10^4
    }
}

TEST_CASE("RandomEviction draws anew at every step: successive draws are independent") {
    for (const std::uint64_t seed : {0u, 1u, 2u}) {
        std::array<std::size_t, budget * budget> counts{};
        const auto chosen = ranks(lane_of(seed), 49001);
        for (std::size_t i = 1; i < chosen.size(); i += 2) ++counts.at(chosen[i - 1] * budget + chosen[i]);
        CHECK(chi_square(counts, 500) < 93.3);  // 48 degrees of freedom: exceeded once in 10^4
    }
}

TEST_CASE("RandomEviction differs by seed, by layer and by head") {
    CHECK(agreement(lane_of(1), lane_of(1)) == 1);
    CHECK(agreement(lane_of(1), lane_of(2)) < 0.2);
    CHECK(agreement(lane_of(1), lane_of(1, {.layer = 1})) < 0.2);
    CHECK(agreement(lane_of(1), lane_of(1, {.kv_head = 1})) < 0.2);
    CHECK(agreement(lane_of(1, {.layer = 1}), lane_of(1, {.kv_head = 1})) < 0.2);
}

TEST_CASE("RandomEviction does not depend on the order in which lanes run") {
    Lane alone = lane_of(5), one = lane_of(5), other = lane_of(5, {.kv_head = 1});
    for (std::int64_t t = 0; t < 300; ++t) {
        if (t % 3 != 0) by_arrival::step(other, t);
        const auto victims = by_arrival::step(one, t);
        if (t % 3 == 0) by_arrival::step(other, t);
        REQUIRE(victims == by_arrival::step(alone, t));
    }
}

TEST_CASE("RandomEviction does not depend on which slots the tokens are in") {
    Lane a({.budget = budget, .capacity = 12}, {.seed = 6}), b({.budget = budget, .capacity = 12}, {.seed = 6});
    for (std::int64_t t = 0; t < 300; ++t) {
        if (t % 5 == 0 && t > 0) {
            a.evict(by_arrival::slots(a)[2]);
            a.evict(by_arrival::slots(a)[0]);
            b.evict(by_arrival::slots(b)[0]);
            b.evict(by_arrival::slots(b)[1]);
            b.compact([](msrnn::Move) {});
        }
        REQUIRE(by_arrival::step(a, t) == by_arrival::step(b, t));
        REQUIRE(by_arrival::kept(a) == by_arrival::kept(b));
    }
}

TEST_CASE("RandomEviction never drops the newest token") {
    Lane lane = lane_of(7);
    for (std::int64_t t = 0; t < 1000; ++t) {
        by_arrival::step(lane, t);
        REQUIRE(by_arrival::kept(lane).back() == t);
    }
}

}  // namespace random_eviction_tests
