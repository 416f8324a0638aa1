// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <type_traits>

#include "../base/refuse.hpp"
#include "../base/text.hpp"
#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI {

/// A callable that gives the budget of each lane: (layer, kv_head) -> any integer.
template <class F>
concept BudgetCallable = std::invocable<F, std::size_t, std::size_t> &&
    std::integral<std::remove_cvref_t<std::invoke_result_t<F, std::size_t, std::size_t>>>;

namespace detail {
/// What it gives for this lane, as slots. Called by std::invoke: parameters that are narrower give no warning here.
template <BudgetCallable BudgetOf>
std::size_t budget_given_by(BudgetOf& budget_of, std::size_t layer, std::size_t kv_head) {
    const auto budget = std::invoke(budget_of, layer, kv_head);
    if constexpr (std::is_signed_v<decltype(budget)>)
        if (budget < 0)
            refuse("msrnn: budget is " + detail::text(budget) + "; give at least 1 slot, or msrnn::unbounded");
    return static_cast<std::size_t>(budget);
}
}  // namespace detail

}  // namespace msrnn::inline MSRNN_ABI
