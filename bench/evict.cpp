// What it takes to drop one token of a layer of 8 KV heads and to store the next: the victim's row is taken again, or,
// as implementations in Python do, all rows but the victim's are gathered into new memory. D: head_dim, n: budget.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <map>
#include <msrnn/decide.hpp>
#include <vector>

#include "paired.hpp"

namespace {
constexpr std::size_t kv_heads = 8;

/// Keys and values, [key, value][kv_heads][rows][D]; every number of a token's rows is its position.
struct Memory {
    Memory(std::size_t rows_, std::size_t dim_) : rows(rows_), dim(dim_), numbers(2 * kv_heads * rows * dim) {}
    float* row(std::size_t head, std::size_t r) { return numbers.data() + (head * rows + r) * dim; }
    void write(std::size_t r, std::size_t position) {
        for (std::size_t head = 0; head < 2 * kv_heads; ++head)
            std::fill_n(row(head, r), dim, static_cast<float>(position % (1 << 24)));
    }
    std::size_t rows, dim;
    std::vector<float> numbers;
};

class InPlace {
public:
    InPlace(std::size_t n, std::size_t dim) : lane(n), memory_(n + 1, dim) {}
    void step() {
        memory_.write(lane.append(lane.seen()), lane.seen() - 1);
        lane.evict();
    }
    std::vector<float> kept() {
        std::vector<float> positions;
        for (std::size_t s = 0; s < lane.extent(); ++s)
            if (lane.live(msrnn::Slot(s))) positions.push_back(*memory_.row(2 * kv_heads - 1, s));
        return positions;
    }
    msrnn::Lane<msrnn::Window> lane;

private:
    Memory memory_;
};

/// The same window. Its victim is the first row, so that gathering the others is one copy: the best case.
class Gather {
public:
    Gather(std::size_t n, std::size_t dim) : n_(n), old_(n + 1, dim), new_(n + 1, dim) {}
    void step() {
        old_.write(size_, position_++);
        if (++size_ <= n_) return;
        for (std::size_t head = 0; head < 2 * kv_heads; ++head)
            std::copy_n(old_.row(head, 1), n_ * old_.dim, new_.row(head, 0));
        std::swap(old_.numbers, new_.numbers);
        --size_;
    }
    std::vector<float> kept() {
        std::vector<float> positions;
        for (std::size_t r = 0; r < size_; ++r) positions.push_back(*old_.row(2 * kv_heads - 1, r));
        return positions;
    }
    std::size_t bytes_moved() const { return 2 * kv_heads * n_ * old_.dim * sizeof(float); }

private:
    std::size_t n_, size_ = 0, position_ = 0;
    Memory old_, new_;
};

void evict(benchmark::State& run) {
    const auto dim = static_cast<std::size_t>(run.range(0)), n = static_cast<std::size_t>(run.range(1));
    InPlace in_place(n, dim);
    for (std::size_t t = 0; t < 2 * n; ++t) in_place.step();
    for (auto _ : run) in_place.step();

    static std::map<std::vector<std::int64_t>, Rounds<2>> measured;
    Gather gather(n, dim);
    for (std::size_t t = 0; t <= n; ++t) gather.step();
    const auto [place, is_new] = measured.try_emplace({run.range(0), run.range(1)});
    if (is_new)
        place->second = alternate(
            0.4, [&] { in_place.step(); }, [&] { gather.step(); });
    run.counters["in_place_ns"] = 1e9 * place->second.median(0);
    run.counters["gather_ns"] = 1e9 * place->second.median(1);
    run.counters["gather_ratio"] = place->second.ratio(1, 0).median;
    run.counters["bytes_moved"] = 0;
    run.counters["gather_bytes_moved"] = static_cast<double>(gather.bytes_moved());

    // Both hold the rows of the newest n tokens, wherever they lie.
    for (auto kept : {in_place.kept(), gather.kept()}) {
        std::sort(kept.begin(), kept.end());
        for (std::size_t i = 1; i < kept.size(); ++i)
            if (kept.size() != n || kept[i] != kept[i - 1] + 1) run.SkipWithError("the rows are not those of a window");
    }
}
}  // namespace

BENCHMARK(evict)->ArgNames({"D", "n"})->ArgsProduct({{64, 128}, {64, 256, 1024, 4096, 16384}});
BENCHMARK_MAIN();
