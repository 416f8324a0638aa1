// What a policy costs: observe + evict alone, on recorded weights, against a whole step of a layer (append, attention
// over n + 1 rows of 8 KV heads, decision). G: query heads per KV head, D: head_dim, n: budget.
#include <benchmark/benchmark.h>

#include <chrono>
#include <map>
#include <msrnn/any_policy.hpp>

#include "engine.hpp"
#include "paired.hpp"

namespace {
using namespace msrnn;

struct AnyH2O : AnyPolicy {
    AnyH2O() : AnyPolicy(H2O{}) {}
};

template <class P>
void policy_share(benchmark::State& run) {
    const auto group = static_cast<std::size_t>(run.range(0)), dim = static_cast<std::size_t>(run.range(1)),
               n = static_cast<std::size_t>(run.range(2));
    Engine<P> engine(group, dim, n);
    for (std::size_t layer = 0; layer < engine.layers.count; ++layer) engine.step();
    LanesOf<P> lanes = engine.lanes;
    std::vector<Buffer> recorded;
    for (int i = 0; i < 4; ++i) {
        engine.step();
        recorded.push_back(engine.weights);
    }
    std::size_t turn = 0;
    const auto decide = [&] {
        using Clock = std::chrono::steady_clock;
        engine.next();
        engine.append(lanes);
        const auto start = Clock::now();
        engine.decide(lanes, recorded[turn++ % recorded.size()]);
        return std::chrono::duration<double>(Clock::now() - start).count();
    };
    for (auto _ : run) decide();

    static std::map<std::vector<std::int64_t>, Rounds<2>> measured;
    const auto [place, is_new] = measured.try_emplace({run.range(0), run.range(1), run.range(2)});
    if (is_new)
        place->second = alternate(
            0.4, [&] { engine.step(); }, decide);
    const Middle share = place->second.ratio(1, 0);
    run.counters["policy_share_%"] = 100 * share.median;
    run.counters["mad_%"] = 100 * share.deviation;
    run.counters["decide_ns"] = 1e9 * place->second.median(1);
    run.counters["step_ns"] = 1e9 * place->second.median(0);

    engine.next();
    engine.attend();
    if (!engine.right()) run.SkipWithError("the output differs from a loop in double");
    const std::size_t query_heads = group * kv_heads * engine.layers.count / lanes.size();
    if (!drops_the_weakest(lanes[0], recorded[0].data(), query_heads, engine.weight_stride))
        run.SkipWithError("the victim is not the one of a plain loop");
}

void grid(benchmark::internal::Benchmark* bench) {
    bench->ArgNames({"G", "D", "n"})->ArgsProduct({{1, 4, 8}, {128}, {64, 256, 1024, 4096}});
}
}  // namespace

BENCHMARK_TEMPLATE(policy_share, Window)->Apply(grid);
BENCHMARK_TEMPLATE(policy_share, SinkWindow)->Apply(grid);
BENCHMARK_TEMPLATE(policy_share, Tova)->Apply(grid);
BENCHMARK_TEMPLATE(policy_share, H2O)->Apply(grid);
BENCHMARK_TEMPLATE(policy_share, DecayedAttention)->Apply(grid);
BENCHMARK_TEMPLATE(policy_share, KeyNorm)->Apply(grid);
BENCHMARK_TEMPLATE(policy_share, RandomEviction)->Apply(grid);
BENCHMARK_TEMPLATE(policy_share, AnyH2O)->Apply(grid);
BENCHMARK_MAIN();
