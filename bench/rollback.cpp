// What a step pays for being reversible: a state that can take back 8 tokens against one that cannot. One layer of 8 KV
// heads, head_dim 128, rows of 16 bits. G: query heads per KV head, n: budget.
#include <benchmark/benchmark.h>

#include <map>
#include <msrnn/msrnn.hpp>

#include "paired.hpp"
#include "random_floats.hpp"

namespace {
using namespace msrnn;
using Scalar = Eigen::bfloat16;

template <class P>
class Stream {
public:
    Stream(std::size_t group, std::size_t budget, Rollback rollback)
        : shape_{.layers = 1, .query_heads = 8 * group, .kv_heads = 8, .head_dim = 128},
          state_(shape_, {.budget = budget}, {}, rollback) {
        for (std::size_t t = 0; t < 2 * budget; ++t) step();
    }
    void step() {
        const std::size_t turn = tokens_++ % different;
        const auto part = [turn](const std::vector<float>& all, std::size_t width) {
            return std::span(all).subspan(turn * width, width);
        };
        const std::size_t queries = shape_.query_heads * shape_.head_dim, width = shape_.kv_heads * shape_.head_dim;
        state_.step(0, tokens_, part(q_, queries), part(k_, width), part(v_, width), out_);
    }
    void take_back(std::size_t tokens) {
        if (state_.rollback(tokens)) tokens_ -= tokens;
    }
    std::size_t tokens() const { return tokens_; }
    const std::vector<float>& out() const { return out_; }
    std::size_t bytes() const { return state_.bytes(); }

private:
    static constexpr std::size_t different = 7;
    Shape shape_;
    State<P, Scalar> state_;
    std::size_t tokens_ = 0;
    std::vector<float> q_ = random_floats(different * shape_.query_heads * shape_.head_dim, 1),
                       k_ = random_floats(different * shape_.kv_heads * shape_.head_dim, 2),
                       v_ = random_floats(different * shape_.kv_heads * shape_.head_dim, 3),
                       out_ = std::vector<float>(shape_.query_heads * shape_.head_dim);
};

template <class P>
void reversible(benchmark::State& run) {
    const auto group = static_cast<std::size_t>(run.range(0)), n = static_cast<std::size_t>(run.range(1));
    Stream<P> with(group, n, {.tokens = 8}), without(group, n, {});
    for (auto _ : run) with.step();

    static std::map<std::vector<std::int64_t>, Rounds<2>> measured;
    const auto [place, is_new] = measured.try_emplace({run.range(0), run.range(1)});
    if (is_new)
        place->second = alternate(
            0.4, [&] { with.step(); }, [&] { without.step(); });
    const Middle ratio = place->second.ratio(0, 1);
    run.counters["step_ratio"] = ratio.median;
    run.counters["mad"] = ratio.deviation;
    run.counters["bytes_ratio"] = static_cast<double>(with.bytes()) / static_cast<double>(without.bytes());

    Stream<P> taken_back(group, n, {.tokens = 8}), straight(group, n, {});
    const std::size_t tokens = taken_back.tokens();
    for (int t = 0; t < 8; ++t) taken_back.step();
    taken_back.take_back(8);
    taken_back.step();
    straight.step();
    if (taken_back.tokens() != tokens + 1 || taken_back.out() != straight.out())
        run.SkipWithError("what was taken back is still felt");
}

void grid(benchmark::internal::Benchmark* bench) {
    bench->ArgNames({"G", "n"})->ArgsProduct({{1, 4}, {64, 512, 4096}});
}
}  // namespace

BENCHMARK_TEMPLATE(reversible, Tova)->Apply(grid);
BENCHMARK_TEMPLATE(reversible, H2O)->Apply(grid);
BENCHMARK_MAIN();
