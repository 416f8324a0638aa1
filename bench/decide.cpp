// A decision alone, on recorded weights: append, observe, evict, as an engine does beside its own attention.
// G: query heads of the lane, n: budget. Each victim of a run after the timing is checked by a plain loop.
#include <benchmark/benchmark.h>

#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>

#include "random_floats.hpp"

namespace {
constexpr std::size_t recorded = 16;

template <class P>
class Engine {
public:
    Engine(std::size_t group, std::size_t budget, P policy)
        : lane(msrnn::Limits{.budget = budget}, policy),
          group_(group),
          weights_(random_weights(recorded * group, budget + 1, 1)),
          keys_(random_floats((budget + 1) * head_dim, 2)) {
        while (lane.size() < budget) observe();
    }
    void observe() {
        lane.append(lane.seen());
        const std::size_t width = lane.capacity();
        lane.observe(weights_.data() + lane.seen() % recorded * group_ * width, group_, width);
        lane.observe(msrnn::Keys{
            [this](msrnn::Slot slot) { return std::span<const float>(keys_).subspan(slot * head_dim, head_dim); }});
    }
    msrnn::Lane<P> lane;

private:
    static constexpr std::size_t head_dim = 128;
    std::size_t group_;
    std::vector<float> weights_, keys_;
};

/// Whether the next thousand victims are those of a plain loop over the candidates.
template <class P>
bool right(Engine<P>& engine) {
    const auto& lane = engine.lane;
    for (int step = 0; step < 1000; ++step) {
        engine.observe();
        std::vector<std::pair<std::size_t, msrnn::Arrival>> candidates;
        for (std::size_t s = 0; s < lane.extent(); ++s)
            if (lane.candidate(msrnn::Slot(s))) candidates.emplace_back(s, lane.arrival(msrnn::Slot(s)));
        engine.lane.evict();
        std::pair<std::size_t, msrnn::Arrival> expected = candidates.at(0);
        for (const auto& [slot, arrival] : candidates)
            if (const float low = lane.ratings()[expected.first], rating = lane.ratings()[slot];
                rating < low || (rating == low && arrival < expected.second))
                expected = {slot, arrival};
        if (lane.victims().size() != 1 || lane.victims()[0] != expected.first) return false;
    }
    return true;
}

template <class P>
void time(benchmark::State& run, P policy) {
    Engine<P> engine(static_cast<std::size_t>(run.range(0)), static_cast<std::size_t>(run.range(1)), policy);
    engine.observe();
    engine.lane.evict();
    for (auto _ : run) {
        engine.observe();
        benchmark::DoNotOptimize(engine.lane.evict().data());
    }
    if (!right(engine)) run.SkipWithError("a victim is not the one of a plain loop");
}
template <class P>
void decide(benchmark::State& run) {
    time(run, P{});
}
void any_h2o(benchmark::State& run) { time<msrnn::AnyPolicy>(run, msrnn::H2O{}); }

void grid(benchmark::internal::Benchmark* bench) {
    bench->ArgNames({"G", "n"})->ArgsProduct({{1, 4, 32}, {64, 256, 1024, 4096, 16384}});
}
}  // namespace

BENCHMARK_TEMPLATE(decide, msrnn::Window)->Apply(grid);
BENCHMARK_TEMPLATE(decide, msrnn::SinkWindow)->Apply(grid);
BENCHMARK_TEMPLATE(decide, msrnn::Tova)->Apply(grid);
BENCHMARK_TEMPLATE(decide, msrnn::H2O)->Apply(grid);
BENCHMARK_TEMPLATE(decide, msrnn::DecayedAttention)->Apply(grid);
BENCHMARK_TEMPLATE(decide, msrnn::KeyNorm)->Apply(grid);
BENCHMARK_TEMPLATE(decide, msrnn::RandomEviction)->Apply(grid);
BENCHMARK(any_h2o)->Apply(grid);
BENCHMARK_MAIN();
