#pragma once

#include <cstddef>
#include <msrnn/policy/tova.hpp>

#include "support/samples.hpp"

namespace mirror {

/// The mean weight of the newest query.
struct Tova : Method {
    Tova() : Method(Weights::of_the_newest) {}
    Protection protection(std::size_t) const override { return {0, 0}; }
    void observe_weight(Token& token, float, float mean) const override { token.rating = mean; }
};
inline Settings mirrored(const msrnn::Tova&) { return settings_of(Tova{}); }
inline Samples<msrnn::Tova> samples(const msrnn::Tova&) {
    return {.exact = {{.scope = msrnn::Scope::layer}, {.scope = msrnn::Scope::kv_head}}};
}

}  // namespace mirror
