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
#include "../policy/policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// In place of the number of a layer: there is none.
inline constexpr std::size_t no_layer = static_cast<std::size_t>(-1);

/// The attention of one layer: query head h reads KV head h / (query_heads / kv_heads).
///
/// A query at position p sees the tokens at positions (p - window, p] where there is a window. What is outside stays
/// stored until the policy evicts it, with weight 0.
struct LayerShape {
    std::size_t query_heads = 0;
    std::size_t kv_heads = 0;
    std::size_t head_dim = 0;   ///< numbers of a query and of a key
    std::size_t value_dim = 0;  ///< numbers of a value and of an output; 0 for head_dim (MLA has 576 and 512)
    float scale = 0;            ///< factor of q.k before the softmax; 0 for 1/sqrt(head_dim)
    float soft_cap = 0;         ///< a logit becomes soft_cap * tanh(logit / soft_cap) (Gemma 2); 0: it stays
    std::size_t window = 0;     ///< attention window in positions (Mistral); 0: none
    std::vector<float> sinks =
        {};  ///< a learned logit per query head (gpt-oss): joins the sum of the softmax, no value

    /// The earlier layer whose keys and values this one reads, with query heads of its own (Gemma 3n, YOCO): it has no
    /// rows and no policy, and k and v are empty.
    std::size_t reads = no_layer;

    constexpr std::size_t group() const { return query_heads / kv_heads; }  ///< query heads per KV head
    constexpr std::size_t value_width() const { return value_dim != 0 ? value_dim : head_dim; }
    float logit_scale() const { return scale != 0 ? scale : 1 / std::sqrt(static_cast<float>(head_dim)); }

    // Numbers of one token in q, out, k and v.
    constexpr std::size_t query_numbers() const { return query_heads * head_dim; }
    constexpr std::size_t out_numbers() const { return query_heads * value_width(); }
    constexpr std::size_t key_numbers() const { return kv_heads * head_dim; }
    constexpr std::size_t value_numbers() const { return kv_heads * value_width(); }

    /// For the query heads of one KV head; the window is that of a prompt with consecutive positions.
    AttentionSettings settings(std::size_t kv_head) const {
        return {.query_heads = group(),
                .head_dim = head_dim,
                .value_dim = value_dim,
                .scale = logit_scale(),
                .soft_cap = soft_cap,
                .sinks = sinks.empty() ? nullptr : sinks.data() + kv_head * group()};
    }

    bool operator==(const LayerShape&) const = default;
};

namespace detail {

/// Whether so many floats, all factors multiplied, can lie in the memory of this machine.
constexpr bool fits_memory(std::initializer_list<std::size_t> factors) {
    std::size_t bytes = sizeof(double);
    for (const std::size_t factor : factors)
        if (__builtin_mul_overflow(bytes, factor, &bytes)) return false;
    return bytes <= static_cast<std::size_t>((std::numeric_limits<std::ptrdiff_t>::max)());
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
        return "msrnn: sinks" + of_layer + " has " + text(shape.sinks.size()) + " numbers; give one for each of the " +
               text(shape.query_heads) + " query heads, or none";
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

/// The same for a policy on this layer.
template <class P>
std::string problem(const LayerShape& shape, const P& policy) {
    if (std::string wrong = problem(shape); !wrong.empty()) return wrong;
    const Needs wanted = needs(policy);
    if ((wanted.keys || wanted.values) && scope_of(policy) == Scope::layer && shape.kv_heads > 1)
        return "msrnn: this policy reads keys or values, and a layer has a row of them for each of its " +
               detail::text(shape.kv_heads) + " KV heads; set its scope to Scope::kv_head";
    return {};
}

}  // namespace msrnn::inline MSRNN_ABI
