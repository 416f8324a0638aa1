#include "support/golden.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <msrnn/msrnn.hpp>
#include <string>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"

namespace golden_tests {

namespace {

struct Compared {
    std::size_t files = 0, calls = 0, sets = 0;
};

/// The values are the keys: no decision looks at them.
template <class P>
void replay(const std::string& name, const P& policy, Compared& compared) {
    const Golden golden = read_golden(name);
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
            INFO(name << ", token " << token << ", lane " << lane);
            REQUIRE(kept == golden.kept.at(token).at(lane));
        }
    }
    ++compared.files;
}

}  // namespace

TEST_CASE("a state keeps what the authors' classes kept, after every call") {
    Compared compared;
    for (const std::string number : {"1", "2", "3"}) {
        replay("tova-" + number, msrnn::Tova{}, compared);
        replay("h2o-" + number, msrnn::H2O{.recent = read_golden("h2o-" + number).recent}, compared);
        const Golden sinks = read_golden("sink-window-" + number);
        replay("sink-window-" + number, msrnn::SinkWindow{.sinks = sinks.sinks}, compared);
    }
    CHECK(compared.files == 9);
    WARN("golden traces through a state: " << compared.files << " files, " << compared.calls << " calls, "
                                           << compared.sets << " kept sets compared");
}

}  // namespace golden_tests
