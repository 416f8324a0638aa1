#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "policy/keyformer.mirror.hpp"
#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/checked_by_formula.hpp"

namespace keyformer_tests {

using msrnn::Keyformer;

TEST_CASE("Keyformer rates and evicts as its formula says") { formula::check<Keyformer>(); }

TEST_CASE("Keyformer is H2O at temperature 1, and flatter at a higher one") {
    msrnn::Lane<Keyformer> sharp({.budget = 2}, {.tau_delta = 0}), flat({.budget = 2}, {.tau_init = 2, .tau_delta = 0});
    for (auto* lane : {&sharp, &flat}) {
        lane->append(0), lane->append(1);
        by_arrival::observe(*lane, {{0.8f, 0.2f}});
    }
    CHECK(sharp.rating(msrnn::Slot(0)) == 0.8f);
    CHECK(std::abs(flat.rating(msrnn::Slot(0)) - 2.0f / 3) < 1e-6f);  // sqrt 0.8 is twice sqrt 0.2
}

TEST_CASE("Keyformer is sharp near temperature 0, however small the weights are") {
    msrnn::Lane<Keyformer> lane({.budget = 3}, {.tau_init = 0.01f, .tau_delta = 0});
    for (std::int64_t t = 0; t < 3; ++t) lane.append(t);
    by_arrival::observe(lane, {{1e-3f, 2e-3f, 1e-3f}});
    CHECK(lane.rating(msrnn::Slot(1)) == 1.0f);
    CHECK(lane.rating(msrnn::Slot(0)) < 1e-20f);
}

TEST_CASE("the noise of Keyformer is the same for the same seed, and another for each lane and query") {
    const auto ratings = [](std::uint64_t seed, msrnn::LaneId id) {
        msrnn::Lane<Keyformer> lane({.budget = 8}, {.noise = true, .seed = seed}, id);
        for (std::size_t t = 0; t < 6; ++t)
            by_arrival::step(lane, static_cast<std::int64_t>(t),
                             {std::vector<float>(t + 1, 1 / static_cast<float>(t + 1))});
        return std::vector<float>(lane.ratings().begin(), lane.ratings().end());
    };
    CHECK(ratings(1, {}) == ratings(1, {}));
    CHECK(ratings(1, {}) != ratings(2, {}));
    CHECK(ratings(1, {}) != ratings(1, {.layer = 1}));
    CHECK(ratings(1, {}) != ratings(1, {.layer = 0, .kv_head = 1}));
}

TEST_CASE("the noise of Keyformer is Gumbel's: the token with the largest rating is drawn by its weight") {
    const std::vector<double> share{0.4, 0.3, 0.2, 0.1};
    std::vector<double> most(4);
    constexpr double draws = 4000;
    for (std::uint64_t seed = 0; seed < 4000; ++seed) {
        msrnn::Lane<Keyformer> lane({.budget = 8}, {.tau_delta = 0, .noise = true, .seed = seed});
        for (std::int64_t t = 0; t < 4; ++t) lane.append(t);
        by_arrival::observe(lane, {{0.4f, 0.3f, 0.2f, 0.1f}});
        const auto ratings = lane.ratings();
        most[static_cast<std::size_t>(std::max_element(ratings.begin(), ratings.end()) - ratings.begin())] += 1;
    }
    for (std::size_t slot = 0; slot < 4; ++slot)
        CHECK(std::abs(most[slot] - draws * share[slot]) < 5 * std::sqrt(draws * share[slot] * (1 - share[slot])));
}

TEST_CASE("Keyformer says what is wrong with its settings") {
    CHECK(Keyformer{.tau_init = 0}.problem() == "tau_init is 0; it must be over 0 and finite");
    CHECK(Keyformer{.tau_delta = -1}.problem() ==
          "tau_delta is -1; a temperature rises, so it must be 0 or more and finite");
    CHECK(Keyformer{}.problem().empty());
}

}  // namespace keyformer_tests
