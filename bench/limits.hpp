// The limits of one core: how fast it merely reads memory, in several ways, and how many multiply-adds it does, by
// several loops. The fastest one counts: a kernel that must do the same cannot be faster.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <iostream>
#include <map>
#include <msrnn/simd/pack.hpp>
#include <span>
#include <string>
#include <utility>

#include "paired.hpp"
#include "readers.hpp"

/// Multiply-adds of floats that are timed together.
constexpr std::size_t multiply_adds_together = 24 * msrnn::detail::floats_per_pack * 4096;

/// Sums in registers and nothing else; returns how many multiply-adds of floats it did.
template <std::size_t Sums>
std::size_t multiply_add() {
    using namespace msrnn::detail;
    constexpr std::size_t turns = multiply_adds_together / Sums / floats_per_pack;
    Pack sum[Sums] = {}, x = pin(all(1e-9f));
#pragma GCC unroll 1
    for (std::size_t i = 0; i < turns; ++i)
#pragma GCC unroll 24
        for (Pack& one : sum) one = pin(one + x * x);
    for (Pack& one : sum) benchmark::DoNotOptimize(one);
    return turns * Sums * floats_per_pack;
}

/// Seconds of so many multiply-adds by the fastest of the loops, each timed anew. Twenty-four sums need 32 registers.
inline double seconds_of_multiply_adds() {
    constexpr std::array loops{multiply_add<8>, multiply_add<10>, multiply_add<12>,
                               multiply_add < msrnn::detail::floats_per_pack == 16 ? 16 : 11 >,
                               multiply_add < msrnn::detail::floats_per_pack == 16 ? 24 : 9 > };
    double best = 1;
    for (const auto loop : loops) {
        std::size_t done = 0;
        const auto run = [&] { done = loop(); };
        best = std::min(best, seconds_of(run, 1) / static_cast<double>(done));
    }
    return best * static_cast<double>(multiply_adds_together);
}

/// The readers that a kernel is measured against: the plainest one, and the fastest that reads one address after the
/// other, in several streams, or several stretches side by side. Chosen once for each size that stays in a cache, and
/// once for memory; and printed.
inline const std::array<NamedReader, 4>& fastest_readers(std::span<const char> memory, std::size_t bytes, bool cached) {
    static std::map<std::size_t, std::array<NamedReader, 4>> chosen;
    const std::size_t piece = cached ? bytes : std::size_t{8} << 20;
    const auto [place, is_new] = chosen.try_emplace(piece);
    if (is_new) {
        const auto best = [&](const std::vector<NamedReader>& readers) {
            NamedReader reader = fastest(readers, cached ? memory.first(bytes) : memory, piece);
            std::cerr << "fastest reader of pieces of " << piece << " bytes: " << reader.name << '\n';
            return reader;
        };
        place->second = {sequential_readers().front(), best(sequential_readers()), best(stream_readers()),
                         best(interleaved_readers())};
    }
    return place->second;
}
