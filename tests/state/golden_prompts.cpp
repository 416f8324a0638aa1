#include <algorithm>
#include <msrnn/msrnn.hpp>
#include <string>
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

struct Compared {
    std::size_t files = 0, calls = 0, sets = 0;
};

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
void replay(const std::string& name, const P& policy, Compared& compared, const Selector&... selector) {
    const Golden golden = read_golden(name);
    INFO(name);
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
    for (const std::string number : {"1", "2", "3"}) {
        replay("tova-prompt-" + number, msrnn::Tova{}, compared);
        replay("h2o-prompt-" + number, msrnn::H2O{.recent = read_golden("h2o-prompt-" + number).recent}, compared);
        const Golden snap = read_golden("snapkv-" + number);
        const auto pooling = snap.pool == "max" ? msrnn::SnapKV::Pooling::maximum : msrnn::SnapKV::Pooling::average;
        replay("snapkv-" + number, msrnn::H2O{.recent = 0}, compared,
               msrnn::SnapKV{.window = snap.window, .kernel = snap.kernel, .pooling = pooling});
    }
    CHECK(compared.files == 9);
    WARN("golden prompts: " << compared.files << " files, " << compared.calls << " calls, " << compared.sets
                            << " kept sets compared");
}

}  // namespace golden_prompts_tests
