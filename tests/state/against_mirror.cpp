#include <cstddef>

#include "support/catch.hpp"
#include "support/sanitized.hpp"
#include "support/state_pair.hpp"

namespace against_mirror_tests {

namespace {
template <class Scalar>
void compare(std::uint64_t steps) {
    const differential::StateOutcome outcome = differential::run_states<Scalar>(1, steps);
    INFO(outcome.mismatch);
    REQUIRE(outcome.mismatch.empty());
    CHECK(outcome.prompts > steps / 100);
    CHECK(outcome.bulk > steps / 100);
    CHECK(outcome.rollbacks > steps / 100);
    CHECK(outcome.refused_rollbacks > steps / 100);
    CHECK(outcome.loads > steps / 200);
    CHECK(outcome.refused_loads > 0);
    CHECK(outcome.halves > steps / 200);
    CHECK(outcome.forks > steps / 500);
    CHECK(outcome.reorders > steps / 500);
    CHECK(outcome.refused_pins > 0);
    CHECK(outcome.refused_budgets > steps / 500);
    CHECK(outcome.refusals > 0);
    WARN("states against the mirror: " << outcome.steps << " steps, " << outcome.prompts << " prompts, " << outcome.bulk
                                       << " bulk evictions, " << outcome.rollbacks << " rollbacks, " << outcome.loads
                                       << " snapshots, " << outcome.reorders << " reorders");
}
}  // namespace

TEST_CASE("a state of any policy decides as the mirror and attends as plain loops do, whatever is done to it") {
    compare<float>(sanitized ? 8000 : 30000);
}

TEST_CASE("so does a state of rows that are rounded") { compare<Eigen::bfloat16>(sanitized ? 4000 : 15000); }

}  // namespace against_mirror_tests
