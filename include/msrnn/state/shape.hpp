// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "../base/refuse.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "../core/shape.hpp"
#include "../lane/limits.hpp"
#include "../policy/policy.hpp"
#include "layer_shape.hpp"

namespace msrnn::inline MSRNN_ABI {

namespace detail {
/// What is wrong with layers that read the rows of others.
inline std::string sharing_problem(const Shape& shape) {
    for (std::size_t i = 0; i < shape.each.size(); ++i) {
        const LayerShape& reader = shape.each[i];
        if (reader.reads == no_layer) continue;
        std::string of_layer = "msrnn: layer " + text(i) + " reads the rows of layer " + text(reader.reads);
        if (reader.reads >= i) return std::move(of_layer) + "; give an earlier layer";
        const LayerShape& owner = shape.each[reader.reads];
        if (owner.reads != no_layer)
            return std::move(of_layer) + ", which reads those of layer " + text(owner.reads) +
                   "; give the layer that stores them";
        if (reader.kv_heads != owner.kv_heads || reader.head_dim != owner.head_dim ||
            reader.value_width() != owner.value_width())
            return std::move(of_layer) +
                   " and differs from it in kv_heads, head_dim or value_dim; give those of the rows";
    }
    return {};
}
}  // namespace detail

/// What is wrong with this shape, in one sentence; empty where nothing is.
inline std::string problem(const Shape& shape) {
    if (shape.layers == 0) return "msrnn: layers is 0; give the model's own number";
    if (!shape.each.empty()) {
        if (shape.each.size() != shape.layers)
            return "msrnn: each has " + detail::text(shape.each.size()) + " layers and layers is " +
                   detail::text(shape.layers) + "; describe every layer, or none";
        std::size_t largest = 0;
        for (std::size_t i = 0; i < shape.layers; ++i) {
            const LayerShape& one = shape.each[i];
            if (std::string wrong = detail::layer_problem(one, " of layer " + detail::text(i)); !wrong.empty())
                return wrong;
            if (std::string wrong = problem(one); !wrong.empty()) return wrong;
            largest = (std::max)(largest, one.query_heads * (std::max)(one.head_dim, one.value_dim));
        }
        if (!detail::fits_memory({shape.layers, largest, 512}))
            return "msrnn: layers " + detail::text(shape.layers) + " x " + detail::text(largest) +
                   " numbers do not fit the memory of this machine; give the model's own";
        return detail::sharing_problem(shape);
    }
    const std::size_t sinks = shape.sinks.size();
    if (sinks != 0 && shape.query_heads != 0 && sinks != shape.query_heads &&
        (sinks % shape.query_heads != 0 || sinks / shape.query_heads != shape.layers))
        return "msrnn: sinks has " + detail::text(sinks) + " numbers; give one for each of the " +
               detail::text(shape.query_heads) + " query heads, for all layers or for each of the " +
               detail::text(shape.layers) + ", or none";
    LayerShape first = shape.layer(0);
    first.sinks.clear();
    if (std::string wrong = detail::layer_problem(first, ""); !wrong.empty()) return wrong;
    for (const float sink : shape.sinks)
        if (!std::isfinite(sink))
            return "msrnn: a number of sinks is " + detail::text(sink) + "; give finite logits, or none";
    if (!detail::fits_memory({shape.layers, shape.query_heads, (std::max)(shape.head_dim, shape.value_dim), 512}))
        return "msrnn: layers " + detail::text(shape.layers) + " x query_heads " + detail::text(shape.query_heads) +
               " x head_dim " + detail::text((std::max)(shape.head_dim, shape.value_dim)) +
               " numbers do not fit the memory of this machine; give the model's own";
    return {};
}

namespace detail {
/// Why a policy cannot decide for all layers of this shape as one; empty where it can, or does not.
template <class P>
std::string model_problem(const Shape& shape, const P& policy) {
    if (scope_of(policy) != Scope::model) return {};
    const Needs needs = facts_of(policy, Shape{.query_heads = 1, .head_dim = 1}, 1).needs;
    if (needs.at_choice != 0 || (needs.at_observe & ~Attention::bit) != 0)
        return "msrnn: scope is model, and this policy reads keys, values, queries or single heads, which each layer "
               "has of its own; set Scope::layer or Scope::kv_head";
    for (std::size_t i = 0; i < shape.each.size(); ++i)
        if (shape.each[i].reads != no_layer)
            return "msrnn: scope is model, and layer " + text(i) + " reads the rows of layer " +
                   text(shape.each[i].reads) + "; set Scope::layer or Scope::kv_head";
    return {};
}
}  // namespace detail

/// The same for a policy on this shape.
template <class P>
std::string problem(const Shape& shape, const P& policy) {
    if (std::string wrong = problem(shape); !wrong.empty()) return wrong;
    if (std::string wrong = detail::model_problem(shape, policy); !wrong.empty()) return wrong;
    for (std::size_t i = 0; i < (shape.each.empty() ? 1 : shape.layers); ++i)
        if (std::string wrong = problem(shape.layer(i), policy); !wrong.empty()) return wrong;
    return {};
}

/// How many of the last tokens a state can take back; see State::rollback().
struct Rollback {
    std::size_t tokens = 0;  ///< 0: none, and nothing is kept for it
};

namespace detail {
/// Whether the rows and histories of so many layers like this one fit the memory.
inline std::string memory_problem(const LayerShape& shape, std::size_t layers, Limits limits, Rollback rollback) {
    const std::size_t rows = limits.rows(), width = (std::max)(shape.head_dim, shape.value_dim);
    if (!fits_memory({layers, shape.query_heads, width, rows, 2}))
        return "msrnn: layers " + text(layers) + " x kv_heads " + text(shape.kv_heads) + " x " + text(rows) +
               " rows of " + text(width) + " numbers do not fit the memory of this machine; check shape and budget";
    if (rollback.tokens == unbounded ||
        !fits_memory({layers, shape.query_heads, rollback.tokens + 1, width + rows, 128}))
        return "msrnn: a rollback of " + text(rollback.tokens) +
               " tokens does not fit the memory of this machine; give as many as a draft has";
    return {};
}
}  // namespace detail

/// Everything that a LayerCache's constructor refuses.
template <class P>
std::string problem(const LayerShape& shape, Limits limits, const P& policy, Rollback rollback = {}) {
    if (std::string wrong = problem(shape, policy); !wrong.empty()) return wrong;
    if (shape.reads != no_layer)
        return "msrnn: this layer reads the rows of layer " + detail::text(shape.reads) + "; only a State has both";
    limits = lane_limits(shape, limits, policy);
    if (std::string wrong = problem(policy, limits); !wrong.empty()) return wrong;
    return detail::memory_problem(shape, 1, limits, rollback);
}

/// Everything that a State's constructor refuses.
template <class P>
std::string problem(const Shape& shape, Limits limits, const P& policy, Rollback rollback = {}) {
    if (std::string wrong = problem(shape, policy); !wrong.empty()) return wrong;
    for (std::size_t i = 0; i < (shape.each.empty() ? 1 : shape.layers); ++i) {
        const LayerShape layer = shape.layer(i);
        const Limits of_lane = lane_limits(layer, limits, policy);
        if (std::string wrong = problem(policy, of_lane); !wrong.empty()) return wrong;
        if (std::string wrong = detail::memory_problem(layer, shape.layers, of_lane, rollback); !wrong.empty())
            return wrong;
    }
    return {};
}

}  // namespace msrnn::inline MSRNN_ABI
