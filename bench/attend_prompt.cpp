// Attention of a prompt's tokens, one KV head with all its query heads, against the multiply-adds that the processor
// can do. G: query heads per KV head, D: head_dim, T: tokens of the prompt, n: stored rows before them.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <msrnn/attend.hpp>
#include <vector>

#include "exact.hpp"
#include "layers.hpp"
#include "paired.hpp"
#include "random_floats.hpp"

namespace {
using msrnn::detail::Pack;

constexpr std::size_t together = 24 * msrnn::detail::floats_per_pack * 4096;  // multiply-adds of multiply_add()

/// Sums in registers and nothing else: half of them where there are sixteen registers.
void multiply_add() {
    constexpr std::size_t sums = msrnn::detail::floats_per_pack == 16 ? 24 : 12;
    Pack sum[sums] = {}, x = msrnn::detail::all(1e-9f);
    for (std::size_t i = 0; i < together / sums / msrnn::detail::floats_per_pack; ++i)
#pragma GCC unroll 24
        for (std::size_t s = 0; s < sums; ++s) sum[s] = msrnn::detail::pin(sum[s] + x * x);
    for (Pack& pack : sum) benchmark::DoNotOptimize(pack);
}

/// Random rows as a cache stores them.
template <class Scalar>
msrnn::Rows<Scalar> random_rows(std::size_t count, std::size_t dim, unsigned seed) {
    msrnn::Rows<Scalar> rows(count, dim);
    const std::vector<float> numbers = random_floats(count * dim, seed);
    for (std::size_t r = 0; r < count; ++r) rows.write(r, std::span(numbers).subspan(r * dim, dim));
    return rows;
}

template <class Scalar>
void attend_prompt(benchmark::State& run) {
    const auto group = static_cast<std::size_t>(run.range(0)), dim = static_cast<std::size_t>(run.range(1)),
               tokens = static_cast<std::size_t>(run.range(2)), stored = static_cast<std::size_t>(run.range(3));
    const std::size_t all = stored + tokens, stride = msrnn::whole_lines(all), width = group * dim;
    const std::size_t block = std::max<std::size_t>(32, 128 / group);  // tokens at a time, as State::prefill() has it
    const std::vector<float> q = random_floats(tokens * width, 1);
    const msrnn::Rows<Scalar> k = random_rows<Scalar>(all, dim, 2), v = random_rows<Scalar>(all, dim, 3);
    msrnn::Buffer weights(block * group * stride), out(tokens * width);
    const float scale = 1 / std::sqrt(static_cast<float>(dim));
    const msrnn::AttentionSettings settings{.query_heads = group, .head_dim = dim, .scale = scale};
    const auto rows = [&](const msrnn::Rows<Scalar>& of) {
        const std::size_t behind = msrnn::Rows<Scalar>::scaled ? stored : 0;
        return msrnn::PromptRows<Scalar>{
            of.view(), stored, {of.view().base + stored * dim, dim, of.view().scales + behind}};
    };
    const auto prompt = [&] {
        msrnn::PackedRows packed(all);
        for (std::size_t first = 0; first < tokens; first += block)
            msrnn::attend(rows(k), rows(v), first, std::min(block, tokens - first), settings,
                          {q.data() + first * width, width, dim}, {weights.data(), group * stride, stride},
                          {out.data() + first * width, width, dim}, tokens > block ? &packed : nullptr);
        benchmark::DoNotOptimize(out.data());
    };
    for (auto _ : run) prompt();
    for (const std::size_t token : {std::size_t{0}, tokens / 2, tokens - 1}) {
        const auto row_of = [dim](const msrnn::Rows<Scalar>& of) {
            return [&of, dim](std::size_t r) {
                std::vector<float> row(dim);
                of.read(r, row);
                return row;
            };
        };
        if (!is_attention(std::span(q).subspan(token * width, dim), stored + token + 1, static_cast<double>(scale),
                          row_of(k), row_of(v), std::span(out).subspan(token * width, dim)))
            return run.SkipWithError("the output differs from a loop in double");
    }

    const Rounds<2> rounds = alternate(0.3, prompt, multiply_add);
    // Twice, for keys and for values; a token sees the stored rows and those up to itself.
    const double wanted = 2.0 * static_cast<double>(width) *
                          (static_cast<double>(tokens * stored) + static_cast<double>(tokens * (tokens + 1)) / 2);
    const double roof = wanted / static_cast<double>(together);
    run.counters["roofline_ratio"] = rounds.ratio(0, 1).median / roof;
    run.counters["multiply_adds_a_ns"] = wanted / rounds.median(0) * 1e-9;
    run.counters["peak_a_ns"] = static_cast<double>(together) / rounds.median(1) * 1e-9;
}

void grid(benchmark::internal::Benchmark* bench) {
    bench->ArgNames({"G", "D", "tokens", "n"});
    bench->ArgsProduct({{1, 4, 8}, {64, 128, 256}, {32, 1024}, {0, 4096}})
        ->ArgsProduct({{1, 4, 8}, {64, 128, 256}, {4096}, {0}})
        ->ArgsProduct({{1, 4}, {64, 128}, {32}, {64}});
}
}  // namespace

BENCHMARK_TEMPLATE(attend_prompt, f32)->Apply(grid);
BENCHMARK_TEMPLATE(attend_prompt, bf16)->Apply(grid);
BENCHMARK_TEMPLATE(attend_prompt, f16)->Apply(grid);
BENCHMARK_TEMPLATE(attend_prompt, int8)->Apply(grid);
BENCHMARK_MAIN();
