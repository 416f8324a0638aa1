// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <type_traits>
#include <vector>

#include "../base/refuse.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "../lane/limits.hpp"
#include "../policy/policy.hpp"
#include "layer_shape.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The attention of a model. Where layers differ, `each` has all of them, and says everything:
///
///     Shape gemma{.layers = 34, .query_heads = 8, .kv_heads = 4, .head_dim = 256, .window = 1024};
///     gemma.each = gemma.list();
///     for (std::size_t layer = 5; layer < 34; layer += 6) gemma.each[layer].window = 0;
struct Shape {
    std::size_t layers = 0;

    // Of every layer, where `each` is empty; see LayerShape.
    std::size_t query_heads = 0;
    std::size_t kv_heads = 0;
    std::size_t head_dim = 0;
    std::size_t value_dim = 0;
    float scale = 0;  ///< factor of q.k before the softmax; 0 for 1/sqrt(head_dim)
    float soft_cap = 0;
    std::size_t window = 0;
    std::vector<float> sinks = {};  ///< [query_heads] for all layers, or [layers][query_heads]

    std::vector<LayerShape> each = {};  ///< [layers], or empty

    constexpr std::size_t group() const { return query_heads / kv_heads; }  ///< query heads per KV head
    float logit_scale() const { return scale != 0 ? scale : 1 / std::sqrt(static_cast<float>(head_dim)); }

    LayerShape layer(std::size_t i) const {
        if (!each.empty()) return each[i];
        LayerShape shape{.query_heads = query_heads,
                         .kv_heads = kv_heads,
                         .head_dim = head_dim,
                         .value_dim = value_dim,
                         .scale = scale,
                         .soft_cap = soft_cap,
                         .window = window};
        const std::size_t first = sinks.size() > query_heads ? i * query_heads : 0;
        const std::size_t end = (std::min)(first + query_heads, sinks.size());
        for (std::size_t g = first; g < end; ++g) shape.sinks.push_back(sinks[g]);
        return shape;
    }
    /// All layers, to be changed one by one.
    std::vector<LayerShape> list() const {
        std::vector<LayerShape> all;
        for (std::size_t i = 0; i < layers; ++i) all.push_back(layer(i));
        return all;
    }

    bool operator==(const Shape&) const = default;
};

namespace detail {
/// What is wrong with layers that read the rows of others.
inline std::string sharing_problem(const Shape& shape) {
    for (std::size_t i = 0; i < shape.each.size(); ++i) {
        const LayerShape& reader = shape.each[i];
        if (reader.reads == no_layer) continue;
        const std::string of_layer = "msrnn: layer " + text(i) + " reads the rows of layer " + text(reader.reads);
        if (reader.reads >= i) return of_layer + "; give an earlier layer";
        const LayerShape& owner = shape.each[reader.reads];
        if (owner.reads != no_layer)
            return of_layer + ", which reads those of layer " + text(owner.reads) + "; give the layer that stores them";
        if (reader.kv_heads != owner.kv_heads || reader.head_dim != owner.head_dim ||
            reader.value_width() != owner.value_width())
            return of_layer + " and differs from it in kv_heads, head_dim or value_dim; give those of the rows";
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

/// The same for a policy on this shape.
template <class P>
std::string problem(const Shape& shape, const P& policy) {
    if (std::string wrong = problem(shape); !wrong.empty()) return wrong;
    for (std::size_t i = 0; i < (shape.each.empty() ? 1 : shape.layers); ++i)
        if (std::string wrong = problem(shape.layer(i), policy); !wrong.empty()) return wrong;
    return {};
}

namespace detail {
/// What a budget callable gave, as slots.
template <class Integer>
std::size_t budget_from(Integer budget) {
    if constexpr (std::is_signed_v<Integer>)
        if (budget < 0)
            refuse("msrnn: budget is " + detail::text(budget) + "; give at least 1 slot, or msrnn::unbounded");
    return static_cast<std::size_t>(budget);
}
}  // namespace detail

/// A bound for the rows of each lane, where a state sets one itself: an unbounded lane begins with 64 and grows.
constexpr Limits with_rows(Limits limits) {
    if (limits.budget == unbounded && limits.capacity == 0) limits.capacity = 64;
    return limits;
}

/// How many of the last tokens a state can take back; see State::rollback().
struct Rollback {
    std::size_t tokens = 0;
};

namespace detail {
/// Whether the rows and histories of so many layers like this one fit the memory.
inline std::string memory_problem(const LayerShape& shape, std::size_t layers, Limits limits, Rollback rollback) {
    const std::size_t rows = with_rows(limits).rows(), width = (std::max)(shape.head_dim, shape.value_dim);
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
    if (std::string wrong = problem(policy, with_rows(limits)); !wrong.empty()) return wrong;
    return detail::memory_problem(shape, 1, limits, rollback);
}

/// Everything that a State's constructor refuses.
template <class P>
std::string problem(const Shape& shape, Limits limits, const P& policy, Rollback rollback = {}) {
    if (std::string wrong = problem(shape, policy); !wrong.empty()) return wrong;
    if (std::string wrong = problem(policy, with_rows(limits)); !wrong.empty()) return wrong;
    for (std::size_t i = 0; i < (shape.each.empty() ? 1 : shape.layers); ++i)
        if (std::string wrong = detail::memory_problem(shape.layer(i), shape.layers, limits, rollback); !wrong.empty())
            return wrong;
    return {};
}

}  // namespace msrnn::inline MSRNN_ABI
