// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include "../attention/settings.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "../core/shape.hpp"
#include "../lane/limits.hpp"
#include "../policy/policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// What the kernel is to know of the query heads of one KV head; the window is that of a prompt with consecutive
/// positions.
inline AttentionSettings settings_of(const LayerShape& shape, std::size_t kv_head) {
    return {.query_heads = shape.group(),
            .head_dim = shape.head_dim,
            .value_dim = shape.value_dim,
            .scale = shape.logit_scale(),
            .soft_cap = shape.soft_cap,
            .sinks = shape.sinks.empty() ? nullptr : shape.sinks.data() + kv_head * shape.group()};
}

namespace detail {

/// Whether so many floats, all factors multiplied, can lie in the memory of this machine.
constexpr bool fits_memory(std::initializer_list<std::size_t> factors) {
    std::size_t bytes = sizeof(double);
    constexpr auto most = static_cast<std::size_t>((std::numeric_limits<std::ptrdiff_t>::max)());
    for (const std::size_t factor : factors) {
        if (factor != 0 && bytes > most / factor) return false;
        bytes *= factor;
    }
    return true;
}

/// What is wrong with the shape of a layer; `of_layer` names it.
inline std::string layer_problem(const LayerShape& shape, const std::string& of_layer) {
    const auto is = [&](const char* setting, auto value) {
        return "msrnn: " + std::string(setting) + of_layer + " is " + text(value);
    };
    const auto is_zero = [&](const char* setting) {
        return is(setting, std::size_t{0}) + "; give the model's own number";
    };
    if (shape.query_heads == 0) return is_zero("query_heads");
    if (shape.kv_heads == 0) return is_zero("kv_heads");
    if (shape.head_dim == 0) return is_zero("head_dim");
    if (shape.query_heads % shape.kv_heads != 0)
        return "msrnn: query_heads " + text(shape.query_heads) + " is not a multiple of kv_heads " +
               text(shape.kv_heads) + of_layer + "; every KV head serves equally many query heads";
    if (!std::isfinite(shape.scale))
        return is("scale", shape.scale) + "; give a finite number, or 0 for 1/sqrt(head_dim)";
    if (!std::isfinite(shape.soft_cap) || shape.soft_cap < 0)
        return is("soft_cap", shape.soft_cap) + "; give a positive number, or 0 for none";
    if (!shape.sinks.empty() && shape.sinks.size() != shape.query_heads)
        return std::string("msrnn: sinks") + of_layer + " has " + text(shape.sinks.size()) +
               " numbers; give one for each of the " + text(shape.query_heads) + " query heads, or none";
    for (const float sink : shape.sinks)
        if (!std::isfinite(sink)) return is("a number of sinks", sink) + "; give finite logits, or none";
    return {};
}

}  // namespace detail

/// What is wrong with the shape of a layer, in one sentence; empty where nothing is.
inline std::string problem(const LayerShape& shape) {
    if (std::string wrong = detail::layer_problem(shape, ""); !wrong.empty()) return wrong;
    if (!detail::fits_memory({shape.query_heads, (std::max)(shape.head_dim, shape.value_dim), 512}))
        return "msrnn: query_heads " + detail::text(shape.query_heads) + " x head_dim " + detail::text(shape.head_dim) +
               " or value_dim " + detail::text(shape.value_dim) +
               " numbers do not fit the memory of this machine; give the model's own";
    return {};
}

/// Lanes of a layer: one for all its heads, or one for each KV head. Where all layers decide as one, each has a lane,
/// and all lanes hold the same tokens in the same slots.
template <class P>
std::size_t lanes_of(const LayerShape& shape, const P& policy) {
    return scope_of(policy) == Scope::kv_head ? shape.kv_heads : 1;
}
/// Limits of a lane of this layer. Where there is no bound it begins with 64 rows and grows.
template <class P>
Limits lane_limits(const LayerShape& shape, Limits limits, const P& policy) {
    if (limits.budget == unbounded && limits.capacity == 0) limits.capacity = 64;
    limits.query_heads = shape.query_heads / lanes_of(shape, policy);
    limits.head_dim = shape.head_dim;
    return limits;
}

/// The same for a policy on this layer.
template <class P>
std::string problem(const LayerShape& shape, const P& policy) {
    if (std::string wrong = problem(shape); !wrong.empty()) return wrong;
    const Shape lane{.query_heads = shape.query_heads, .head_dim = shape.head_dim};
    const Needs needs = facts_of(policy, lane, 1).needs;
    const bool reads_rows = ((needs.at_observe | needs.at_choice) & (Keys::bit | Values::bit)) != 0;
    if (reads_rows && scope_of(policy) != Scope::kv_head && shape.kv_heads > 1)
        return "msrnn: this policy reads keys or values, and a layer has a row of them for each of its " +
               detail::text(shape.kv_heads) + " KV heads; set its scope to Scope::kv_head";
    return {};
}

}  // namespace msrnn::inline MSRNN_ABI
