#pragma once

#include <tuple>

#include "catch.hpp"

#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <msrnn/trace/metered.hpp>

#include "support/mirrored.hpp"
#include "support/simple_policies.hpp"

/// Every policy of the library, and what holds or changes one.
struct TovaHead : msrnn::Tova {
    TovaHead() : Tova{.scope = msrnn::Scope::kv_head} {}
};
struct AnyTova : msrnn::AnyPolicy {
    AnyTova() : AnyPolicy(msrnn::Tova{}) {}
};
using ProtectedTova = msrnn::Protect<msrnn::Tova>;
using MeteredH2O = msrnn::Metered<msrnn::H2O>;
using EveryPolicy = decltype(std::tuple_cat(
    mirror::Policies{}, std::tuple<TovaHead, ProtectedTova, MeteredH2O, msrnn::AnyPolicy, AnyTova>{}));

/// check(policy) for every policy of the simple ones and one that is wrapped, as AnyPolicy: of the tests of a state
/// each type of a policy costs seconds of compile time.
template <class Check>
void for_every_policy(Check check) {
    for (const msrnn::AnyPolicy& policy : simple_policies()) {
        INFO("policy " << policy.name());
        check(policy);
    }
    check(msrnn::AnyPolicy(msrnn::Protect<msrnn::H2O>{.extra = {.sinks = 1}}));
}
/// The same by their own type, for one whose scope is a layer and one that is wrapped.
template <class Check>
void for_policies_by_type(Check check) {
    check(msrnn::Tova{});
    check(msrnn::Protect<msrnn::H2O>{.extra = {.sinks = 1}});
}
