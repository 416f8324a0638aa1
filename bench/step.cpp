// One decode step of a layer in steady state: append, attention over budget + 1 rows, the policy's decision.
// D: head_dim, n: budget. 2 KV heads with 4 query heads each. The output of the last step is checked in double.
#include <benchmark/benchmark.h>

#include <cmath>
#include <msrnn/msrnn.hpp>

#include "random_floats.hpp"

namespace {
constexpr std::size_t kv_heads = 2, group = 4;

template <class P>
bool right(const msrnn::State<P>& state, std::span<const float> q, std::span<const float> out) {
    const std::size_t dim = state.shape().head_dim, rows = state.lane(0, 0).extent();
    for (std::size_t head = 0; head < kv_heads * group; ++head) {
        std::vector<double> weight(rows), expected(dim);
        double sum = 0;
        for (std::size_t r = 0; r < rows; ++r) {
            const auto key = state.key(0, head / group, msrnn::Slot(r));
            double dot = 0;
            for (std::size_t d = 0; d < dim; ++d)
                dot += static_cast<double>(q[head * dim + d]) * static_cast<double>(key[d]);
            sum += weight[r] = std::exp(dot / std::sqrt(static_cast<double>(dim)));
        }
        for (std::size_t r = 0; r < rows; ++r) {
            const auto value = state.value(0, head / group, msrnn::Slot(r));
            for (std::size_t d = 0; d < dim; ++d) expected[d] += weight[r] / sum * static_cast<double>(value[d]);
        }
        for (std::size_t d = 0; d < dim; ++d)
            if (!(std::abs(static_cast<double>(out[head * dim + d]) - expected[d]) <= 1e-5)) return false;
    }
    return true;
}

template <class P>
void step(benchmark::State& run) {
    const auto dim = static_cast<std::size_t>(run.range(0)), budget = static_cast<std::size_t>(run.range(1));
    const msrnn::Shape shape{.layers = 1, .query_heads = kv_heads * group, .kv_heads = kv_heads, .head_dim = dim};
    constexpr std::size_t different = 64;
    const std::size_t queries = shape.query_heads * dim, width = kv_heads * dim;
    const std::vector<float> q = random_floats(different * queries, 1), k = random_floats(different * width, 2),
                             v = random_floats(different * width, 3);
    std::vector<float> out(queries);
    msrnn::State<P> state(shape, {.budget = budget});
    std::size_t t = 0;
    const auto next = [&] {
        const std::size_t i = t % different;
        state.step(0, t++, std::span(q).subspan(i * queries, queries), std::span(k).subspan(i * width, width),
                   std::span(v).subspan(i * width, width), out);
    };
    while (t <= budget) next();
    for (auto _ : run) {
        next();
        benchmark::DoNotOptimize(out.data());
    }
    if (!right(state, std::span(q).subspan((t - 1) % different * queries, queries), out))
        run.SkipWithError("the output differs from a loop in double");
    if (state.lane(0, 0).evictions() != t - budget) run.SkipWithError("not one token left at every step");
    run.SetBytesProcessed(run.iterations() * static_cast<std::int64_t>(2 * kv_heads * (budget + 1) * dim * 4));
}

void grid(benchmark::internal::Benchmark* bench) {
    bench->ArgNames({"D", "n"})->ArgsProduct({{64, 128}, {64, 256, 1024, 4096, 16384}});
}
}  // namespace

BENCHMARK_TEMPLATE(step, msrnn::Window)->Apply(grid);
BENCHMARK_TEMPLATE(step, msrnn::SinkWindow)->Apply(grid);
BENCHMARK_TEMPLATE(step, msrnn::Tova)->Apply(grid);
BENCHMARK_TEMPLATE(step, msrnn::H2O)->Apply(grid);
BENCHMARK_TEMPLATE(step, msrnn::DecayedAttention)->Apply(grid);
BENCHMARK_TEMPLATE(step, msrnn::KeyNorm)->Apply(grid);
BENCHMARK_TEMPLATE(step, msrnn::RandomEviction)->Apply(grid);
BENCHMARK_MAIN();
