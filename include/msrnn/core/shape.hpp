// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The attention of a model: query head h reads KV head h / (query_heads / kv_heads). A policy sees the part of its
/// lane: `query_heads` are then those that share the lane.
struct Shape {
    std::size_t layers = 0;
    std::size_t query_heads = 0;
    std::size_t kv_heads = 0;
    std::size_t head_dim = 0;
    float scale = 0;  ///< factor of q.k before the softmax; 0 for 1/sqrt(head_dim)

    constexpr std::size_t group() const { return query_heads / kv_heads; }  ///< query heads per KV head
    float logit_scale() const { return scale != 0 ? scale : 1 / std::sqrt(static_cast<float>(head_dim)); }
};

}  // namespace msrnn::inline MSRNN_ABI
