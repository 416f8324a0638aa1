// Merely reading memory, in several ways: the fastest one is what a kernel that must read it too is measured against.
#pragma once

#include <cstddef>
#include <msrnn/simd/pack.hpp>
#include <span>
#include <string>
#include <vector>

#include "paired.hpp"

using Reader = void (*)(const char* memory, std::size_t bytes);
struct NamedReader {
    Reader read;
    std::string name;
};

namespace reading {
constexpr std::size_t line_bytes = 64;
typedef unsigned long long Word __attribute__((vector_size(msrnn::detail::pack_bytes)));

inline void keep(const Word& word) { asm volatile("" : : "m"(word) : "memory"); }

/// One address after the other.
template <std::size_t Accumulators, std::size_t Ahead>
void sequential(const char* memory, std::size_t bytes) {
    constexpr std::size_t step = Accumulators * sizeof(Word);
    Word sum[Accumulators] = {};
    for (std::size_t at = 0; at + step <= bytes; at += step) {
#pragma GCC unroll 16
        for (std::size_t i = 0; i < Accumulators; ++i) {
            const char* const place = memory + at + i * sizeof(Word);
            sum[i] += msrnn::detail::load<Word>(place);
            if (Ahead > 0 && i * sizeof(Word) % line_bytes == 0) __builtin_prefetch(place + Ahead, 0, 3);
        }
    }
    for (const Word& word : sum) keep(word);
}

/// So many pieces side by side, each one address after the other.
template <std::size_t Streams>
void streams(const char* memory, std::size_t bytes) {
    constexpr std::size_t together = 256 / sizeof(Word);
    const std::size_t part = bytes / Streams / 256 * 256;
    Word sum[Streams][together] = {};
    for (std::size_t at = 0; at < part; at += 256)
#pragma GCC unroll 4
        for (std::size_t s = 0; s < Streams; ++s)
#pragma GCC unroll 16
            for (std::size_t i = 0; i < together; ++i)
                sum[s][i] += msrnn::detail::load<Word>(memory + s * part + at + i * sizeof(Word));
    for (const auto& stream : sum)
        for (const Word& word : stream) keep(word);
}

/// A line of each of so many stretches of memory side by side, then the next.
template <std::size_t Stretches, std::size_t Lines, std::size_t BlocksAhead>
void interleaved(const char* memory, std::size_t bytes) {
    constexpr std::size_t stretch = Lines * line_bytes, block = Stretches * stretch;
    Word sum[Stretches] = {};
    for (std::size_t at = 0; at + block <= bytes; at += block)
        for (std::size_t l = 0; l < Lines; ++l) {
#pragma GCC unroll 16
            for (std::size_t i = 0; i < Stretches; ++i) {
                const char* const place = memory + at + i * stretch + l * line_bytes;
#pragma GCC unroll 4
                for (std::size_t w = 0; w < line_bytes; w += sizeof(Word))
                    sum[i] += msrnn::detail::load<Word>(place + w);
                __builtin_prefetch(place + BlocksAhead * block, 0, 3);
            }
        }
    for (const Word& word : sum) keep(word);
}
}  // namespace reading

inline const std::vector<NamedReader>& sequential_readers() {
    using namespace reading;
    static const std::vector<NamedReader> readers{{sequential<4, 0>, "4 accumulators"},
                                                  {sequential<8, 0>, "8 accumulators"},
                                                  {sequential<16, 0>, "16 accumulators"},
                                                  {sequential<4, 1024>, "4 accumulators, prefetch 1 KiB"},
                                                  {sequential<8, 1024>, "8 accumulators, prefetch 1 KiB"},
                                                  {sequential<16, 1024>, "16 accumulators, prefetch 1 KiB"},
                                                  {sequential<8, 4096>, "8 accumulators, prefetch 4 KiB"}};
    return readers;
}
inline const std::vector<NamedReader>& stream_readers() {
    using namespace reading;
    static const std::vector<NamedReader> readers{{streams<2>, "2 streams"}, {streams<4>, "4 streams"}};
    return readers;
}
inline const std::vector<NamedReader>& interleaved_readers() {
    using namespace reading;
    static const std::vector<NamedReader> readers{{interleaved<2, 8, 8>, "2 stretches of 512 bytes, prefetch 8 KiB"},
                                                  {interleaved<4, 8, 4>, "4 stretches of 512 bytes, prefetch 8 KiB"},
                                                  {interleaved<8, 8, 2>, "8 stretches of 512 bytes, prefetch 8 KiB"}};
    return readers;
}

/// The fastest on pieces of this memory of so many bytes, by the median of fifteen rounds.
inline NamedReader fastest(const std::vector<NamedReader>& readers, std::span<const char> memory, std::size_t bytes) {
    std::vector<std::vector<double>> seconds(readers.size());
    const std::size_t pieces = memory.size() / bytes;
    std::size_t piece = 0;
    for (int round = 0; round < 15; ++round)
        for (std::size_t r = 0; r < readers.size(); ++r) {
            const auto read = [&] { readers[r].read(memory.data() + piece * bytes, bytes); };
            if (pieces == 1) read();
            seconds[r].push_back(seconds_of(read, 1));
            piece = (piece + 1) % pieces;
        }
    std::size_t best = 0;
    for (std::size_t r = 1; r < readers.size(); ++r)
        if (middle_of(seconds[r]).median < middle_of(seconds[best]).median) best = r;
    return readers[best];
}
