// What it takes to save and load a state of 32 layers, 8 KV heads and head_dim 128 in bf16, beside copying as many
// bytes and beside writing them to a file that the disk has in the end. n: budget.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <msrnn/io.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "paired.hpp"
#include "random_floats.hpp"

namespace {
using Of = msrnn::State<msrnn::H2O, Eigen::bfloat16>;
using Bytes = std::vector<std::byte>;

constexpr msrnn::Shape shape{.layers = 32, .query_heads = 8, .kv_heads = 8, .head_dim = 128};

void refuse(const std::string& wrong) {
    if (!wrong.empty()) throw std::runtime_error(wrong);
}

/// A full state: a prompt, cut to the budget, and one token.
Of full(std::size_t budget) {
    Of state(shape, {.budget = budget});
    const std::size_t width = shape.kv_heads * shape.head_dim;
    const std::vector<float> numbers = random_floats((budget + 1) * width, 5);
    std::vector<float> out(numbers.size());
    for (std::size_t layer = 0; layer < shape.layers; ++layer) {
        const std::span<float> first(out.data(), width);
        const auto token = std::span(numbers).first(width);
        state.prefill(layer, 0, numbers, numbers, numbers, out);
        state.step(layer, budget + 1, token, token, token, first);
    }
    return state;
}

/// What everything is timed on, made once for each budget.
struct Scene {
    explicit Scene(std::size_t budget) : state(full(budget)), loaded(shape, {.budget = budget}) {
        refuse(save(state, bytes));
        std::string name = (std::filesystem::temp_directory_path() / "msrnn-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
        folder = name;
        refuse(save(state, file()));
        copy.resize(bytes.size());
    }
    Scene(const Scene&) = delete;
    ~Scene() {
        std::error_code ignored;
        std::filesystem::remove_all(folder, ignored);
    }
    std::filesystem::path file() const { return folder / "state"; }

    void save_to_file() { refuse(save(state, file())); }
    void save_to_memory() {
        saved.clear();
        refuse(save(state, saved));
    }
    void load_from_file() { refuse(load(loaded, file())); }
    void load_from_memory() { refuse(load(loaded, std::span<const std::byte>(bytes))); }
    void copy_bytes() {
        std::memcpy(copy.data(), bytes.data(), bytes.size());
        benchmark::DoNotOptimize(copy.data());
        benchmark::ClobberMemory();
    }
    void write_bytes() {
        const int plain = ::open((folder / "plain").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        std::size_t done = 0;
        while (plain >= 0 && done < bytes.size()) {
            const ssize_t written = ::write(plain, bytes.data() + done, bytes.size() - done);
            if (written <= 0) throw std::runtime_error("write failed");
            done += static_cast<std::size_t>(written);
        }
        if (plain < 0 || fsync(plain) != 0 || close(plain) != 0) throw std::runtime_error("write failed");
    }
    void read_bytes() {
        std::ifstream plain(file(), std::ios::binary);
        plain.read(reinterpret_cast<char*>(copy.data()), static_cast<std::streamsize>(copy.size()));
        if (!plain) throw std::runtime_error("read failed");
    }
    /// Whether what was saved last, and what was loaded, are the state.
    bool right() {
        Bytes again, on_disk(std::filesystem::file_size(file()));
        refuse(save(loaded, again));
        std::ifstream(file(), std::ios::binary)
            .read(reinterpret_cast<char*>(on_disk.data()), static_cast<std::streamsize>(on_disk.size()));
        return saved == bytes && again == bytes && on_disk == bytes;
    }

    Of state, loaded;
    Bytes bytes, saved, copy;
    std::filesystem::path folder;
};
Scene& scene_of(std::size_t budget) {
    static std::map<std::size_t, Scene> scenes;
    return scenes.try_emplace(budget, budget).first->second;
}

/// Times `work` and what is the least that it does, alternately.
template <class Work, class Copy, class Least>
void measure(benchmark::State& run, Work work, Copy copy, Least least) {
    Scene& scene = scene_of(static_cast<std::size_t>(run.range(0)));
    scene.save_to_memory();
    scene.load_from_memory();
    for (auto _ : run) (scene.*work)();
    const auto rounds = alternate(
        0.4, [&] { (scene.*work)(); }, [&] { (scene.*copy)(); }, [&] { (scene.*least)(); });
    run.counters["bytes"] = static_cast<double>(scene.bytes.size());
    run.counters["ms"] = 1e3 * rounds.median(0);
    run.counters["memcpy_ms"] = 1e3 * rounds.median(1);
    run.counters["memcpy_ratio"] = rounds.ratio(0, 1).median;
    run.counters["least_ms"] = 1e3 * rounds.median(2);
    run.counters["least_ratio"] = rounds.ratio(0, 2).median;
    if (!scene.right()) run.SkipWithError("what was loaded is not what was saved");
}

// `least` is: write and fsync; memcpy; read into memory that is there; memcpy.
void save_to_file(benchmark::State& run) {
    measure(run, &Scene::save_to_file, &Scene::copy_bytes, &Scene::write_bytes);
}
void save_to_memory(benchmark::State& run) {
    measure(run, &Scene::save_to_memory, &Scene::copy_bytes, &Scene::copy_bytes);
}
void load_from_file(benchmark::State& run) {
    measure(run, &Scene::load_from_file, &Scene::copy_bytes, &Scene::read_bytes);
}
void load_from_memory(benchmark::State& run) {
    measure(run, &Scene::load_from_memory, &Scene::copy_bytes, &Scene::copy_bytes);
}
}  // namespace

BENCHMARK(save_to_file)->ArgName("n")->Arg(64)->Arg(512)->Unit(benchmark::kMillisecond);
BENCHMARK(save_to_memory)->ArgName("n")->Arg(64)->Arg(512)->Unit(benchmark::kMillisecond);
BENCHMARK(load_from_file)->ArgName("n")->Arg(64)->Arg(512)->Unit(benchmark::kMillisecond);
BENCHMARK(load_from_memory)->ArgName("n")->Arg(64)->Arg(512)->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
