#pragma once

#include <algorithm>
#include <cstddef>
#include <msrnn/policy/recommended.hpp>

#include "policy/key_diff.mirror.hpp"

namespace mirror {

/// KeyDiff behind sinks: three of four slots that they leave are for the newest tokens.
struct RecommendedKeys : KeyDiff {
    std::size_t sinks;

    explicit RecommendedKeys(std::size_t first) : KeyDiff(0), sinks(first) {}
    Protection protection(std::size_t budget) const override {
        if (budget <= sinks) return {sinks, 1};
        return {sinks, std::max<std::size_t>(1, 3 * (budget - sinks) / 4)};
    }
};
inline Settings mirrored(const msrnn::RecommendedKeys& p) { return settings_of(RecommendedKeys(p.sinks)); }
inline Samples<msrnn::RecommendedKeys> samples(const msrnn::RecommendedKeys&) {
    return {.exact = {}, .others = {{.sinks = 0}, {.sinks = 1}, {}}};
}

}  // namespace mirror
