// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>

#include "../config.hpp"
#include "../core/memory.hpp"
#include "../core/protection.hpp"
#include "../core/shape.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Which heads share one decision: each KV head evicts its own tokens, or all heads of a layer, or of the model, the
/// same ones.
enum class Scope : unsigned char { layer, kv_head, model };

constexpr const char* name_of(Scope scope) {
    return scope == Scope::layer ? "layer" : scope == Scope::kv_head ? "kv_head" : "model";
}

/// What must be shown: sums of the bits of Attention, Heads, Query, Outputs, Keys, Values.
struct Needs {
    unsigned at_observe = 0;  ///< once per query token
    unsigned at_choice = 0;   ///< once per choice

    friend constexpr bool operator==(Needs, Needs) = default;
};

/// Everything that a policy answers without looking at tokens, for one lane and budget; see facts_of().
struct Facts {
    const char* name = "";
    Scope scope = Scope::kv_head;
    Needs needs = {};
    bool observes = false;           ///< has observe()
    bool rates = false;              ///< has rate(): ratings are 0 when a choice starts
    bool observe_may_throw = false;  ///< observe() is not noexcept
    bool rate_may_throw = false;     ///< rate() is not noexcept
    bool rows_alone_throw = false;   ///< it throws only where reading a row does
    Protection protection = {.sinks = 0, .recent = 1};
    Memory memory = {};
    std::size_t observation_window = unbounded;  ///< it observes only so many of a prompt's last tokens
    std::string problem = {};                    ///< what is wrong with the settings, or empty
};

}  // namespace msrnn::inline MSRNN_ABI
