// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <type_traits>

#include "../config.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

// Whether a policy has a member of this name: of any kind, overloads and templates too. A class that inherits a name
// twice cannot be asked for it. Of a final class only what has one meaning is found.
template <class P, class Name>
struct Both : P, Name {};
#define MSRNN_SAYS(word)                                       \
    struct Name_##word {                                       \
        int word;                                              \
    };                                                         \
    template <class P>                                         \
    constexpr bool says_##word() {                             \
        if constexpr (std::is_final_v<P>) return requires {    \
                &P::word;                                      \
            };                                                 \
        else                                                   \
            return !requires { &Both<P, Name_##word>::word; }; \
    }

MSRNN_SAYS(observe)
MSRNN_SAYS(rate)
MSRNN_SAYS(protection)
MSRNN_SAYS(memory)
MSRNN_SAYS(observation_window)
MSRNN_SAYS(settings)
MSRNN_SAYS(problem)
MSRNN_SAYS(needs_by_settings)
MSRNN_SAYS(scope)
// What people write in their place. A word that a policy may need for something else does not stand here.
MSRNN_SAYS(observes)
MSRNN_SAYS(observed)
MSRNN_SAYS(Observe)
MSRNN_SAYS(obeserve)
MSRNN_SAYS(obsereve)
MSRNN_SAYS(on_observe)
MSRNN_SAYS(rates)
MSRNN_SAYS(rated)
MSRNN_SAYS(Rate)
MSRNN_SAYS(protect)
MSRNN_SAYS(protects)
MSRNN_SAYS(protected_tokens)
MSRNN_SAYS(protecton)
MSRNN_SAYS(memories)
MSRNN_SAYS(memmory)
MSRNN_SAYS(observe_window)
MSRNN_SAYS(validate)
MSRNN_SAYS(validates)
MSRNN_SAYS(Validate)
MSRNN_SAYS(is_valid)
#undef MSRNN_SAYS

template <class P>
constexpr bool misspells_observe() {
    return says_observes<P>() || says_observed<P>() || says_Observe<P>() || says_obeserve<P>() || says_obsereve<P>() ||
           says_on_observe<P>();
}
template <class P>
constexpr bool misspells_rate() {
    return says_rates<P>() || says_rated<P>() || says_Rate<P>();
}

template <class P>
concept HasColumnsOfOld = requires(const P& p) {
    p.columns();
};
template <class P>
concept HasRowsOfOld = requires(const P& p) {
    p.rows();
};

/// A near miss is one sentence. Instantiated by whatever takes a policy.
template <class P>
struct CheckedPolicy {
    static_assert(!says_observe<P>() || Observes<P>,
                  "msrnn: this policy's observe() must be one function `void observe(evidence..., Ratings) const`; "
                  "evidence is any of const Attention&, const Heads&, const Query&, const Outputs&, const Keys&, const "
                  "Values&.");
    static_assert(
        !says_rate<P>() || Rates<P>,
        "msrnn: this policy's rate() must be one function `void rate(evidence..., Ratings) const`; evidence is "
        "const Keys&, const Values& or nothing. Weights and queries are seen by observe().");
    static_assert(!says_protection<P>() || Protects<P>,
                  "msrnn: this policy's protection() must be `Protection protection(std::size_t budget) const`.");
    static_assert(!says_memory<P>() || KeepsMemory<P>,
                  "msrnn: this policy's memory() must be `Memory memory(Shape lane) const`.");
    static_assert(!says_observation_window<P>() || LimitsObservation<P>,
                  "msrnn: this policy's observation_window() must be `std::size_t observation_window() const`.");
    static_assert(!says_settings<P>() || TellsSettings<P>,
                  "msrnn: this policy's settings() must be `template <class Tell> void settings(Tell tell) const` and "
                  "call tell(name, value).");
    static_assert(!says_problem<P>() || TellsProblem<P>,
                  "msrnn: this policy's problem() must be `std::string problem() const`.");
    static_assert(!says_needs_by_settings<P>() || NeedsBySettings<P>,
                  "msrnn: this policy's needs_by_settings() must be `Needs needs_by_settings() const`.");
    static_assert(!says_scope<P>() || HasScope<P>, "msrnn: this policy's scope must be a member of type Scope.");

    static_assert(!misspells_observe<P>(), "msrnn: a hook of this policy is misspelt; its name is observe().");
    static_assert(!misspells_rate<P>(), "msrnn: a hook of this policy is misspelt; its name is rate().");
    static_assert(!says_protect<P>() && !says_protects<P>() && !says_protected_tokens<P>() && !says_protecton<P>(),
                  "msrnn: a hook of this policy is misspelt; its name is protection().");
    static_assert(!says_memories<P>() && !says_memmory<P>(),
                  "msrnn: a hook of this policy is misspelt; its name is memory().");
    static_assert(!says_observe_window<P>(),
                  "msrnn: a hook of this policy is misspelt; its name is observation_window().");
    static_assert(!HasColumnsOfOld<P>, "msrnn: columns() is now `Memory memory(Shape lane) const`, its columns.");
    static_assert(!HasRowsOfOld<P>, "msrnn: rows() is now observation_window().");
    static_assert(!says_validate<P>() && !says_validates<P>() && !says_Validate<P>() && !says_is_valid<P>(),
                  "msrnn: a hook of this policy is misspelt; its name is problem().");

    static_assert(Policy<P> || says_observe<P>() || says_rate<P>() || misspells_observe<P>() || misspells_rate<P>(),
                  "msrnn: a policy is copyable and has observe() or rate(). One that evicts in order of arrival says "
                  "`void rate(Ratings) const {}`.");
};

}  // namespace msrnn::inline MSRNN_ABI::detail
