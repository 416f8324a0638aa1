// SPDX-License-Identifier: MIT
#pragma once

#include "../config.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Keeps the newest tokens: first in, first out. With an unbounded budget, the full cache.
///
/// All ratings are equal, so the earliest arrival leaves. Needs nothing. Cost: the scan.
/// Source: the baseline of arXiv 2401.06104, section 5.1. The window counts the current token; a step attends over
/// budget + 1 rows and drops after.
struct Window {
    static constexpr const char* name = "window";
    static constexpr Scope scope = Scope::layer;

    void rate(Ratings) const noexcept {}
};

}  // namespace msrnn::inline MSRNN_ABI
