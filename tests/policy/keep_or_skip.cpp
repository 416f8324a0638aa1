#include <array>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "policy/keep_or_skip.mirror.hpp"
#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/checked_by_formula.hpp"

namespace keep_or_skip_tests {

using namespace msrnn;
using Positions = std::vector<std::int64_t>;

TEST_CASE("KeepOrSkip rates and evicts as its formula says") { formula::check<KeepOrSkip<KeyNorm>>(); }

TEST_CASE("a token that is rated below all that are kept does not enter") {
    Lane<KeepOrSkip<KeyNorm>> lane(2);
    std::array<float, 3> keys{};
    const auto step = [&](std::int64_t position, float key) {
        keys[lane.append(position)] = key;
        return by_arrival::positions(lane, lane.evict(Keys(keys.data(), 1, 1)));
    };
    step(0, 3), step(1, 2);
    CHECK(step(2, 4) == Positions{2});
    CHECK(step(3, 1) == Positions{0});
    CHECK(step(4, 5) == Positions{4});
    CHECK(by_arrival::kept(lane) == Positions{1, 3});
}

TEST_CASE("KeepOrSkip keeps the sinks of its policy, and drops its recent window") {
    const KeepOrSkip<Protect<H2O>> policy{.policy = Protect<H2O>{.policy = {}, .extra = {.sinks = 2}}};
    const Protection protection = facts_of(policy, Shape{}, 8).protection;
    CHECK(protection.sinks == 2);
    CHECK(protection.recent == 0);
}

}  // namespace keep_or_skip_tests
