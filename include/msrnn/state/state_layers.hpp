// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../base/refuse.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "../lane/lane.hpp"
#include "../rows/rows.hpp"
#include "joined.hpp"
#include "layer_cache.hpp"
#include "shape.hpp"
#include "state_records.hpp"
#include "workspace.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The layers of a state, and what can be asked about them.
template <class P, StoredScalar Scalar>
class StateLayers {
public:
    /// As it was made.
    const Shape& shape() const { return shape_; }
    /// What holds the rows of this layer; of one that reads those of another, the other.
    const LayerCache<P, Scalar>& layer(std::size_t layer) const { return at(layer); }
    /// Those of all layers that have rows, in order.
    std::span<const LayerCache<P, Scalar>> caches() const { return layers_; }

    /// The lane that decides for this KV head: which token lies where, which may be evicted, how many were.
    const Lane<P>& lane(std::size_t layer, std::size_t kv_head) const { return at(layer).lane(kv_head); }
    /// Those of a layer: one, or one for each KV head.
    std::span<const Lane<P>> lanes(std::size_t layer) const { return at(layer).lanes(); }
    /// Those of all layers, one layer after the other.
    auto lanes() const {
        using Layer = LayerCache<P, Scalar>;
        return Joined<Layer, Lane<P>>(layers_, [](const Layer& layer) { return layer.lanes(); });
    }
    /// Rows as they are stored: of int8 the scale is rows().keys.scale(slot).
    std::span<const Scalar> key(std::size_t layer, std::size_t kv_head, Slot slot) const {
        return rows(layer, kv_head).keys[slot];
    }
    /// The same of values.
    std::span<const Scalar> value(std::size_t layer, std::size_t kv_head, Slot slot) const {
        return rows(layer, kv_head).values[slot];
    }
    /// All rows of a KV head, to be read as floats by read() or attended to by their view().
    const HeadRows<Scalar>& rows(std::size_t layer, std::size_t kv_head) const { return at(layer).rows()[kv_head]; }
    /// Of every KV head of every layer, one layer after the other.
    auto rows() const {
        using Layer = LayerCache<P, Scalar>;
        return Joined<Layer, HeadRows<Scalar>>(layers_, [](const Layer& layer) { return layer.rows(); });
    }
    /// All memory that grows with tokens, layers or heads: rows, bookkeeping, and the weights of one step.
    std::size_t bytes() const {
        std::size_t sum = work_.bytes();
        for (const LayerCache<P, Scalar>& layer : layers_) sum += layer.bytes();
        return sum;
    }

    /// After make_room_for(), assign() of the same state neither allocates nor throws; both want is_like().
    bool is_like(const StateLayers& other) const {
        return std::is_nothrow_copy_assignable_v<P> && shape_ == other.shape_ &&
               std::ranges::equal(layers_, other.layers_, [](const auto& a, const auto& b) { return a.is_like(b); });
    }
    void make_room_for(const StateLayers& other) {
        for (std::size_t i = 0; i < layers_.size(); ++i) layers_[i].make_room_for(other.layers_[i]);
        work_.make_room_for(other.work_);
    }
    /// Becomes a copy of the other.
    void assign(const StateLayers& other) {
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

    // to be kept elsewhere ////////////////////////////////////////

    /// Room for the rows that go with these records, those of each layer's KV heads after one another.
    std::vector<HeadRows<Scalar>> room_for(std::span<const LaneRecord> records) const {
        std::vector<HeadRows<Scalar>> rows;
        for (const LayerCache<P, Scalar>& layer : layers_) {
            for (std::size_t h = 0; h < layer.rows().size(); ++h) {
                const LaneRecord& record = records[h / layer.heads_per_lane()];
                rows.push_back(layer.empty_rows((std::max)(record.extent(), record.size() + 1)));
            }
            records = records.subspan(layer.lanes().size());
        }
        return rows;
    }
    /// Goes on where another state of this shape and policy was: from what its lanes' record() said, in the order of
    /// lanes(), and its rows in room_for() them, where [0, extent()) count. Throws std::invalid_argument and changes
    /// nothing where problem() says why. Budgets are those of the records; what could be undone before cannot any more.
    void restore(std::span<const LaneRecord> records, std::vector<HeadRows<Scalar>> rows) {
        detail::refuse(problem(records));
        MSRNN_ASSERT(rows.size() == this->rows().size(), "msrnn: rows are those of every layer's KV heads");
        std::vector<std::vector<Lane<P>>> lanes;
        std::size_t most = 0;
        Arrival seen = 0;
        std::span<HeadRows<Scalar>> left = rows;
        for (const LayerCache<P, Scalar>& layer : layers_) {
            const std::span<const LaneRecord> own = records.first(layer.lanes().size());
            lanes.push_back(layer.restored(own, left.first(layer.rows().size())));
            for (const HeadRows<Scalar>& head : left.first(layer.rows().size())) most = (std::max)(most, head.room());
            for (const LaneRecord& record : own) seen = (std::max)(seen, record.seen);
            records = records.subspan(own.size());
            left = left.subspan(layer.rows().size());
        }
        work_.fit(most);
        left = rows;
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            layers_[i].adopt(lanes[i], left.first(layers_[i].rows().size()), seen);
            left = left.subspan(layers_[i].rows().size());
        }
    }
    /// Why this state cannot go on from these records, in one sentence; empty where it can.
    std::string problem(std::span<const LaneRecord> records) const {
        std::string wrong = detail::records_problem(records, lanes());
        return wrong.empty() && decides_as_one() ? detail::unlike_problem(records) : wrong;
    }

protected:
    explicit StateLayers(Shape shape) : shape_(std::move(shape)) {}

    LayerCache<P, Scalar>& at(std::size_t layer) { return layers_[place(layer).cache]; }
    const LayerCache<P, Scalar>& at(std::size_t layer) const { return layers_[place(layer).cache]; }
    bool decides_as_one() const {
        return !layers_.empty() && scope_of(layers_.front().lanes().front().policy()) == Scope::model;
    }
    bool reads_another(std::size_t layer) const { return !shape_.each.empty() && shape_.each[layer].reads != no_layer; }
    /// Where each layer's rows are. Not before the shape was accepted.
    void place_layers() {
        for (std::size_t i = 0, caches = 0; i < shape_.layers; ++i) {
            if (!reads_another(i)) {
                places_.push_back({.cache = caches++});
                continue;
            }
            std::size_t last = shape_.each[i].reads;
            while (places_[last].next_reader != no_layer) last = places_[last].next_reader;
            places_[last].next_reader = i;
            places_.push_back({.cache = places_[last].cache});
        }
    }
    std::size_t rows_with_room() const {
        std::size_t most = 0;
        for (const LayerCache<P, Scalar>& layer : layers_) most = (std::max)(most, layer.rows_with_room());
        return most;
    }

    struct Place {
        std::size_t cache;                   // in layers_
        std::size_t next_reader = no_layer;  // the next layer that reads the same rows
    };
    const Place& place(std::size_t layer) const {
        if (layer >= places_.size()) detail::refuse(layer_problem(layer));
        return places_[layer];
    }
    std::string layer_problem(std::size_t layer) const {
        if (places_.empty()) return "msrnn: this state was moved from and has no layers; assign one to it first";
        return "msrnn: layer " + detail::text(layer) + " of " + detail::text(places_.size()) +
               " layers; they count from 0";
    }

    Shape shape_;
    std::vector<Place> places_;  // [layers]
    std::vector<LayerCache<P, Scalar>> layers_;
    Workspace work_;
};

}  // namespace msrnn::inline MSRNN_ABI
