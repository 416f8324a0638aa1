#pragma once

#include <cstddef>
#include <msrnn/decide.hpp>
#include <msrnn/trace/metered.hpp>
#include <tuple>

#include "policy/decayed_attention.mirror.hpp"
#include "policy/h2o.mirror.hpp"
#include "policy/key_norm.mirror.hpp"
#include "policy/random_eviction.mirror.hpp"
#include "policy/sink_window.mirror.hpp"
#include "policy/tova.mirror.hpp"
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
