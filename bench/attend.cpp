// Decode attention over n rows of 8 KV heads, against the time to merely read the same keys and values.
// G: query heads per KV head, D: head_dim. README.md explains the counters.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <iostream>
#include <map>
#include <vector>

#include "layers.hpp"
#include "paired.hpp"
#include "readers.hpp"

namespace {
/// Chosen once for each size that stays in a cache, and once for memory.
const NamedReader& fastest_reader(const char* kind, const std::vector<NamedReader>& readers,
                                  std::span<const char> memory, std::size_t bytes, bool cached) {
    static std::map<std::pair<std::string, std::size_t>, NamedReader> chosen;
    const std::size_t piece = cached ? bytes : std::size_t{8} << 20;
    const auto [place, is_new] = chosen.try_emplace({kind, piece});
    if (is_new) {
        place->second = fastest(readers, cached ? memory.first(bytes) : memory, piece);
        std::cerr << "fastest " << kind << " reader of pieces of " << piece << " bytes: " << place->second.name << '\n';
    }
    return place->second;
}

template <class Scalar>
void attend(benchmark::State& run) {
    const auto group = static_cast<std::size_t>(run.range(0)), dim = static_cast<std::size_t>(run.range(1)),
               n = static_cast<std::size_t>(run.range(2));
    const Layers<Scalar> layers(n, dim);
    const std::vector<float> q = random_floats(kv_heads * group * dim, 2);
    const std::size_t weight_stride = msrnn::whole_lines(n);
    msrnn::Buffer weights(kv_heads * group * weight_stride), out(kv_heads * group * dim);
    const msrnn::AttentionSettings settings{.query_heads = group, .head_dim = dim, .scale = layers.scale()};
    std::size_t layer = 0;
    const auto next = [&] { return layer = (layer + 1) % layers.count; };
    const auto step = [&] {
        next();
        msrnn::attend(layers.keys(layer), layers.values(layer), kv_heads, n, settings, q.data(), weights.data(),
                      weight_stride, out.data());
        benchmark::DoNotOptimize(out.data());
    };
    step();
    for (auto _ : run) step();
    if (!layers.right(layer, group, q, out)) return run.SkipWithError("the output differs from a loop in double");

    // The function is called anew for ever longer loops: the rounds are measured once.
    static std::map<std::vector<std::int64_t>, Rounds<3>> measured;
    const auto [place, is_new] = measured.try_emplace({run.range(0), run.range(1), run.range(2)});
    Rounds<3>& rounds = place->second;
    if (is_new) {
        const bool cached = layers.count == 1;
        const auto interleaved =
            fastest_reader("interleaved", interleaved_readers(), layers.memory, layers.bytes, cached);
        const auto sequential = fastest_reader("sequential", sequential_readers(), layers.memory, layers.bytes, cached);
        rounds = alternate(
            0.4, step, [&] { interleaved.read(layers.at(next()), layers.bytes); },
            [&] { sequential.read(layers.at(next()), layers.bytes); });
    }
    const bool sequential_is_faster = rounds.ratio(1, 2).median > 1;
    const Middle ratio = rounds.ratio(0, sequential_is_faster ? 2 : 1);
    run.counters["read_ratio"] = ratio.median;
    run.counters["read_ratio_mad"] = ratio.deviation;
    run.counters["sequential_ratio"] = rounds.ratio(0, 2).median;
    run.counters["GB/s"] = static_cast<double>(layers.bytes) / rounds.median(0) * 1e-9;
    run.counters["rounds"] = static_cast<double>(rounds.seconds[0].size());
    if (ratio.median < 0.97) run.SkipWithError("faster than the readers: they are too slow to measure against");
}

void grid(benchmark::internal::Benchmark* bench) {
    bench->ArgNames({"G", "D", "n"})->ArgsProduct({{1, 4, 8}, {64, 128}, {64, 256, 1024, 4096, 16384}});
}
}  // namespace

BENCHMARK_TEMPLATE(attend, f32)->Apply(grid);
BENCHMARK_TEMPLATE(attend, bf16)->Apply(grid);
BENCHMARK_TEMPLATE(attend, f16)->Apply(grid);
BENCHMARK_TEMPLATE(attend, int8)->Apply(grid);
BENCHMARK_MAIN();
