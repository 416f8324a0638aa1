// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "../config.hpp"
#include "../lane/lane.hpp"
#include "../rows/rows.hpp"
#include "joined.hpp"
#include "layer_cache.hpp"
#include "shape.hpp"
#include "workspace.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The layers of a state, and what can be asked about them.
template <class P, StoredScalar Scalar>
class StateLayers {
public:
    const Shape& shape() const { return shape_; }
    std::size_t lanes_per_layer() const { return lanes_per_layer_; }  ///< 1, or one for each KV head

    /// The lane that decides for this KV head: which token lies where, which may be evicted, how many were.
    const Lane<P>& lane(std::size_t layer, std::size_t kv_head) const { return at(layer).lane(kv_head); }
    /// All of them, [layers][lanes_per_layer].
    auto lanes() const {
        using Layer = LayerCache<P, Scalar>;
        return Joined<Layer, Lane<P>>(
            layers_.data(), layers_.size(), lanes_per_layer_,
            [](const Layer& layer, std::size_t i) -> const Lane<P>& { return layer.lanes()[i]; });
    }
    /// Rows as they are stored: of int8 the scale is rows().keys.scale(slot).
    std::span<const Scalar> key(std::size_t layer, std::size_t kv_head, Slot slot) const {
        return rows(layer, kv_head).keys[slot];
    }
    std::span<const Scalar> value(std::size_t layer, std::size_t kv_head, Slot slot) const {
        return rows(layer, kv_head).values[slot];
    }
    /// All rows of a KV head, to be read as floats by read() or attended to by their view().
    const HeadRows<Scalar>& rows(std::size_t layer, std::size_t kv_head) const { return at(layer).rows()[kv_head]; }
    /// Of every KV head, [layers][kv_heads].
    auto rows() const {
        using Layer = LayerCache<P, Scalar>;
        return Joined<Layer, HeadRows<Scalar>>(
            layers_.data(), layers_.size(), shape_.kv_heads,
            [](const Layer& layer, std::size_t h) -> const HeadRows<Scalar>& { return layer.rows()[h]; });
    }
    /// All memory that grows with tokens, layers or heads: rows, bookkeeping, and the weights of one step.
    std::size_t bytes() const {
        std::size_t sum = work_.bytes();
        for (const LayerCache<P, Scalar>& layer : layers_) sum += layer.bytes();
        return sum;
    }

    /// After make_room_for(), assign() of the same state neither allocates nor throws; both want is_like().
    bool is_like(const StateLayers& other) const {
        return std::is_nothrow_copy_assignable_v<P> && shape_.query_heads == other.shape_.query_heads &&
               std::ranges::equal(layers_, other.layers_, [](const auto& a, const auto& b) { return a.is_like(b); });
    }
    void make_room_for(const StateLayers& other) {
        for (std::size_t i = 0; i < layers_.size(); ++i) layers_[i].make_room_for(other.layers_[i]);
        work_.make_room_for(other.work_);
    }
    void assign(const StateLayers& other) {
        shape_ = other.shape_;
        lanes_per_layer_ = other.lanes_per_layer_;
        layers_ = other.layers_;
        work_ = other.work_;
    }

    /// Whether all layers have taken the same tokens, and none is between attend() and decide(). False within a pass,
    /// and after one that was cancelled.
    bool between_steps() const {
        return std::ranges::all_of(layers_, [this](const LayerCache<P, Scalar>& layer) {
            return layer.between_steps() && layer.tokens() == layers_.front().tokens();
        });
    }
    /// Tokens that this layer has taken since it was made, reset or restored, less those undone.
    std::uint64_t tokens(std::size_t layer) const { return at(layer).tokens(); }

protected:
    StateLayers(const Shape& shape, std::size_t lanes_per_layer)
        : shape_(shape), lanes_per_layer_(lanes_per_layer), work_(shape, std::same_as<Scalar, float>) {}

    LayerCache<P, Scalar>& at(std::size_t layer) {
        MSRNN_ASSERT(layer < layers_.size(), "msrnn: no such layer");
        return layers_[layer];
    }
    const LayerCache<P, Scalar>& at(std::size_t layer) const {
        MSRNN_ASSERT(layer < layers_.size(), "msrnn: no such layer");
        return layers_[layer];
    }
    std::size_t rows_with_room() const {
        std::size_t most = 0;
        for (const LayerCache<P, Scalar>& layer : layers_) most = (std::max)(most, layer.rows_with_room());
        return most;
    }

    Shape shape_;
    std::size_t lanes_per_layer_;
    std::vector<LayerCache<P, Scalar>> layers_;
    Workspace work_;
};

}  // namespace msrnn::inline MSRNN_ABI
