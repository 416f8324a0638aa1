#include <array>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <span>
#include <stdexcept>
#include <vector>

#include "policy/vatp.mirror.hpp"
#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/checked_by_formula.hpp"

namespace vatp_tests {

TEST_CASE("VATP rates and evicts as its formula says") { formula::check<msrnn::Vatp>(); }

TEST_CASE("VATP evicts what is looked at and has a value near zero") {
    msrnn::Lane<msrnn::Vatp> lane({.budget = 2}, {.recent = 1});
    const std::array<float, 6> rows{0.125f, -0.125f, 2, -1, 1, 1};  // sums of magnitudes 0.25, 3, 2
    const msrnn::Values values(rows.data(), 2, 2);
    lane.append(0), by_arrival::observe(lane, {{1.0f}});
    lane.append(1), by_arrival::observe(lane, {{0.75f, 0.25f}});
    lane.append(2), by_arrival::observe(lane, {{0.5f, 0.25f, 0.25f}});
    lane.rate(values);
    CHECK(lane.rating(msrnn::Slot(0)) == 2.25f * 0.25f);
    CHECK(lane.rating(msrnn::Slot(1)) == 0.5f * 3);
    CHECK(by_arrival::positions(lane, lane.evict_rated()) == std::vector<std::int64_t>{0});
}

TEST_CASE("a choice of VATP whose values cannot be read leaves the lane as it was") {
    const std::array<float, 3> rows{1, 2, 3};
    const auto fails_at = [&rows](std::size_t slot) {
        return [&rows, slot](msrnn::Slot s) -> std::span<const float> {
            if (s == slot) throw std::runtime_error("not there");
            return std::span(rows).subspan(s, 1);
        };
    };
    CHECK(msrnn::Values(fails_at(1)).may_throw());
    CHECK_FALSE(msrnn::Values([&rows](msrnn::Slot s) noexcept { return std::span(rows).subspan(s, 1); }).may_throw());
    CHECK_FALSE(msrnn::Values(rows.data(), 1, 1).may_throw());
    msrnn::Lane<msrnn::Vatp> lane({.budget = 2}, {.recent = 1});
    lane.append(0), by_arrival::observe(lane, {{1.0f}});
    lane.append(1), by_arrival::observe(lane, {{0.5f, 0.5f}});
    lane.append(2), by_arrival::observe(lane, {{0.25f, 0.25f, 0.5f}});
    CHECK_THROWS_AS(lane.evict(msrnn::Values(fails_at(2))), std::runtime_error);
    for (const float size : lane.column(1)) CHECK(size == 0);
    CHECK(lane.size() == 3);
    lane.evict(msrnn::Values(rows.data(), 1, 1));
    CHECK(lane.column(1)[2] == 3);
}

TEST_CASE("VATP needs values at a choice, and says what is wrong with its settings") {
    CHECK(msrnn::needs_of<msrnn::Vatp>() ==
          msrnn::Needs{.at_observe = msrnn::Attention::bit, .at_choice = msrnn::Values::bit});
    CHECK(msrnn::Vatp{.history = 0}.problem() == "history is 0; VATP rates by at least one query, so give 1 or more");
}

}  // namespace vatp_tests
