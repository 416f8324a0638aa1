// Operations on a lane and its mirror, which must agree: the bytes choose the policy, the limits, the operations and
// the numbers, and where memory runs out or a hook throws.
#include "guarantee/failing.hpp"
#include "support/choices.hpp"
#include "tape.hpp"
#include "target.hpp"

namespace lane_operations_tests {

namespace {

bool take(std::string_view bytes) {
    differential::Trouble::allocations = [](std::size_t good) { failing::plan() = {.good = good}; };
    Random random = Random::reading(bytes);
    const differential::Plan plan{.troubles = true, .pace = 4, .exact = random.one_in(2)};
    differential::Outcome outcome;
    return differential::run_one_choice(random, 200, plan, outcome);
}

std::vector<std::string> seeds() { return fuzz::tapes(256); }

const fuzz::Enter entered({"lane_operations", seeds, 4000, nullptr, take});

}  // namespace

}  // namespace lane_operations_tests
