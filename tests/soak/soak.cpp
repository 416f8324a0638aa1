// Lanes and states against their mirrors, for an hour's worth of steps: `soak [LANE STEPS] [STATE STEPS] [SEED]`.
// Exit status 1 where anything differs. `cmake --preset test && cmake --build --preset test -t soak`, then
// build/test/tests/soak; the tests run the same for seconds.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "support/choices.hpp"
#include "support/state_pair.hpp"

namespace {

bool differs = false;

template <class Outcome>
void report(const char* what, const Outcome& outcome) {
    std::printf("%s: %llu steps, %d mismatches%s%s\n", what, static_cast<unsigned long long>(outcome.steps),
                !outcome.mismatch.empty(), outcome.mismatch.empty() ? "" : ": ", outcome.mismatch.c_str());
    std::fflush(stdout);
    differs = differs || !outcome.mismatch.empty();
}

}  // namespace

int main(int count, char** arguments) {
    const auto number = [&](int which, std::uint64_t otherwise) {
        return count > which ? std::strtoull(arguments[which], nullptr, 10) : otherwise;
    };
    const std::uint64_t lane_steps = number(1, 10'000'000), state_steps = number(2, 1'000'000), seed = number(3, 100);
    report("lanes", differential::run_choices(seed, lane_steps));
    report("states of float", differential::run_states<float>(seed, state_steps * 3 / 4));
    report("states of bfloat16", differential::run_states<Eigen::bfloat16>(seed, state_steps / 4));
    return differs;
}
