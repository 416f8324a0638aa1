#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

/// A splitmix64 of the tests' own: the same numbers on every platform, unlike the distributions of <random>.
struct Random {
    std::uint64_t state = 0;

    std::uint64_t next() {
        std::uint64_t x = state += 0x9E3779B97F4A7C15u;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
        return x ^ (x >> 31);
    }

    /// Uniform enough for tests: one of 0 .. count - 1.
    std::size_t below(std::size_t count) { return static_cast<std::size_t>((next() >> 32) % count); }

    bool one_in(std::size_t count) { return below(count) == 0; }

    template <class T>
    T one_of(std::initializer_list<T> choices) {
        return choices.begin()[below(choices.size())];
    }

    /// A multiple of 2^-24 in [0, 1).
    float unit() { return static_cast<float>(next() >> 40) * 0x1p-24f; }
};
