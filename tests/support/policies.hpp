#pragma once

#include <tuple>

#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>

/// Every policy the contract is asked of: a new policy adds its name here.
struct TovaHead : msrnn::Tova {
    TovaHead() : Tova{.scope = msrnn::Scope::kv_head} {}
};
struct AnyTova : msrnn::AnyPolicy {
    AnyTova() : AnyPolicy(msrnn::Tova{}) {}
};
using ProtectedTova = msrnn::Protect<msrnn::Tova>;
using EveryPolicy =
    std::tuple<msrnn::Window, msrnn::SinkWindow, msrnn::Tova, TovaHead, msrnn::H2O, msrnn::DecayedAttention,
               msrnn::KeyNorm, msrnn::RandomEviction, ProtectedTova, msrnn::AnyPolicy, AnyTova>;
