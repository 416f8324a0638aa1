// How fast RoPE turns each pair: a base, and what files of longer contexts do to slow it down.
#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "config.hpp"

namespace gguf {

namespace detail {

inline std::size_t rotary_dim_of(const File& file, std::size_t head_dim) {
    const std::string key = key_of(file, "rope.dimension_count");
    const std::size_t rotary_dim = file.has(key) ? size_of(file, key) : head_dim;
    if (rotary_dim > head_dim || rotary_dim % 2 != 0)
        throw file.refused("key " + key + " is " + std::to_string(rotary_dim) +
                           ", expected an even number no greater than the head_dim of " + std::to_string(head_dim));
    return rotary_dim;
}

/// By how much "linear" scaling slows every turn. Older files have another key for it.
inline float linear_factor_of(const File& file) {
    const std::string type_key = key_of(file, "rope.scaling.type"), type = file.text_or(type_key, "linear");
    if (type != "linear" && type != "none")
        throw file.refused("key " + type_key + " is " + in_quotes(type) + ", only \"none\" and \"linear\" are read");
    if (type == "none") return 1;
    for (const std::string& key : {key_of(file, "rope.scaling.factor"), key_of(file, "rope.scale_linear")})
        if (file.has(key)) return positive(file, key, file.real(key));
    return 1;
}

constexpr const char* rope_factors = "rope_freqs.weight";

/// Where the file has factors, one for each pair, the frequencies are divided by them; so Llama 3 slows its slow turns.
inline std::vector<float> rope_of(const File& file, std::size_t rotary_dim) {
    const std::string base = key_of(file, "rope.freq_base");
    std::vector<float> frequencies =
        llama::rope_of(rotary_dim, file.has(base) ? positive(file, base, file.real(base)) : 10000);
    std::vector<float> factors(frequencies.size(), 1.0f);
    if (const Tensor* tensor = file.find_tensor(rope_factors)) {
        file.check(*tensor, {factors.size(), 1, 1, 1});
        file.read(*tensor, factors);
    }
    const float linear = linear_factor_of(file);
    for (std::size_t j = 0; j < frequencies.size(); ++j) {
        if (!(factors[j] > 0))
            throw file.refused("tensor rope_freqs.weight has a factor of " + std::to_string(factors[j]) +
                               ", expected more than 0");
        frequencies[j] /= factors[j] * linear;
        if (!std::isfinite(frequencies[j]))
            throw file.refused("RoPE would turn pair " + std::to_string(j) + " infinitely fast");
    }
    return frequencies;
}

}  // namespace detail

}  // namespace gguf
