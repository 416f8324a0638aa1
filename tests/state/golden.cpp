#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <msrnn/msrnn.hpp>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"
#include "support/golden_replay.hpp"

namespace golden_tests {

namespace {

/// The values are the keys: no decision looks at them.
template <class P>
void replay(const Golden& golden, const P& policy, Compared& compared) {
    msrnn::State<P> state(
        {.layers = 1, .query_heads = golden.query_heads, .kv_heads = golden.kv_heads, .head_dim = golden.head_dim},
        {.budget = golden.budget}, policy);
    REQUIRE(state.lanes(0).size() == golden.kept.at(0).size());
    std::vector<float> out(golden.query_heads * golden.head_dim);
    for (std::size_t token = 0; token < golden.tokens; ++token, ++compared.calls) {
        state.step(0, token, golden.queries[token], golden.keys[token], golden.keys[token], out);
        for (std::size_t lane = 0; lane < state.lanes(0).size(); ++lane, ++compared.sets) {
            auto kept = by_arrival::kept(state.lane(0, lane));
            std::sort(kept.begin(), kept.end());
            INFO(golden.name << ", token " << token << ", lane " << lane);
            REQUIRE(kept == golden.kept.at(token).at(lane));
        }
    }
}

}  // namespace

TEST_CASE("a state keeps what the authors' classes kept, after every call") {
    replay_golden_files("state", [](const Golden& golden, const auto& policy, Compared& compared) {
        replay(golden, policy, compared);
    });
}

}  // namespace golden_tests
