// SPDX-License-Identifier: MIT
#pragma once

#include "../config.hpp"
#include "cake.hpp"
#include "caote.hpp"
#include "cur.hpp"
#include "decayed_attention.hpp"
#include "expected_attention.hpp"
#include "facts.hpp"
#include "h2o.hpp"
#include "islands.hpp"
#include "key_diff.hpp"
#include "key_norm.hpp"
#include "keyformer.hpp"
#include "lag_kv.hpp"
#include "morph_kv.hpp"
#include "non_causal_attention.hpp"
#include "normalised_h2o.hpp"
#include "observed_attention.hpp"
#include "r_kv.hpp"
#include "random_eviction.hpp"
#include "recommended.hpp"
#include "scissorhands.hpp"
#include "sink_window.hpp"
#include "snap_kv.hpp"
#include "tova.hpp"
#include "tri_attention.hpp"
#include "value_norm.hpp"
#include "vatp.hpp"
#include "window.hpp"

/// What has a name: a header above and a line below for each.
namespace msrnn::inline MSRNN_ABI::detail {

/// The policies of the library with their default settings, in the order of the README: add(policy), or
/// add(policy, name) for one of other settings than its type has.
template <class Add>
void each_known_policy(Add add) {
    add(Window{});
    add(SinkWindow{});
    add(Tova{});
    add(Tova{.scope = Scope::kv_head}, "tova-head");
    add(H2O{});
    add(DecayedAttention{});
    add(KeyNorm{});
    add(ValueNorm{});
    add(KeyDiff{});
    add(LagKV{});
    add(Cur{});
    add(ExpectedAttention{});
    add(TriAttention{});
    add(RKV{});
    add(Scissorhands{});
    add(ObservedAttention{});
    add(NormalisedH2O{});
    add(Vatp{});
    add(MorphKV{});
    add(Keyformer{});
    add(Cake{});
    add(Caote<>{});
    add(Caote<void, true>{});
    add(Islands{});
    add(IslandsByWeights{});
    add(RecommendedKeys{});
    add(RandomEviction{});
}

/// Those that choose once, after a prompt.
template <class Add>
void each_known_selector(Add add) {
    add(SnapKV{});
    add(NonCausalAttention{});
}

}  // namespace msrnn::inline MSRNN_ABI::detail
