// SPDX-License-Identifier: MIT
#pragma once

#include "../config.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Token Omission Via Attention: keeps what the newest query looks at.
///
/// rating[slot] = mean over the lane's query heads of weight[head][slot], of the newest query alone. Nothing is
/// protected, the newest token included. One lane for a layer: all its query heads vote, every KV head drops the same
/// token. `scope = Scope::kv_head` is the paper's ablation "TOVA-head". Needs weights.
/// Cost: query_heads * slots additions, and the scan. Keeps no memory between steps.
/// Source: arXiv 2401.06104, section 4 and algorithm 1. Of equal ratings the earliest arrival leaves, as the paper's
/// argmin; the released code leaves ties to torch.topk.
struct Tova {
    static constexpr const char* name = "tova";

    Scope scope = Scope::layer;

    template <class Tell>
    void settings(Tell tell) const {
        tell("scope", scope);
    }
    constexpr Protection protection(std::size_t) const { return {.sinks = 0, .recent = 0}; }
    constexpr std::size_t observation_window() const { return 1; }
    void observe(const Attention& seen, Ratings rating) const noexcept { seen.mean_into(rating.rating, 0); }
};

}  // namespace msrnn::inline MSRNN_ABI
