// Decode attention over n rows of 8 KV heads, against the time to merely read the same keys and values, and the time of
// as many multiply-adds. G: query heads per KV head, D: head_dim. README.md explains the counters.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <random>
#include <vector>

#include "layers.hpp"
#include "limits.hpp"
#include "paired.hpp"

namespace {
/// Of each round: the step ÷ what is slower, reading the rows in the fastest way or the multiply-adds at the peak.
struct Measured {
    Middle roof, read, arithmetic;
    double seconds, reading, multiply_add;
    std::size_t rounds;
};
Measured against_limits(const Rounds<6>& rounds, double multiply_adds) {
    std::vector<double> roof, read, arithmetic;
    for (std::size_t i = 0; i < rounds.seconds[0].size(); ++i) {
        const auto of = [&](std::size_t work) { return rounds.seconds[work][i]; };
        const double reading = std::min({of(1), of(2), of(3), of(4)}),
                     adding = multiply_adds * of(5) / static_cast<double>(multiply_adds_together);
        roof.push_back(of(0) / std::max(reading, adding));
        read.push_back(of(0) / reading);
        arithmetic.push_back(adding / reading);
    }
    const auto fastest = [&](std::size_t work) { return middle_of(rounds.seconds[work]).median; };
    return {middle_of(roof),
            middle_of(read),
            middle_of(arithmetic),
            fastest(0),
            std::min({fastest(1), fastest(2), fastest(3), fastest(4)}),
            fastest(5) / static_cast<double>(multiply_adds_together),
            roof.size()};
}
template <class Step, class Read>
Rounds<6> by_turns(Step step, const std::array<NamedReader, 4>& readers, Read read) {
    return alternate(
        0.4, step, [&] { read(readers[0]); }, [&] { read(readers[1]); }, [&] { read(readers[2]); },
        [&] { read(readers[3]); }, seconds_of_multiply_adds);
}
void report(benchmark::State& run, const Measured& measured, std::size_t bytes) {
    run.counters["roofline_ratio"] = measured.roof.median;
    run.counters["roofline_ratio_mad"] = measured.roof.deviation;
    run.counters["read_ratio"] = measured.read.median;
    run.counters["arithmetic_to_reading"] = measured.arithmetic.median;
    run.counters["GB/s"] = static_cast<double>(bytes) / measured.seconds * 1e-9;
    run.counters["read_GB/s"] = static_cast<double>(bytes) / measured.reading * 1e-9;
    run.counters["multiply_adds_a_ns"] = 1e-9 / measured.multiply_add;
    run.counters["rounds"] = static_cast<double>(measured.rounds);
}
double multiply_adds_of(std::size_t group, std::size_t dim, std::size_t n) {
    return 2.0 * static_cast<double>(kv_heads * group * dim * n);  // for keys and for values
}

template <class Scalar>
void attend(benchmark::State& run) {
    const auto group = static_cast<std::size_t>(run.range(0)), dim = static_cast<std::size_t>(run.range(1)),
               n = static_cast<std::size_t>(run.range(2));
    const Layers<Scalar> layers(n, dim);
    const std::vector<float> q = random_floats(kv_heads * group * dim, 2);
    const std::size_t weight_stride = msrnn::whole_lines(n) + 16;
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
    static std::map<std::vector<std::int64_t>, Measured> known;
    const auto [place, is_new] = known.try_emplace({run.range(0), run.range(1), run.range(2)});
    if (is_new) {
        const auto readers = fastest_readers(layers.memory, layers.bytes, layers.count == 1);
        place->second = against_limits(
            by_turns(step, readers, [&](const NamedReader& reader) { reader.read(layers.at(next()), layers.bytes); }),
            multiply_adds_of(group, dim, n));
    }
    report(run, place->second, layers.bytes);
    if (place->second.read.median < 0.97)
        run.SkipWithError("faster than the readers: they are too slow to measure against");
}

/// The same over rows where states have them: created one after the other, read in another order. The limit is that of
/// rows in one piece, so what large distances cost is part of the ratio; `same_rows_ratio` is against reading these
/// rows.
template <class Scalar>
void attend_states(benchmark::State& run) {
    const auto group = static_cast<std::size_t>(run.range(0)), dim = static_cast<std::size_t>(run.range(1)),
               n = static_cast<std::size_t>(run.range(2));
    const Layers<Scalar> layers(n, dim);
    const std::size_t count = std::min(layers.count, (std::size_t{1} << 29) / layers.bytes);
    std::vector<msrnn::HeadRows<Scalar>> heads;
    heads.reserve(count * kv_heads);
    const std::vector<float> numbers = random_floats(dim, 5);
    for (std::size_t i = 0; i < count * kv_heads; ++i) {
        heads.push_back({{n, dim}, {n, dim}});
        for (std::size_t r = 0; r < n; ++r) heads.back().keys.write(r, numbers), heads.back().values.write(r, numbers);
    }
    std::vector<std::size_t> order(heads.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::shuffle(order.begin(), order.end(), std::mt19937(1));

    const std::vector<float> q = random_floats(group * dim, 2);
    const std::size_t weight_stride = msrnn::whole_lines(n) + 16;
    msrnn::Buffer weights(group * weight_stride), out(group * dim);
    const msrnn::AttentionSettings settings{.query_heads = group, .head_dim = dim, .scale = layers.scale()};
    std::size_t at = 0, layer = 0;
    const auto next = [&]() -> const msrnn::HeadRows<Scalar>& { return heads[order[at = (at + 1) % order.size()]]; };
    const auto step = [&] {
        for (std::size_t h = 0; h < kv_heads; ++h) {
            const msrnn::HeadRows<Scalar>& head = next();
            const auto& following = heads[order[(at + 1) % order.size()]];
            msrnn::attend(head.keys.view(), head.values.view(), n, settings, q.data(), weights.data(), weight_stride,
                          out.data(), following.keys.view().base);
        }
        benchmark::DoNotOptimize(out.data());
    };
    step();
    for (auto _ : run) step();
    static std::map<std::vector<std::int64_t>, std::pair<Measured, Middle>> known;
    const auto [place, is_new] = known.try_emplace({run.range(0), run.range(1), run.range(2)});
    if (is_new) {
        const auto readers = fastest_readers(layers.memory, layers.bytes, layers.count == 1);
        const double adds = multiply_adds_of(group, dim, n);
        const auto rounds = by_turns(step, readers, [&](const NamedReader& reader) {
            reader.read(layers.at(layer = (layer + 1) % layers.count), layers.bytes);
        });
        const auto here = by_turns(step, readers, [&](const NamedReader& reader) {
            for (std::size_t h = 0; h < kv_heads; ++h) {
                const msrnn::HeadRows<Scalar>& head = next();
                reader.read(reinterpret_cast<const char*>(head.keys.view().base), n * dim * sizeof(Scalar));
                reader.read(reinterpret_cast<const char*>(head.values.view().base), n * dim * sizeof(Scalar));
            }
        });
        place->second = {against_limits(rounds, adds), against_limits(here, adds).roof};
    }
    report(run, place->second.first, layers.bytes);
    run.counters["same_rows_ratio"] = place->second.second.median;
}

void grid(benchmark::internal::Benchmark* bench) {
    bench->ArgNames({"G", "D", "n"})->ArgsProduct({{1, 4, 8}, {64, 128, 256}, {64, 256, 1024, 4096}});
}
void states(benchmark::internal::Benchmark* bench) {
    bench->ArgNames({"G", "D", "n"})->ArgsProduct({{1, 4, 8}, {128}, {256, 1024, 4096}});
}
}  // namespace

BENCHMARK_TEMPLATE(attend, f32)->Apply(grid);
BENCHMARK_TEMPLATE(attend, bf16)->Apply(grid);
BENCHMARK_TEMPLATE(attend, f16)->Apply(grid);
BENCHMARK_TEMPLATE(attend, int8)->Apply(grid);
BENCHMARK_TEMPLATE(attend_states, f32)->Apply(states);
BENCHMARK_TEMPLATE(attend_states, bf16)->Apply(states);
BENCHMARK_TEMPLATE(attend_states, int8)->Apply(states);
BENCHMARK_MAIN();
