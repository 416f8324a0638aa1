// Operations on a state and its mirror, which must agree after each: the bytes choose the scalar, the shape, the
// policy, the operations and the numbers.
#include "support/state_pair.hpp"
#include "tape.hpp"
#include "target.hpp"

namespace {

bool take(std::string_view bytes) {
    Random random = Random::reading(bytes);
    const bool rounded = random.one_in(4);
    constexpr std::uint64_t most = 400;
    differential::StateOutcome outcome;
    return rounded ? differential::run_one_state<Eigen::bfloat16>(random, most, outcome)
                   : differential::run_one_state<float>(random, most, outcome);
}

std::vector<std::string> seeds() { return fuzz::tapes(400); }

const fuzz::Enter entered({"state_operations", seeds, 1200, nullptr, take});

}  // namespace
