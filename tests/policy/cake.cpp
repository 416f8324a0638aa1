#include <cmath>
#include <cstddef>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "policy/cake.mirror.hpp"
#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/checked_by_formula.hpp"

namespace cake_tests {

using msrnn::Cake;

TEST_CASE("CAKE rates and evicts as its formula says") { formula::check<Cake>(); }

TEST_CASE("CAKE keeps what the last queries look at in turns, where the mean is the same") {
    msrnn::Lane<Cake> lane({.budget = 3, .capacity = 4, .query_heads = 1, .head_dim = 1},
                           {.window = 2, .kernel = 1, .gamma = 10});
    lane.prompt(4);
    for (std::int64_t t = 0; t < 3; ++t) {
        lane.append(t);
        if (lane.observes()) by_arrival::observe(lane, {{0.25f, 0.5f, 0.25f}});
    }
    lane.append(3);
    by_arrival::observe(lane, {{0.25f, 0.0f, 0.5f, 0.25f}});
    lane.rate();
    CHECK(lane.rating(by_arrival::slot_at(lane, 0)) == 0.25f);
    CHECK(lane.rating(by_arrival::slot_at(lane, 1)) == 0.25f + 10 * 0.125f);
    CHECK(by_arrival::positions(lane, lane.evict_rated()) == std::vector<std::int64_t>{0});
}

TEST_CASE("CAKE has the sums for the budgets of layers: entropy, and variance, of the tokens before the window") {
    msrnn::Lane<Cake> lane({.budget = 4, .capacity = 5, .query_heads = 1, .head_dim = 1}, {.window = 2, .kernel = 1});
    lane.prompt(4);
    lane.append(0), lane.append(1), lane.append(2);
    by_arrival::observe(lane, {{0.25f, 0.5f, 0.25f}});
    lane.append(3);
    by_arrival::observe(lane, {{0.25f, 0.0f, 0.5f, 0.25f}});
    lane.rate();
    CHECK(std::abs(Cake::entropy(lane.floats()) - 1.5f * std::log(2.0f)) < 1e-5f);  // 2 of 0.25 ln 4, 0.5 ln 2
    CHECK(Cake::variance(lane.floats()) == 0.125f);
}

TEST_CASE("CAKE needs its shape, and says what is wrong with its settings") {
    CHECK(msrnn::problem(Cake{}, {.budget = 40}).find("set both in Limits") != std::string::npos);
    CHECK(Cake{.window = 1}.problem() == "window is 1; CAKE takes the variance over its queries, so give 2 or more");
    CHECK(Cake{.kernel = 4}.problem() ==
          "kernel is 4; it must be odd, so that a token is the middle of its neighbours");
    CHECK(Cake{.gamma = -1}.problem() == "gamma is -1; it must be 0 or more");
}

}  // namespace cake_tests
