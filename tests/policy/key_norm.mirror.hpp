#pragma once

#include <cmath>
#include <cstddef>
#include <msrnn/policy/key_norm.hpp>
#include <vector>

#include "support/formula.hpp"
#include "support/samples.hpp"

namespace mirror {

/// Long keys go first, beside a recent window.
struct KeyNorm : Method {
    std::size_t recent;

    explicit KeyNorm(std::size_t newest = half) : Method(Weights::unread, true), recent(newest) {}
    Protection protection(std::size_t budget) const override { return {0, recent_of(recent, budget)}; }
    void observe_key(Token& token, const std::vector<float>& key) const override {
        float squares = 0;
        for (const float x : key) squares += x * x;
        token.note = std::sqrt(squares);
    }
    void rate(Token& token, const Choice&) const override { token.rating = -token.note; }
};
inline Settings mirrored(const msrnn::KeyNorm& p) { return settings_of(KeyNorm(mirrored_recent(p))); }
inline Samples<msrnn::KeyNorm> samples(const msrnn::KeyNorm&) {
    return {.exact = {{}, {.recent = 0}}, .others = {{.recent = 1}, {.recent = 5}}};
}

}  // namespace mirror

namespace formula {
inline double rating_of(const msrnn::KeyNorm&, const History&, const Token& token) {
    double squares = 0;
    for (const double x : token.key) squares += x * x;
    return -std::sqrt(squares);
}
}  // namespace formula
