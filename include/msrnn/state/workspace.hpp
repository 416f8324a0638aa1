// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "../config.hpp"
#include "../lane/checkpoint.hpp"
#include "../rows/rows.hpp"
#include "shape.hpp"

namespace msrnn::inline MSRNN_ABI {

/// What the layers of a state share while one of them takes a step.
class Workspace {
public:
    explicit Workspace(const Shape& shape, bool rows_are_float)
        : query_heads_(shape.query_heads),
          head_dim_(shape.head_dim),
          turned(shape.kv_heads, Rows<float>(0, shape.head_dim)) {
        if (!rows_are_float) row.resize(shape.head_dim);
    }

    /// The softmax weights of one query head over the rows, [query_heads][stride()]; each starts at a cache line.
    float* weights(std::size_t query_head) { return weights_.data() + query_head * stride_; }
    std::size_t stride() const { return stride_; }
    /// The queries of the token that attends, [query_heads][head_dim], where a policy wants to see them.
    void keep_queries() { queries_.resize(detail::product(query_heads_, head_dim_)); }
    float* queries(std::size_t query_head) { return queries_.data() + query_head * head_dim_; }

    /// Memory for the weights over so many rows, where there is not enough; given to use() when it is time.
    Buffer weights_for(std::size_t rows) const {
        if (whole_lines(rows) <= stride_) return {};
        return Buffer(detail::product(query_heads_, whole_lines(rows)));
    }
    void use(Buffer& weights) {
        if (weights.empty()) return;
        weights_.swap(weights);
        stride_ = weights_.size() / query_heads_;
    }
    void fit(std::size_t rows) {
        Buffer weights = weights_for(rows);
        use(weights);
    }
    /// Gives back what is not needed for so many rows.
    void shrink(std::size_t rows) {
        if (whole_lines(rows) >= stride_) return;
        stride_ = whole_lines(rows);
        weights_.resize(query_heads_ * stride_);
        weights_.shrink_to_fit();
    }
    /// After this, assigning the other one allocates nothing.
    void make_room_for(const Workspace& other) {
        weights_.reserve(other.weights_.size());
        queries_.reserve(other.queries_.size());
        row.reserve(other.row.size());
        while (before.size() < other.before.size()) before.emplace_back();
        for (std::size_t i = 0; i < other.before.size(); ++i) before[i].memory.reserve(other.before[i].memory.size());
        turned.reserve(other.turned.size());
        for (std::size_t h = 0; h < (std::min)(turned.size(), other.turned.size()); ++h)
            turned[h].make_room_for(other.turned[h]);
    }
    std::size_t bytes() const {
        std::size_t sum = (weights_.size() + queries_.size() + row.size()) * sizeof(float);
        for (const LaneCheckpoint& step : before) sum += step.bytes();
        for (const Rows<float>& keys : turned) sum += keys.bytes();
        return sum;
    }

private:
    std::size_t query_heads_;
    std::size_t head_dim_;
    std::size_t stride_ = 0;
    Buffer weights_;
    Buffer queries_;

public:
    Buffer row;                          // [head_dim], what a policy is shown of rows that are not float
    std::vector<Rows<float>> turned;     // [kv_heads]; empty until a step turns keys
    std::vector<LaneCheckpoint> before;  // of a layer's lanes, for the case that a hook throws
};

}  // namespace msrnn::inline MSRNN_ABI
