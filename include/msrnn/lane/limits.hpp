// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "../base/refuse.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "../policy/policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// How many tokens a lane keeps and how many rows it may use.
struct Limits {
    std::size_t budget = 0;       ///< slots that survive a choice; `unbounded` for all, with a capacity
    std::size_t capacity = 0;     ///< rows that exist; 0 for budget + slack + 1. More for chunks
    std::size_t slack = 0;        ///< tokens that may pile up over the budget before they are evicted together
    std::size_t query_heads = 0;  ///< that share the lane, and their width: for policies that keep floats for each
    std::size_t head_dim = 0;
    std::size_t value_dim = 0;  ///< 0 for head_dim

    /// The capacity, where it is 0 by its rule.
    constexpr std::size_t rows() const {
        if (capacity != 0 || budget == unbounded) return capacity;
        return slack < unbounded - 1 - budget ? budget + slack + 1 : unbounded;
    }
    /// What a policy is shown of heads and widths.
    constexpr LaneShape shape() const { return {query_heads, head_dim, value_dim}; }
};

namespace detail {

/// Why a budget does not fit; empty where it does.
inline std::string budget_problem(std::size_t budget, std::size_t rows, Protection protection, std::size_t pins = 0,
                                  std::size_t slack = 0) {
    const auto text = [](std::size_t number) { return detail::text(number); };
    const auto [sinks, recent] = protection;
    if (budget == 0) return "msrnn: budget is 0; give at least 1 slot";
    if (budget == unbounded) return {};
    if (sinks >= budget)
        return "msrnn: budget " + text(budget) + " leaves no slot behind " + text(sinks) +
               " sinks; give a larger budget or fewer sinks";
    if (recent > budget - sinks || pins > budget - sinks - recent)
        return "msrnn: budget " + text(budget) + " is smaller than what is protected (sinks " + text(sinks) +
               ", recent " + text(recent) + ", pinned " + text(pins) + "); give a larger budget or protect less";
    if (rows <= budget)
        return "msrnn: capacity " + text(rows) + " does not exceed budget " + text(budget) +
               "; a step needs one row more than the budget";
    if (rows - budget <= slack)
        return "msrnn: capacity " + text(rows) + " does not exceed budget " + text(budget) + " and slack " +
               text(slack) + "; a step needs one row more than both";
    return {};
}

/// Rows that get memory at once, of so many that may be used: all of a few, of many the first.
constexpr std::size_t rows_at_once(std::size_t capacity) { return capacity <= 1024 ? capacity : 64; }

inline constexpr std::size_t most_rows = (std::numeric_limits<std::int32_t>::max)() / 2;

inline std::string capacity_problem(std::size_t rows, std::size_t most = most_rows) {
    if (rows <= most) return {};
    return "msrnn: capacity " + detail::text(rows) + " is more than the " + detail::text(most) +
           " rows a lane can number; give a smaller budget or capacity";
}

}  // namespace detail

/// What is wrong with these settings, in one sentence that names the setting, its value and the remedy; empty where
/// nothing is. Constructors throw the same sentence as std::invalid_argument.
template <class P>
std::string problem(const P& policy, Limits limits) {
    const Shape shape{.query_heads = limits.query_heads, .head_dim = limits.head_dim, .value_dim = limits.value_dim};
    const Facts facts = facts_of(policy, shape, limits.budget);
    if (!facts.problem.empty()) return std::string("msrnn: ").append(facts.problem);
    if (limits.budget == unbounded && limits.capacity == 0)
        return "msrnn: capacity is 0 and the budget unbounded; give the number of rows that exist";
    if (std::string wrong = detail::capacity_problem(limits.rows()); !wrong.empty()) return wrong;
    if (limits.query_heads == 0 || limits.head_dim == 0) {
        const Shape one{.query_heads = 1, .head_dim = 1};
        if (facts_of(policy, one, limits.budget).memory != facts_of(policy, Shape{}, limits.budget).memory)
            return "msrnn: query_heads is " + detail::text(limits.query_heads) + " and head_dim " +
                   detail::text(limits.head_dim) + ", and this policy keeps floats for them; set both in Limits";
    }
    return detail::budget_problem(limits.budget, limits.rows(), facts.protection, 0, limits.slack);
}

}  // namespace msrnn::inline MSRNN_ABI
