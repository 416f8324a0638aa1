#pragma once

#include <cstddef>
#include <msrnn/core/protection.hpp>
#include <vector>

#include "support/mirror.hpp"

/// What the mirror of a policy has besides its arithmetic: mirrored(policy), and samples(policy).
namespace mirror {

/// Settings of a policy to compare. Sums of the exact ones do not depend on their order, where weights and keys are
/// multiples of 2^-10.
template <class P>
struct Samples {
    std::vector<P> exact, others = {};
};

template <class P>
std::size_t mirrored_recent(const P& policy) {
    return policy.recent == msrnn::half_of_budget ? half : policy.recent;
}

}  // namespace mirror
