#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

/// A splitmix64 of the tests' own: the same numbers on every platform, unlike the distributions of <random>. Or a tape:
/// then bytes decide, few for each choice, and zeros behind their end.
struct Random {
    std::uint64_t state = 0;
    bool on_tape = false;
    std::string_view tape = {};

    static Random reading(std::string_view bytes) { return {.on_tape = true, .tape = bytes}; }
    bool over() const { return on_tape && tape.empty(); }

    std::uint64_t next() {
        if (on_tape) return read(8);
        std::uint64_t x = state += 0x9E3779B97F4A7C15u;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
        return x ^ (x >> 31);
    }

    /// Uniform enough for tests: one of 0 .. count - 1.
    std::size_t below(std::size_t count) {
        if (on_tape) return static_cast<std::size_t>(read(count <= 256 ? 1 : 8) % count);
        return static_cast<std::size_t>((next() >> 32) % count);
    }

    bool one_in(std::size_t count) { return below(count) == 0; }

    template <class T>
    T one_of(std::initializer_list<T> choices) {
        return choices.begin()[below(choices.size())];
    }

    /// A multiple of 2^-24 in [0, 1).
    float unit() { return static_cast<float>(next() >> 40) * 0x1p-24f; }

    /// For many numbers: a generator that one byte of the tape seeds.
    Random numbers() { return {.state = on_tape ? read(1) : next()}; }

private:
    std::uint64_t read(std::size_t bytes) {
        std::uint64_t number = 0;
        for (; bytes > 0 && !tape.empty(); --bytes, tape.remove_prefix(1))
            number = number << 8 | static_cast<unsigned char>(tape.front());
        return number;
    }
};
