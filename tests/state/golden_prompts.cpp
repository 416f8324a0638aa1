#include <algorithm>
#include <msrnn/msrnn.hpp>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

namespace golden_prompts_tests {

namespace {
std::vector<float> first_rows(const std::vector<std::vector<float>>& rows, std::size_t count) {
    std::vector<float> joined;
    for (std::size_t t = 0; t < count; ++t) joined.insert(joined.end(), rows[t].begin(), rows[t].end());
    return joined;
}

template <class P>
void compare(const msrnn::State<P>& state, const Golden& golden, std::size_t call, Compared& compared) {
    for (std::size_t lane = 0; lane < state.lanes(0).size(); ++lane, ++compared.sets) {
        auto kept = by_arrival::kept(state.lane(0, lane));
        std::sort(kept.begin(), kept.end());
        CAPTURE(call, lane);
        REQUIRE(kept == golden.kept.at(call).at(lane));
    }
    ++compared.calls;
}

/// The prompt in one call, the rest token by token. Values are the keys: no decision looks at them.
template <class P, class... Selector>
void replay(const Golden& golden, const P& policy, Compared& compared, const Selector&... selector) {
    msrnn::State<P> state(
        {.layers = 1, .query_heads = golden.query_heads, .kv_heads = golden.kv_heads, .head_dim = golden.head_dim},
        {.budget = golden.budget}, policy);
    const std::vector<float> q = first_rows(golden.queries, golden.prompt), k = first_rows(golden.keys, golden.prompt);
    std::vector<float> out(q.size()), one(golden.query_heads * golden.head_dim);
    state.prefill(0, 0, q, k, k, out, msrnn::Prefill::one_shot(), selector...);
    compare(state, golden, 0, compared);
    for (std::size_t token = golden.prompt; token < golden.tokens; ++token) {
        state.step(0, token, golden.queries[token], golden.keys[token], golden.keys[token], one);
        compare(state, golden, token - golden.prompt + 1, compared);
    }
    ++compared.files;
}
}  // namespace

TEST_CASE("a prompt in one shot keeps what the authors' classes kept, and so does every step after it") {
    Compared compared;
    for (const Golden& golden : golden_files()) {
        if (golden.prompt == 0) continue;
        CAPTURE(golden.name, golden.policy);
        if (golden.policy == "tova") {
            replay(golden, msrnn::Tova{}, compared);
        } else if (golden.policy == "h2o") {
            replay(golden, msrnn::H2O{.recent = golden.recent}, compared);
        } else if (golden.policy == "sink-window") {
            replay(golden, msrnn::SinkWindow{.sinks = golden.sinks}, compared);
        } else if (golden.policy == "snapkv") {
            const auto pooling = golden.pool == "max" ? msrnn::Pooling::maximum : msrnn::Pooling::average;
            replay(golden, msrnn::H2O{.recent = 0}, compared,
                   msrnn::SnapKV{.window = golden.window, .kernel = golden.kernel, .pooling = pooling});
        } else {
            FAIL_CHECK("no method has this name");
        }
    }
    CHECK(compared.files > 0);
    WARN("golden prompts: " << compared.files << " files, " << compared.calls << " calls, " << compared.sets
                            << " kept sets compared");
}

}  // namespace golden_prompts_tests
