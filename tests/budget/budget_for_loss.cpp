#include <algorithm>
#include <cmath>
#include <cstddef>
#include <msrnn/budget/budget_for_loss.hpp>
#include <msrnn/decide.hpp>
#include <msrnn/trace/metered.hpp>
#include <span>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/random.hpp"
#include "support/thrown_by.hpp"

namespace budget_for_loss_tests {

using namespace msrnn;

namespace {

constexpr std::size_t room = 700;

/// Weights as a softmax gives them: sharp while `sharp`, else spread over all tokens.
std::vector<float> weights_of(const Lane<Metered<H2O>>& lane, bool sharp, Random& random) {
    std::vector<double> e(lane.extent(), 0);
    double sum = 0;
    for (const LaneToken token : lane.tokens())
        sum += e[token.slot] = std::exp((sharp ? 20.0 : 0.5) * static_cast<double>(random.unit()));
    std::vector<float> weights;
    for (const double x : e) weights.push_back(static_cast<float>(x / sum));
    return weights;
}

}  // namespace

TEST_CASE("budget_for_loss evicts what it may and no more, so that lanes grow and shrink") {
    constexpr double limit = 0.02;
    Random random{51};
    std::vector<Lane<Metered<H2O>>> lanes;
    for (std::size_t i = 0; i < 2; ++i)
        lanes.emplace_back(Limits{.budget = 16, .capacity = room, .slack = 1}, Metered{H2O{.recent = 4}}, LaneId{0, i});
    std::size_t least = room, most = 0, bulk = 0;
    for (std::size_t t = 0; t < 400; ++t) {
        for (std::size_t i = 0; i < 2; ++i) {
            Lane<Metered<H2O>>& lane = lanes[i];
            lane.append(t);
            const std::vector<float> weights = weights_of(lane, (t / 50 + i) % 2 == 0, random);
            lane.observe(weights);
            lane.rate();
            // By the book: the weakest first, as long as their weights stay below the limit.
            struct Left {
                float rating;
                Arrival arrival;
                double weight;
            };
            std::vector<Left> candidates;
            for (const LaneToken token : lane.tokens())
                if (lane.candidate(token.slot))
                    candidates.push_back({token.rating, token.arrival, static_cast<double>(weights[token.slot])});
            std::sort(candidates.begin(), candidates.end(), [](const Left& a, const Left& b) {
                return a.rating != b.rating ? a.rating < b.rating : a.arrival < b.arrival;
            });
            double lost = 0;
            std::size_t victims = 0;
            while (victims < candidates.size() && lost + candidates[victims].weight < limit)
                lost += candidates[victims++].weight;
            const std::size_t before = lane.size();
            budget::budget_for_loss(std::span(&lane, 1), limit);
            REQUIRE(lane.budget() == std::max<std::size_t>(4, before - victims));  // 4 are protected
            lane.evict_rated();
            REQUIRE(lane.size() == before - victims);
            REQUIRE(lane.victims().size() == victims);
            REQUIRE(close(mass_lost_now(lane), lost, 1e-6, 0));
            REQUIRE(mass_lost_now(lane) < limit);
            bulk += victims > 1;
            if (t >= 50) least = std::min(least, lane.size()), most = std::max(most, lane.size());
        }
    }
    CHECK(least < 15);
    CHECK(most > 45);
    CHECK(bulk > 10);
}

TEST_CASE("a lane with a loss limit stays within the largest budget, whatever it loses") {
    Random random{52};
    Lane<Metered<H2O>> lane(Limits{.budget = 16, .capacity = room, .slack = 1}, Metered{H2O{.recent = 4}});
    for (std::size_t t = 0; t < 100; ++t) {
        lane.append(t);
        lane.observe(weights_of(lane, false, random));
        lane.rate();
        budget::budget_for_loss(std::span(&lane, 1), 0.001, 30);
        lane.evict_rated();
        REQUIRE(lane.size() == std::min<std::size_t>(t + 1, 30));
    }
    CHECK(lost_mass(lane) > 0.1);
    CHECK(thrown_by([&] { budget::budget_for_loss(std::span(&lane, 1), -1); }).find("limit is -1") !=
          std::string::npos);
}

}  // namespace budget_for_loss_tests
