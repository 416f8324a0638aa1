// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>

#include "../config.hpp"
#include "evidence.hpp"
#include "keys.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Evidence of several kinds, at most one of each. What was not shown is empty.
template <class... Kinds>
struct Bundle : Kinds... {
    /// Whether this kind may be in it.
    template <class Kind>
    static constexpr bool holds = (std::is_same_v<Kind, Kinds> || ...);
    /// The bits of all kinds.
    static constexpr unsigned every = (Kinds::bit | ...);

    /// Of what is shown.
    template <class... Shown>
        requires(holds<Shown>&&...)
    explicit Bundle(const Shown&... shown) { (static_cast<void>(static_cast<Shown&>(*this) = shown), ...); }

    /// What was shown of this kind; empty if nothing was.
    template <class Kind>
    const Kind& get() const {
        return *this;
    }
    unsigned shown() const { return ((static_cast<const Kinds&>(*this).shown() ? Kinds::bit : 0u) | ...); }
};

/// What may be shown once per query token.
using Seen = Bundle<Attention, Heads, Query, Outputs, Keys, Values>;
/// What may be shown once per choice.
using Swept = Bundle<Keys, Values>;

}  // namespace msrnn::inline MSRNN_ABI
