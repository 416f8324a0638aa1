// What each known policy costs: append + observe + evict against a whole step of a layer (attention over n + 1 rows of
// 8 KV heads, decision). Both are timed within steps: attention has just written the weights, and the lane's own
// numbers come from memory, because other layers were read since. G: query heads per KV head, D: head_dim, n: budget.
// With --slack=N a choice evicts N + 1 tokens together, and the cost is that of a token.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <msrnn/any_policy.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine.hpp"
#include "paired.hpp"

namespace {
using namespace msrnn;

template <class P>
void policy_share(benchmark::State& run, const P& policy, const std::string& name, std::size_t slack) {
    const auto group = static_cast<std::size_t>(run.range(0)), dim = static_cast<std::size_t>(run.range(1)),
               n = static_cast<std::size_t>(run.range(2));
    if (const std::string why = problem(policy, {.budget = n, .slack = slack, .query_heads = group, .head_dim = dim});
        !why.empty())
        return run.SkipWithError(why.c_str());
    Engine<P> engine(group, dim, n, policy, slack);
    for (std::size_t layer = 0; layer < engine.layers.count; ++layer) engine.steps(slack + 1);
    const auto decide = [&] { return engine.seconds_of_decisions(slack + 1); };
    for (auto _ : run) decide();

    static std::map<std::pair<std::string, std::vector<std::int64_t>>, Rounds<2>> measured;
    const auto [place, is_new] = measured.try_emplace({name, {run.range(0), run.range(1), run.range(2)}});
    if (is_new)
        place->second = alternate(
            0.4, [&] { engine.steps(slack + 1); }, decide);
    const Middle share = place->second.ratio(1, 0);
    run.counters["policy_share_%"] = 100 * share.median;
    run.counters["mad_%"] = 100 * share.deviation;
    const double tokens = static_cast<double>(slack + 1);
    run.counters["decide_ns"] = 1e9 * place->second.median(1) / tokens;
    run.counters["step_ns"] = 1e9 * place->second.median(0) / tokens;

    engine.next();
    engine.attend();
    if (!engine.right()) run.SkipWithError("the output differs from a loop in double");
    const std::size_t query_heads = group * kv_heads * engine.layers.count / engine.lanes.size();
    if (slack == 0 && !drops_the_weakest(engine.lanes[0], engine.weights.data(), query_heads, engine.weight_stride))
        run.SkipWithError("the victim is not the one of a plain loop");
}

template <class P>
void enter(const std::string& name, const P& policy, std::size_t slack) {
    const std::string told = "policy_share/" + name + (slack == 0 ? "" : "/slack:" + std::to_string(slack));
    benchmark::RegisterBenchmark(told.c_str(), [=](benchmark::State& run) { policy_share(run, policy, name, slack); })
        ->ArgNames({"G", "D", "n"})
        ->ArgsProduct({{1, 4, 8}, {128}, {64, 256, 512, 4096}});
}

/// Takes --slack=N out of the command line.
std::size_t slack_in(int& argc, char** argv) {
    constexpr std::string_view option = "--slack=";
    std::size_t slack = 0;
    char** const end = std::remove_if(argv, argv + argc, [&](std::string_view word) {
        if (!word.starts_with(option)) return false;
        slack = std::strtoul(word.substr(option.size()).data(), nullptr, 10);
        return true;
    });
    argc = static_cast<int>(end - argv);
    return slack;
}
}  // namespace

int main(int argc, char** argv) {
    const std::size_t slack = slack_in(argc, argv);
    const Policies policies;
    for (std::size_t i = 0; i < policies.each().size(); ++i) enter(policies.names()[i], policies.each()[i], slack);
    enter("H2O by its type", H2O{}, slack);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
}
