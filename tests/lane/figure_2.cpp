#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"

namespace figure_2_tests {

using Positions = std::vector<std::int64_t>;

TEST_CASE("Tova follows Figure 2 of its paper") {
    msrnn::Lane<msrnn::Tova> lane(5);
    for (std::int64_t t = 0; t < 5; ++t) {
        const std::vector<float> even(static_cast<std::size_t>(t) + 1, 1.0f);
        CHECK(by_arrival::step(lane, t, {even}).empty());
    }
    CHECK(by_arrival::step(lane, 5, {{.20f, .05f, .10f, .10f, .20f, .35f}}) == Positions{1});
    CHECK(by_arrival::kept(lane) == Positions{0, 2, 3, 4, 5});
    CHECK(by_arrival::step(lane, 6, {{.15f, .15f, .10f, .05f, .25f, .30f}}) == Positions{4});
    CHECK(by_arrival::kept(lane) == Positions{0, 2, 3, 5, 6});
    CHECK(by_arrival::step(lane, 7, {{.15f, .15f, .10f, .15f, .20f, .25f}}) == Positions{3});
    CHECK(by_arrival::kept(lane) == Positions{0, 2, 5, 6, 7});
    CHECK(by_arrival::step(lane, 8, {{.20f, .15f, .15f, .10f, .15f, .25f}}) == Positions{6});
    CHECK(by_arrival::kept(lane) == Positions{0, 2, 5, 7, 8});
    CHECK(lane.evictions() == 4);
}

}  // namespace figure_2_tests
