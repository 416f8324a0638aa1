// A stream without end: the step at token 10^6 against one at token 10^4, of a copy that was left there, and the memory
// the program takes. One layer of 2 KV heads, 4 query heads each, head_dim 64, budget 256.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <memory>
#include <msrnn/msrnn.hpp>

#include "exact.hpp"
#include "paired.hpp"
#include "random_floats.hpp"

namespace {
using msrnn::H2O;
using msrnn::Tova;
constexpr msrnn::Shape shape{.layers = 1, .query_heads = 8, .kv_heads = 2, .head_dim = 64};
constexpr std::size_t budget = 256, early = 10000;

double resident_bytes() {
    std::ifstream file("/proc/self/statm");
    double pages = 0, resident = 0;
    file >> pages >> resident;
    return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

template <class P>
class Stream {
public:
    void step() {
        const auto part = [this](const std::vector<float>& all) {
            const std::size_t width = all.size() / different;
            return std::span(all).subspan(tokens() % different * width, width);
        };
        query_ = part(q_);
        state_.step(0, tokens(), query_, part(k_), part(v_), out_);
    }
    std::size_t tokens() const { return static_cast<std::size_t>(state_.lane(0, 0).seen()); }
    /// Whether the last output is that of its rows, the victim's among them.
    bool right() const {
        const auto& rows = state_.rows(0, 0);
        return is_attention(
            query_.first(shape.head_dim), state_.lane(0, 0).extent(), static_cast<double>(shape.logit_scale()),
            [&](std::size_t r) { return rows.keys[r]; }, [&](std::size_t r) { return rows.values[r]; },
            std::span<const float>(out_).first(shape.head_dim));
    }

private:
    static constexpr std::size_t different = 61;
    msrnn::State<P> state_{shape, {.budget = budget}};
    std::vector<float> q_ = random_floats(different * shape.query_heads * shape.head_dim, 1),
                       k_ = random_floats(different * shape.kv_heads * shape.head_dim, 2),
                       v_ = random_floats(different * shape.kv_heads * shape.head_dim, 3),
                       out_ = std::vector<float>(shape.query_heads * shape.head_dim);
    std::span<const float> query_;
};

template <class P>
void stream(benchmark::State& run) {
    static Stream<P> now;
    static std::unique_ptr<Stream<P>> then;
    static double resident_then = 0;
    const auto tokens = static_cast<std::size_t>(run.range(0));
    while (now.tokens() < tokens) {
        now.step();
        if (now.tokens() != early) continue;
        then = std::make_unique<Stream<P>>(now);
        resident_then = resident_bytes();
    }
    for (auto _ : run) now.step();

    static std::map<std::int64_t, Rounds<2>> measured;
    const auto [place, is_new] = measured.try_emplace(run.range(0));
    Stream<P>& other = then ? *then : now;
    if (is_new)
        place->second = alternate(
            0.4, [&] { now.step(); }, [&] { other.step(); });
    run.counters["step_us"] = 1e6 * place->second.median(0);
    run.counters["resident_MiB"] = resident_bytes() / 0x1p20;
    if (tokens >= early) {
        const Middle ratio = place->second.ratio(0, 1);
        run.counters["step_ratio_to_10^4"] = ratio.median;
        run.counters["mad"] = ratio.deviation;
        run.counters["resident_growth_KiB"] = (resident_bytes() - resident_then) / 0x1p10;
    }
    if (!now.right()) run.SkipWithError("the output differs from a loop in double");
}

void grid(benchmark::internal::Benchmark* bench) {
    bench->ArgName("tokens")->RangeMultiplier(10)->Range(1000, 1000000);
}
}  // namespace

BENCHMARK_TEMPLATE(stream, Tova)->Apply(grid);
BENCHMARK_TEMPLATE(stream, H2O)->Apply(grid);
BENCHMARK_MAIN();
