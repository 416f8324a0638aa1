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
    std::size_t budget = 0;    ///< slots that survive a step; `unbounded` for all, with a capacity
    std::size_t capacity = 0;  ///< rows that exist; 0 for budget + 1. More for chunks and for evictions put off

    constexpr std::size_t rows() const { return capacity != 0 || budget == unbounded ? capacity : budget + 1; }
};

namespace detail {

/// Why a budget does not fit; empty where it does.
inline std::string budget_problem(std::size_t budget, std::size_t rows, Protection protection, std::size_t pins = 0) {
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
    if constexpr (TellsProblem<P>)
        if (const std::string wrong = policy.problem(); !wrong.empty()) return "msrnn: " + wrong;
    if (limits.budget == unbounded && limits.capacity == 0)
        return "msrnn: capacity is 0 and the budget unbounded; give the number of rows that exist";
    if (std::string wrong = detail::capacity_problem(limits.rows()); !wrong.empty()) return wrong;
    return detail::budget_problem(limits.budget, limits.rows(), protection_of(policy, limits.budget));
}

}  // namespace msrnn::inline MSRNN_ABI
