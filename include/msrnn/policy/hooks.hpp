// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>

#include "../config.hpp"
#include "../core/ratings.hpp"
#include "../core/seen.hpp"

/// Reads off the type of a hook what it must be shown, and calls it with just that.
namespace msrnn::inline MSRNN_ABI::detail {

template <class...>
struct Arguments {};
template <class Hook>
struct HookOf {
    using arguments = void;
    static constexpr bool may_throw = true;
};
template <class P, class... A>
struct HookOf<void (P::*)(A...) const> {
    using arguments = Arguments<A...>;
    static constexpr bool may_throw = true;
};
template <class P, class... A>
struct HookOf<void (P::*)(A...) const noexcept> {
    using arguments = Arguments<A...>;
    static constexpr bool may_throw = false;
};
template <auto hook>
using arguments_of = typename HookOf<decltype(hook)>::arguments;

/// Whether a hook with these arguments takes the Ratings, evidence of this bundle (or the bundle), and nothing else.
template <class Evidence, class Arguments>
constexpr bool takes_evidence = false;
template <class Evidence, class T>
constexpr bool may_be_taken = Evidence::template holds<T> || std::is_same_v<T, Evidence> || std::is_same_v<T, Ratings>;
template <class Evidence, class... A>
constexpr bool takes_evidence<Evidence, Arguments<A...>> =
    (std::is_same_v<std::remove_cvref_t<A>, Ratings> || ...) &&
    ((may_be_taken<Evidence, std::remove_cvref_t<A>> && std::is_convertible_v<const std::remove_cvref_t<A>&, A>)&&...);

template <class T>
constexpr unsigned bit_of() {
    if constexpr (requires { T::bit; })
        return T::bit;
    else
        return 0;
}
template <class... A>
constexpr unsigned bits_of(Arguments<A...>) {
    return (bit_of<std::remove_cvref_t<A>>() | ... | 0u);
}

template <class T, class Evidence>
const T& pick(const Evidence& evidence, const Ratings& rating) {
    if constexpr (std::is_same_v<T, Ratings>)
        return rating;
    else if constexpr (std::is_same_v<T, Evidence>)
        return evidence;
    else
        return evidence.template get<T>();
}
template <class P, class Hook, class Evidence, class... A>
void call(const P& policy, Hook hook, const Evidence& evidence, const Ratings& rating, Arguments<A...>) {
    (policy.*hook)(pick<std::remove_cvref_t<A>>(evidence, rating)...);
}

}  // namespace msrnn::inline MSRNN_ABI::detail
