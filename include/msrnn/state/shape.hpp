// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <string>

#include "../lane/limits.hpp"
#include "../policy/policy.hpp"

namespace msrnn {

/// The attention of a model: query head h reads KV head h / (query_heads / kv_heads).
struct Shape {
    std::size_t layers = 0;
    std::size_t query_heads = 0;
    std::size_t kv_heads = 0;
    std::size_t head_dim = 0;
    float scale = 0;  ///< factor of q.k before the softmax; 0 for 1/sqrt(head_dim)

    constexpr std::size_t group() const { return query_heads / kv_heads; }  ///< query heads per KV head
    float logit_scale() const { return scale != 0 ? scale : 1 / std::sqrt(static_cast<float>(head_dim)); }
};

/// What is wrong with this shape, in one sentence; empty where nothing is.
inline std::string validate(const Shape& shape) {
    const auto is_zero = [](const char* setting) {
        return "msrnn: " + std::string(setting) + " is 0; give the model's own number";
    };
    if (shape.layers == 0) return is_zero("layers");
    if (shape.query_heads == 0) return is_zero("query_heads");
    if (shape.kv_heads == 0) return is_zero("kv_heads");
    if (shape.head_dim == 0) return is_zero("head_dim");
    if (shape.query_heads % shape.kv_heads != 0)
        return "msrnn: query_heads " + std::to_string(shape.query_heads) + " is not a multiple of kv_heads " +
               std::to_string(shape.kv_heads) + "; every KV head serves equally many query heads";
    if (!std::isfinite(shape.scale))
        return "msrnn: scale is " + std::to_string(shape.scale) + "; give a finite number, or 0 for 1/sqrt(head_dim)";
    return {};
}

/// The same for a policy on this shape.
template <class P>
std::string validate(const Shape& shape, const P& policy) {
    if (std::string wrong = validate(shape); !wrong.empty()) return wrong;
    const Needs wanted = needs(policy);
    if ((wanted.keys || wanted.values) && scope_of(policy) == Scope::layer && shape.kv_heads > 1)
        return "msrnn: this policy reads keys or values, and a layer has a row of them for each of its " +
               std::to_string(shape.kv_heads) + " KV heads; set its scope to Scope::kv_head";
    return {};
}

}  // namespace msrnn
