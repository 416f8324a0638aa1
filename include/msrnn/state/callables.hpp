// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

#include "../config.hpp"
#include "../core/slot.hpp"
#include "../lane/budget_callable.hpp"

namespace msrnn::inline MSRNN_ABI {

/// A callable that gives the policy of each layer: layer -> P.
template <class F, class P>
concept PolicyCallable = std::invocable<F, std::size_t> &&
    std::convertible_to<std::invoke_result_t<F, std::size_t>, P> && !std::convertible_to<F, P>;

/// A callable that changes the copy of a stored key that attention sees: (slot, key), key a std::span<float>.
template <class F>
concept KeyTurn = std::invocable<F&, Slot, std::span<float>>;

}  // namespace msrnn::inline MSRNN_ABI
