// What a bound is worth: a step at an eighth of the budget against a step at all of it, over equally many bytes of
// memory. n: the full budget, 8 KV heads, head_dim 128, one query head for each.
#include <benchmark/benchmark.h>

#include <map>
#include <msrnn/msrnn.hpp>

#include "engine.hpp"
#include "paired.hpp"

namespace {
constexpr std::size_t fraction = 8;

/// Bytes of a state of 32 such layers.
template <class Scalar>
std::size_t bytes_at(std::size_t budget) {
    const msrnn::Shape shape{.layers = 1, .query_heads = kv_heads, .kv_heads = kv_heads, .head_dim = largest_dim};
    return 32 * msrnn::State<msrnn::Tova, Scalar>(shape, {.budget = budget}).bytes();
}

template <class Scalar>
void bound(benchmark::State& run) {
    const auto n = static_cast<std::size_t>(run.range(0));
    Engine<msrnn::Tova, Scalar> whole(1, largest_dim, n), part(1, largest_dim, n / fraction);
    for (auto _ : run) part.step();

    static std::map<std::int64_t, Rounds<2>> measured;
    const auto [place, is_new] = measured.try_emplace(run.range(0));
    const auto parts = [&] {
        for (std::size_t i = 0; i < fraction; ++i) part.step();
    };
    if (is_new)
        place->second = alternate(
            1.0, [&] { whole.step(); }, parts);
    const Middle ratio = place->second.ratio(0, 1);
    run.counters["speedup"] = static_cast<double>(fraction) * ratio.median;
    run.counters["mad"] = static_cast<double>(fraction) * ratio.deviation;
    run.counters["step_us"] = 1e6 * place->second.median(1) / fraction;
    run.counters["full_step_us"] = 1e6 * place->second.median(0);
    run.counters["state_MiB"] = static_cast<double>(bytes_at<Scalar>(n / fraction)) / 0x1p20;
    run.counters["full_state_MiB"] = static_cast<double>(bytes_at<Scalar>(n)) / 0x1p20;
    run.counters["sequences_per_GiB"] = 0x1p30 / static_cast<double>(bytes_at<Scalar>(n / fraction));

    for (auto* engine : {&whole, &part}) {
        engine->next();
        engine->attend();
        if (!engine->right()) run.SkipWithError("the output differs from a loop in double");
    }
}
}  // namespace

BENCHMARK_TEMPLATE(bound, f32)->ArgNames({"n"})->Arg(64)->Arg(4096)->Arg(16384);
BENCHMARK_TEMPLATE(bound, bf16)->ArgNames({"n"})->Arg(64)->Arg(4096)->Arg(16384);
BENCHMARK_MAIN();
