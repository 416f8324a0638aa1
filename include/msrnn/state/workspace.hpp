// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "../lane/checkpoint.hpp"
#include "../rows/rows.hpp"
#include "layer_shape.hpp"

namespace msrnn::inline MSRNN_ABI {

/// What the layers of a model share while one of them takes a token or a prompt: they do so one after the other.
///
/// It fits the layers that it was used for: step() and prefill() of a LayerCache see to that.
class Workspace {
public:
    /// The softmax weights of one query head over the rows, [query_heads][stride()]; each starts at a cache line.
    float* weights(std::size_t query_head) { return weights_.data() + query_head * stride_; }
    std::size_t stride() const { return stride_; }
    /// Of a layer with a window: which rows a KV head's queries see, [stride()].
    std::uint32_t* seen_by(std::size_t kv_head) { return seen_by_.data() + kv_head * stride_; }

    /// Memory for more rows, where there is not enough; given to use() when it is time.
    struct Room {
        std::size_t stride = 0;  // 0: there is enough
        Buffer weights = {};
        OwnVector<std::uint32_t> seen_by = {};
    };
    /// Memory for so many rows, to be given to use().
    Room room_for(std::size_t rows) const {
        if (whole_lines(rows) <= stride_) return {};
        return room(query_heads_, windowed_heads_, whole_lines(rows));
    }
    /// Takes the memory.
    void use(Room& room) {
        if (room.stride == 0) return;
        weights_.swap(room.weights);
        seen_by_.swap(room.seen_by);
        stride_ = room.stride;
    }
    /// Room for so many rows.
    void fit(std::size_t rows) {
        Room more = room_for(rows);
        use(more);
    }
    /// For a layer of this shape with so many rows in memory.
    void fit(const LayerShape& shape, std::size_t rows, bool rows_are_float, bool hides_rows) {
        const std::size_t windowed = hides_rows ? shape.kv_heads : 0;
        if (!rows_are_float && row.size() < (std::max)(shape.head_dim, shape.value_width()))
            row.resize((std::max)(shape.head_dim, shape.value_width()));
        if (turned.size() < shape.kv_heads) turned.resize(shape.kv_heads);
        if (shape.query_heads <= query_heads_ && windowed <= windowed_heads_) return fit(rows);
        const std::size_t heads = (std::max)(query_heads_, shape.query_heads);
        const std::size_t masks = (std::max)(windowed_heads_, windowed);
        Room more = room(heads, masks, (std::max)(stride_, whole_lines(rows)));
        query_heads_ = heads;
        windowed_heads_ = masks;
        use(more);
    }
    /// Gives back what is not needed for so many rows.
    void shrink(std::size_t rows) {
        if (whole_lines(rows) >= stride_) return;
        stride_ = whole_lines(rows);
        weights_.resize(query_heads_ * stride_);
        weights_.shrink_to_fit();
        seen_by_.resize(windowed_heads_ * stride_);
        seen_by_.shrink_to_fit();
    }
    /// After this, assigning the other one allocates nothing.
    void make_room_for(const Workspace& other) {
        weights_.reserve(other.weights_.size());
        seen_by_.reserve(other.seen_by_.size());
        row.reserve(other.row.size());
        queries.reserve(other.queries.size());
        outputs.reserve(other.outputs.size());
        while (before.size() < other.before.size()) before.emplace_back();
        for (std::size_t i = 0; i < other.before.size(); ++i) before[i].memory.reserve(other.before[i].memory.size());
        turned.reserve(other.turned.size());
        for (std::size_t h = 0; h < (std::min)(turned.size(), other.turned.size()); ++h)
            turned[h].reserve(other.turned[h].size());
    }
    std::size_t bytes() const {
        std::size_t sum =
            (weights_.size() + seen_by_.size() + queries.size() + outputs.size() + row.size()) * sizeof(float);
        for (const LaneCheckpoint& step : before) sum += step.bytes();
        for (const Buffer& keys : turned) sum += keys.size() * sizeof(float);
        return sum;
    }

private:
    static Room room(std::size_t query_heads, std::size_t windowed_heads, std::size_t stride) {
        return {.stride = stride,
                .weights = Buffer(detail::product(query_heads, stride)),
                .seen_by = OwnVector<std::uint32_t>(windowed_heads * stride)};
    }

    std::size_t query_heads_ = 0, windowed_heads_ = 0;
    std::size_t stride_ = 0;
    Buffer weights_;
    OwnVector<std::uint32_t> seen_by_;

public:
    Buffer queries;                      ///< of the token that attends, where a policy observes queries
    Buffer outputs;                      ///< the same of outputs
    Buffer row;                          ///< what a policy is shown of rows that are not float: one at a time
    std::vector<Buffer> turned;          ///< [kv_heads], each [rows][head_dim]; empty until a step turns keys
    std::vector<LaneCheckpoint> before;  ///< of a layer's lanes, for the case that a hook throws
};

}  ///< namespace msrnn::inline MSRNN_ABI
