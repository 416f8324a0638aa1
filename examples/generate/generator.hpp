#pragma once

#include <cstdint>

namespace generate {

/// SplitMix64: the same numbers with every standard library.
class Generator {
public:
    explicit Generator(std::uint64_t seed) : state_(seed) {}

    std::uint64_t bits() {
        std::uint64_t x = state_ += 0x9E3779B97F4A7C15u;
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
        x = (x ^ x >> 27) * 0x94D049BB133111EBu;
        return x ^ x >> 31;
    }
    double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
    /// Twelve uniform numbers make a normal one, near enough.
    float normal() {
        double sum = -6;
        for (int i = 0; i < 12; ++i) sum += uniform();
        return static_cast<float>(sum);
    }

private:
    std::uint64_t state_;
};

}  // namespace generate
