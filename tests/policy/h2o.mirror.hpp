#pragma once

#include <cstddef>
#include <msrnn/policy/h2o.hpp>

#include "support/formula.hpp"
#include "support/samples.hpp"

namespace mirror {

/// The sum of all weights, and a recent window.
struct H2O : Method {
    std::size_t recent;

    explicit H2O(std::size_t newest = half) : Method(Weights::of_all), recent(newest) {}
    Protection protection(std::size_t budget) const override { return {0, recent_of(recent, budget)}; }
    void observe_weight(Token& token, float sum, float) const override { token.rating += sum; }
};
inline Settings mirrored(const msrnn::H2O& p) { return settings_of(H2O(mirrored_recent(p))); }
inline Samples<msrnn::H2O> samples(const msrnn::H2O&) {
    return {.exact = {{}, {.recent = 1}}, .others = {{.recent = 0}, {.recent = 5}}};
}

}  // namespace mirror

namespace formula {
inline double rating_of(const msrnn::H2O&, const History& lane, const Token& token) {
    double sum = 0;
    for (const Query& query : lane.queries) sum += query.sum(token.arrival);
    return sum;
}
}  // namespace formula
