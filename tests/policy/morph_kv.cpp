#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "policy/morph_kv.mirror.hpp"
#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/checked_by_formula.hpp"

namespace morph_kv_tests {

using msrnn::MorphKV;

TEST_CASE("MorphKV rates and evicts as its formula says") { formula::check<MorphKV>(); }

TEST_CASE("MorphKV: the vote of a query is its weights on the older tokens, normalised") {
    msrnn::Lane<MorphKV> lane({.budget = 4}, {.window = 2});
    for (std::int64_t t = 0; t < 3; ++t)
        by_arrival::step(lane, t, {std::vector<float>(static_cast<std::size_t>(t) + 1)});
    by_arrival::step(lane, 3, {{0.125f, 0.375f, 0.25f, 0.25f}});
    lane.append(4);
    by_arrival::observe(lane, {{0.25f, 0.0f, 0.25f, 0.25f, 0.25f}});
    lane.rate();
    CHECK(lane.rating(by_arrival::slot_at(lane, 0)) == 0.5f);  // 1/6 and 1/2
    CHECK(lane.rating(by_arrival::slot_at(lane, 1)) == 0.5f);  // 1/2 and 0
    CHECK(lane.rating(by_arrival::slot_at(lane, 2)) == 0.5f);  // 1/3 and 1/2
    CHECK(by_arrival::positions(lane, lane.evict_rated()) == std::vector<std::int64_t>{0});
}

TEST_CASE("MorphKV: many heads that look elsewhere do not lose the older tokens to underflow") {
    msrnn::Lane<MorphKV> lane({.budget = 3}, {.window = 1});
    for (std::int64_t t = 0; t < 3; ++t)
        by_arrival::step(lane, t, {std::vector<float>(static_cast<std::size_t>(t) + 1)});
    lane.append(3);
    by_arrival::observe(lane, std::vector<std::vector<float>>(16, {2e-7f, 1e-7f, 2e-7f, 1.0f}));
    lane.rate();
    CHECK(lane.rating(by_arrival::slot_at(lane, 0)) > 0.49f);
    CHECK(lane.rating(by_arrival::slot_at(lane, 1)) < 0.01f);
    CHECK(by_arrival::positions(lane, lane.evict_rated()) == std::vector<std::int64_t>{1});
}

TEST_CASE("MorphKV needs weights by head, and says what is wrong with its settings") {
    CHECK(msrnn::needs_of<MorphKV>() == msrnn::Needs{.at_observe = msrnn::Heads::bit});
    CHECK(MorphKV{.window = 0}.problem() ==
          "window is 0; MorphKV needs the vote of at least one query, so give 1 or more");
}

}  // namespace morph_kv_tests
