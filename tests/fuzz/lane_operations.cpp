// Operations on a lane and its mirror, which must agree after each: the bytes choose the policy, the limits, the
// operations and the numbers.
#include "support/choices.hpp"
#include "tape.hpp"
#include "target.hpp"

namespace {

bool take(std::string_view bytes) {
    Random random = Random::reading(bytes);
    const bool exact = random.one_in(2);
    differential::Outcome outcome;
    return differential::run_one_choice(random, 1500, exact, outcome);
}

std::vector<std::string> seeds() { return fuzz::tapes(2500); }

const fuzz::Enter entered({"lane_operations", seeds, 4000, nullptr, take});

}  // namespace
