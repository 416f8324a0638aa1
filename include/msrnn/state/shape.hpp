// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <string>
#include <type_traits>

#include "../base/text.hpp"
#include "../config.hpp"
#include "../core/shape.hpp"
#include "../lane/limits.hpp"
#include "../policy/policy.hpp"

namespace msrnn::inline MSRNN_ABI {

namespace detail {
/// Whether so many floats, all factors multiplied, can lie in the memory of this machine.
constexpr bool fits_memory(std::initializer_list<std::size_t> factors) {
    constexpr auto most = static_cast<std::size_t>((std::numeric_limits<std::ptrdiff_t>::max)());
    std::size_t bytes = sizeof(double);
    for (const std::size_t factor : factors) {
        if (factor != 0 && bytes > most / factor) return false;
        bytes *= factor;
    }
    return true;
}
}  // namespace detail

/// What is wrong with this shape, in one sentence; empty where nothing is.
inline std::string problem(const Shape& shape) {
    const auto is_zero = [](const char* setting) {
        return "msrnn: " + std::string(setting) + " is 0; give the model's own number";
    };
    if (shape.layers == 0) return is_zero("layers");
    if (shape.query_heads == 0) return is_zero("query_heads");
    if (shape.kv_heads == 0) return is_zero("kv_heads");
    if (shape.head_dim == 0) return is_zero("head_dim");
    if (shape.query_heads % shape.kv_heads != 0)
        return "msrnn: query_heads " + detail::text(shape.query_heads) + " is not a multiple of kv_heads " +
               detail::text(shape.kv_heads) + "; every KV head serves equally many query heads";
    if (!std::isfinite(shape.scale))
        return "msrnn: scale is " + detail::text(shape.scale) + "; give a finite number, or 0 for 1/sqrt(head_dim)";
    if (!detail::fits_memory({shape.layers, shape.query_heads, shape.head_dim, 512}))
        return "msrnn: layers " + detail::text(shape.layers) + " x query_heads " + detail::text(shape.query_heads) +
               " x head_dim " + detail::text(shape.head_dim) +
               " numbers do not fit the memory of this machine; give the model's own";
    return {};
}

/// The same for a policy on this shape.
template <class P>
std::string problem(const Shape& shape, const P& policy) {
    if (std::string wrong = problem(shape); !wrong.empty()) return wrong;
    const Needs needs = facts_of(policy, shape, 1).needs;
    const bool reads_rows = ((needs.at_observe | needs.at_choice) & (Keys::bit | Values::bit)) != 0;
    if (reads_rows && scope_of(policy) == Scope::layer && shape.kv_heads > 1)
        return "msrnn: this policy reads keys or values, and a layer has a row of them for each of its " +
               detail::text(shape.kv_heads) + " KV heads; set its scope to Scope::kv_head";
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

/// Everything that a State's constructor refuses.
template <class P>
std::string problem(const Shape& shape, Limits limits, const P& policy, Rollback rollback = {}) {
    limits = with_rows(limits);
    const std::size_t rows = limits.rows();
    if (std::string wrong = problem(shape, policy); !wrong.empty()) return wrong;
    if (std::string wrong = problem(policy, limits); !wrong.empty()) return wrong;
    if (!detail::fits_memory({shape.layers, shape.query_heads, shape.head_dim, rows, 2}))
        return "msrnn: layers " + detail::text(shape.layers) + " x kv_heads " + detail::text(shape.kv_heads) + " x " +
               detail::text(rows) + " rows of " + detail::text(shape.head_dim) +
               " numbers do not fit the memory of this machine; check shape and budget";
    if (rollback.tokens == unbounded ||
        !detail::fits_memory({shape.layers, shape.query_heads, rollback.tokens + 1, shape.head_dim + rows, 128}))
        return "msrnn: a rollback of " + detail::text(rollback.tokens) +
               " tokens does not fit the memory of this machine; give as many as a draft has";
    return {};
}

}  // namespace msrnn::inline MSRNN_ABI
