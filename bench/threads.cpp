// The heads of a layer on two threads against one: attention side by side, then one decision. G: query heads per KV
// head, D: head_dim, n: budget.
#include <benchmark/benchmark.h>

#include <atomic>
#include <map>
#include <msrnn/decide.hpp>
#include <thread>

#include "engine.hpp"
#include "paired.hpp"

namespace {
using msrnn::H2O;
using msrnn::Tova;
/// A second thread that does `work` each time it is asked to, and is waited for. Both spin.
template <class Work>
class Companion {
public:
    explicit Companion(Work work)
        : thread_([this, work] {
              for (std::size_t turn = 1;; ++turn) {
                  while (asked_.load(std::memory_order_acquire) < turn) std::this_thread::yield();
                  if (over_) return;
                  work();
                  done_.store(turn, std::memory_order_release);
              }
          }) {}
    ~Companion() {
        over_ = true;
        ask();
        thread_.join();
    }
    void ask() { asked_.fetch_add(1, std::memory_order_release); }
    void wait() const {
        while (done_.load(std::memory_order_acquire) < asked_.load(std::memory_order_relaxed))
            std::this_thread::yield();
    }

private:
    std::atomic<std::size_t> asked_ = 0, done_ = 0;
    std::atomic<bool> over_ = false;
    std::thread thread_;
};

template <class P>
void threads(benchmark::State& run) {
    const auto group = static_cast<std::size_t>(run.range(0)), dim = static_cast<std::size_t>(run.range(1)),
               n = static_cast<std::size_t>(run.range(2));
    Engine<P> engine(group, dim, n);
    Companion companion([&] { engine.attend(kv_heads / 2, kv_heads); });
    const auto on_two = [&] {
        engine.step([&] {
            companion.ask();
            engine.attend(0, kv_heads / 2);
            companion.wait();
        });
    };
    for (auto _ : run) on_two();

    static std::map<std::vector<std::int64_t>, Rounds<2>> measured;
    const auto [place, is_new] = measured.try_emplace({run.range(0), run.range(1), run.range(2)});
    if (is_new)
        place->second = alternate(
            0.4, [&] { engine.step(); }, on_two);
    const Middle ratio = place->second.ratio(0, 1);
    run.counters["speedup"] = ratio.median;
    run.counters["mad"] = ratio.deviation;
    run.counters["one_thread_us"] = 1e6 * place->second.median(0);
    run.counters["two_threads_us"] = 1e6 * place->second.median(1);

    engine.next();
    companion.ask();
    engine.attend(0, kv_heads / 2);
    companion.wait();
    if (!engine.right()) run.SkipWithError("the output differs from a loop in double");
}

void grid(benchmark::internal::Benchmark* bench) {
    bench->ArgNames({"G", "D", "n"})->ArgsProduct({{1, 4}, {128}, {64, 256, 1024, 4096}});
}
}  // namespace

BENCHMARK_TEMPLATE(threads, Tova)->Apply(grid);
BENCHMARK_TEMPLATE(threads, H2O)->Apply(grid);
BENCHMARK_MAIN();
