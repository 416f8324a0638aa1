#include <algorithm>
#include <cstddef>
#include <msrnn/decide.hpp>
#include <vector>

#include "policy/normalised_h2o.mirror.hpp"
#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/checked_by_formula.hpp"

namespace normalised_h2o_tests {

using msrnn::NormalisedH2O;

TEST_CASE("NormalisedH2O rates and evicts as its formula says") { formula::check<NormalisedH2O>(); }

TEST_CASE("NormalisedH2O takes the largest row of a token and those after it, and divides by the queries it met") {
    msrnn::Lane<NormalisedH2O> lane({.budget = 3}, {.sinks = 0, .recent = 1, .max_pool = 2});
    by_arrival::step(lane, 0, {{1.0f}});
    by_arrival::step(lane, 1, {{0.25f, 0.75f}});
    by_arrival::step(lane, 2, {{0.5f, 0.0f, 0.5f}});
    lane.rate();
    CHECK(lane.rating(by_arrival::slot_at(lane, 0)) == (1 + 0.75f + 0.5f) / 3);
    CHECK(lane.rating(by_arrival::slot_at(lane, 1)) == (0.75f + 0.5f) / 2);
    CHECK(lane.rating(by_arrival::slot_at(lane, 2)) == 0.5f);
}

TEST_CASE("NormalisedH2O adds the rows of a prompt first, and takes the largest of the sums") {
    msrnn::Lane<NormalisedH2O> lane({.budget = 3}, {.sinks = 0, .recent = 1, .max_pool = 2});
    lane.prompt(3);
    by_arrival::step(lane, 0, {{1.0f}});
    by_arrival::step(lane, 1, {{0.25f, 0.75f}});
    by_arrival::step(lane, 2, {{0.5f, 0.0f, 0.5f}});
    lane.rate();
    CHECK(lane.rating(by_arrival::slot_at(lane, 0)) == 1.75f / 3);  // not (1 + 0.75 + 0.5) / 3
    CHECK(lane.rating(by_arrival::slot_at(lane, 1)) == 0.75f / 2);
}

TEST_CASE("NormalisedH2O looks ahead as far as it is told, over any number of tokens") {
    constexpr std::size_t tokens = 600;
    for (const std::size_t max_pool : {2u, 7u, 33u, 34u, 100u, 1000u}) {
        msrnn::Lane<NormalisedH2O> lane({.budget = tokens}, {.recent = 1, .max_pool = max_pool});
        std::vector<float> weights;
        lane.prompt(tokens);
        for (std::size_t t = 0; t < tokens; ++t) {
            lane.append(t);
            weights.push_back(static_cast<float>(t * 389 % 601));  // one for each query: the last one counts
            if (t + 1 == tokens)
                lane.observe(weights);
            else
                lane.observe(std::vector<float>(weights.size()));
        }
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < tokens; ++i) {
            const auto first = weights.begin() + static_cast<std::ptrdiff_t>(i);
            const float largest =
                *std::max_element(first, first + static_cast<std::ptrdiff_t>(std::min(max_pool, tokens - i)));
            wrong += lane.column(0)[i] != largest;
        }
        CHECK(wrong == 0);
    }
}

TEST_CASE("NormalisedH2O says what is wrong with its settings") {
    CHECK(NormalisedH2O{.max_pool = 0}.problem() ==
          "max_pool is 0; a token is pooled with itself at least, so give 1 or more");
    CHECK(NormalisedH2O{.window = 0}.problem() ==
          "window is 0; NormalisedH2O rates by at least one query, so give 1 or more");
}

}  // namespace normalised_h2o_tests
