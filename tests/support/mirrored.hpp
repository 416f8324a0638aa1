#pragma once

#include <cstddef>
#include <msrnn/decide.hpp>
#include <msrnn/policy/non_causal_attention.hpp>
#include <msrnn/policy/tri_attention.hpp>
#include <msrnn/trace/metered.hpp>
#include <tuple>

#include "policy/cur.mirror.hpp"
#include "policy/decayed_attention.mirror.hpp"
#include "policy/expected_attention.mirror.hpp"
#include "policy/h2o.mirror.hpp"
#include "policy/islands.mirror.hpp"
#include "policy/key_diff.mirror.hpp"
#include "policy/key_norm.mirror.hpp"
#include "policy/lag_kv.mirror.hpp"
#include "policy/non_causal_attention.mirror.hpp"
#include "policy/r_kv.mirror.hpp"
#include "policy/random_eviction.mirror.hpp"
#include "policy/recommended.mirror.hpp"
#include "policy/sink_window.mirror.hpp"
#include "policy/tova.mirror.hpp"
#include "policy/tri_attention.mirror.hpp"
#include "policy/value_norm.mirror.hpp"
#include "policy/window.mirror.hpp"

namespace mirror {

/// Every policy that is compared with its mirror: a new one adds its name here, and its mirror above.
using Policies = std::tuple<msrnn::Window, msrnn::SinkWindow, msrnn::Tova, msrnn::H2O, msrnn::DecayedAttention,
                            msrnn::KeyNorm, msrnn::RandomEviction>;

/// use(policy) for each of them, with its default settings.
template <class Use>
void for_each_policy(Use use) {
    std::apply([&](const auto&... policy) { (use(policy), ...); }, Policies{});
}

/// Policies that rate by values or queries too, or must know head_dim: what a lane of them is shown, only the random
/// operations of a lane show.
// clang-format off
using PoliciesOfRows = std::tuple<
    msrnn::ValueNorm,
    msrnn::KeyDiff,
    msrnn::RecommendedKeys,
    msrnn::Cur,
    msrnn::LagKV,
    msrnn::ExpectedAttention,
    msrnn::TriAttention,
    msrnn::RKV,
    msrnn::NonCausalAttention,
    msrnn::Islands,
    msrnn::IslandsByWeights>;
// clang-format on

/// use(sample) for every sample of each of them.
template <class Use>
void for_each_sample_of_rows(Use use) {
    std::apply(
        [&](const auto&... policy) {
            const auto each = [&](const auto& one) {
                const auto all = samples(one);
                for (const auto& sample : all.exact) use(sample);
                for (const auto& sample : all.others) use(sample);
            };
            (each(policy), ...);
        },
        PoliciesOfRows{});
}

template <class P>
Settings mirrored(const msrnn::Protect<P>& p) {
    Settings settings = mirrored(p.policy);
    settings.extra_sinks = p.extra.sinks;
    settings.extra_recent = p.extra.recent;
    return settings;
}

template <class P>
Settings mirrored(const msrnn::Metered<P>& p) {
    return mirrored(p.policy);
}

}  // namespace mirror

namespace differential {
using mirror::mirrored;
}
