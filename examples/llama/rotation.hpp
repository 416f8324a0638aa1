#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <msrnn/msrnn.hpp>
#include <span>
#include <vector>

namespace llama {

/// RoPE on pairs of neighbours: pair j of each head turns by position * frequency[j]. The angle is a float, as in the
/// programs that train such models; far behind every trained context, where a float would say less and less, a double.
class FloatRotation {
public:
    FloatRotation(std::span<const float> frequencies, std::size_t head_dim)
        : frequencies_(frequencies.begin(), frequencies.end()), turns_(frequencies.size()), head_dim_(head_dim) {}

    void set_position(std::int64_t position) {
        for (std::size_t j = 0; j < turns_.size(); ++j)
            turns_[j] = position < far ? turn(static_cast<float>(position) * frequencies_[j])
                                       : turn(static_cast<double>(position) * static_cast<double>(frequencies_[j]));
    }

    void operator()(std::span<float> heads) const {
        for (std::size_t head = 0; head < heads.size(); head += head_dim_) {
            float* pair = heads.data() + head;
            for (const Turn turn : turns_) {
                const float x = pair[0], y = pair[1];
                *pair++ = x * turn.cos - y * turn.sin;
                *pair++ = x * turn.sin + y * turn.cos;
            }
        }
    }

private:
    static constexpr std::int64_t far = 1 << 16;

    struct Turn {
        float cos = 1, sin = 0;
    };
    template <class Angle>
    static Turn turn(Angle angle) {
        return {static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle))};
    }

    std::vector<float> frequencies_;
    std::vector<Turn> turns_;
    std::size_t head_dim_;
};

/// How the keys of a layer turn: by a token's place in the text, or by its rank in the cache.
struct Rotations {
    Rotations(const std::vector<float>& frequencies, std::size_t head_dim)
        : text(frequencies, head_dim), cache(std::vector<double>(frequencies.begin(), frequencies.end())) {}

    FloatRotation text;
    msrnn::Rotation<msrnn::AdjacentPairs> cache;
};

}  // namespace llama
