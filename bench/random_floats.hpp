#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

/// Floats in [-1, 1) from a seed: the same on every machine.
inline std::vector<float> random_floats(std::size_t count, std::uint64_t seed) {
    std::vector<float> floats(count);
    for (float& x : floats) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        x = static_cast<float>(static_cast<std::int64_t>(seed) >> 40) * 0x1p-23f;
    }
    return floats;
}

/// Rows of weights as after a softmax: positive, each row summing to one, few of them large.
inline std::vector<float> random_weights(std::size_t rows, std::size_t slots, std::uint64_t seed) {
    std::vector<float> weights = random_floats(rows * slots, seed);
    for (std::size_t row = 0; row < rows; ++row) {
        float sum = 0;
        for (std::size_t s = 0; s < slots; ++s)
            sum += weights[row * slots + s] = std::exp(6 * weights[row * slots + s]);
        for (std::size_t s = 0; s < slots; ++s) weights[row * slots + s] /= sum;
    }
    return weights;
}
