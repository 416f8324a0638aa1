#pragma once

#include <cmath>
#include <cstddef>
#include <msrnn/policy/value_norm.hpp>

#include "support/samples.hpp"

namespace mirror {

/// Short values go first, beside a recent window.
struct ValueNorm : Method {
    std::size_t recent;

    explicit ValueNorm(std::size_t newest) : recent(newest) {}
    Protection protection(std::size_t budget) const override { return {0, recent_of(recent, budget)}; }
    void rate(Token& token, const Choice&) const override {
        float squares = 0;
        for (const float x : token.value) squares += x * x;
        token.rating = std::sqrt(squares);
    }
};
inline Settings mirrored(const msrnn::ValueNorm& p) { return settings_of(ValueNorm(mirrored_recent(p))); }
inline Samples<msrnn::ValueNorm> samples(const msrnn::ValueNorm&) {
    return {.exact = {{}, {.recent = 0}}, .others = {{.recent = 5}}};
}

}  // namespace mirror
