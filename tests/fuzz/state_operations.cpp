// Operations on a state and its mirror, which must agree: the bytes choose the scalar, the shape, the policy, the
// operations and the numbers, and where memory runs out or what a user wrote throws.
#include "guarantee/failing.hpp"
#include "support/state_pair.hpp"
#include "tape.hpp"
#include "target.hpp"

namespace state_operations_tests {

namespace {

bool take(std::string_view bytes) {
    differential::Trouble::allocations = [](std::size_t good) { failing::plan() = {.good = good}; };
    Random random = Random::reading(bytes);
    const bool rounded = random.one_in(4);
    constexpr std::uint64_t most = 60, pace = 4;
    differential::StateOutcome outcome;
    return rounded ? differential::run_one_state<Eigen::bfloat16>(random, most, pace, outcome)
                   : differential::run_one_state<float>(random, most, pace, outcome);
}

std::vector<std::string> seeds() { return fuzz::tapes(128); }

const fuzz::Enter entered({"state_operations", seeds, 1200, nullptr, take});

}  // namespace

}  // namespace state_operations_tests
