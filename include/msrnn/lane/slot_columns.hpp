// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "../core/memory.hpp"
#include "../core/position.hpp"
#include "candidate_bits.hpp"
#include "record.hpp"

namespace msrnn::inline MSRNN_ABI {

/// What a lane knows of each slot, a column for each kind of number. All have room() entries; those of positions and
/// arrivals may be longer while they tell of victims.
template <class Stamp>
struct SlotColumns {
    Memory own_memory = {};        ///< of the policy, beside the rating
    bool ratings_last = true;      ///< false where each choice makes them anew: then undo does not keep them
    bool hooks_may_throw = false;  ///< then there is room for a copy
    OwnVector<float> ratings;
    OwnVector<float> own;     // [columns][stride()]
    OwnVector<float> floats;  // of the policy, for the whole lane
    OwnVector<float> kept;    // a copy of all three for the case that a hook throws
    OwnVector<Stamp> stamps;
    OwnVector<Arrival> arrivals;
    OwnVector<Position> positions;
    CandidateBits candidates;

    std::size_t room() const { return ratings.size(); }
    /// From one own column to the next: whole cache lines.
    std::size_t stride() const { return stride(room()); }
    static std::size_t stride(std::size_t slots) { return (slots + 15) / 16 * 16; }
    float& own_column(std::size_t c, std::size_t slot) { return own[c * stride() + slot]; }
    float own_column(std::size_t c, std::size_t slot) const { return own[c * stride() + slot]; }

    /// After this, assigning the other one allocates nothing.
    void make_room_for(const SlotColumns& other) {
        ratings.reserve(other.ratings.size());
        own.reserve(other.own.size());
        floats.reserve(other.floats.size());
        kept.reserve(other.kept.size());
        stamps.reserve(other.stamps.size());
        arrivals.reserve(other.arrivals.size());
        positions.reserve(other.positions.size());
        candidates.make_room_for(other.candidates);
    }

    /// More room. Throws before anything has changed.
    void grow(std::size_t slots, Stamp no_stamp) {
        OwnVector<float> wider(own_memory.columns * stride(slots));
        floats.resize(own_memory.floats);
        ratings.reserve(slots);
        stamps.reserve(slots);
        arrivals.reserve(slots);
        positions.reserve(slots);
        candidates.reserve(slots);
        for (std::size_t c = 0; c < own_memory.columns; ++c)
            std::copy_n(own.data() + c * stride(), room(), wider.data() + c * stride(slots));
        if (hooks_may_throw) kept.resize((1 + own_memory.columns) * slots + own_memory.floats);
        own.swap(wider);
        ratings.resize(slots);
        stamps.resize(slots, no_stamp);
        candidates.resize(slots);
        if (arrivals.size() < slots) arrivals.resize(slots, no_arrival);
        if (positions.size() < slots) positions.resize(slots);
    }
    /// Less room; the first `records` positions and arrivals stay.
    void shrink(std::size_t slots, std::size_t records) {
        for (std::size_t c = 0; c < own_memory.columns; ++c)
            std::memmove(own.data() + c * stride(slots), own.data() + c * stride(), slots * sizeof(float));
        cut(own, own_memory.columns * stride(slots));
        cut(kept, hooks_may_throw ? (1 + own_memory.columns) * slots + floats.size() : 0);
        cut(ratings, slots);
        cut(stamps, slots);
        candidates.resize(slots);
        candidates.shrink_to_fit();
        cut_records((std::max)(slots, records));
    }
    void cut_records(std::size_t records) {
        cut(arrivals, records);
        cut(positions, records);
    }
    template <class Column>
    static void cut(Column& column, std::size_t size) {
        if (column.size() <= size) return;
        column.resize(size);
        column.shrink_to_fit();
    }

    /// What undo keeps: the ratings, where they last, and own columns of [0, extent), then the lane's floats.
    std::size_t memory_floats(std::size_t extent) const {
        return (ratings_last + own_memory.columns) * extent + own_memory.floats;
    }
    void copy_memory(std::size_t extent, float* to) const {
        if (ratings_last) to = std::copy_n(ratings.data(), extent, to);
        copy_own(extent, to);
    }
    void put_memory(std::size_t extent, const float* from) {
        if (ratings_last) from = put(from, extent, ratings.data());
        put_own(extent, from);
    }
    /// All of it, for the case that a hook throws.
    void keep(std::size_t extent) { copy_own(extent, std::copy_n(ratings.data(), extent, kept.data())); }
    void put_back_kept(std::size_t extent) { put_own(extent, put(kept.data(), extent, ratings.data())); }

    /// Slot `to` gets what stands in `from`, and the other way round; the policy's columns are copied.
    void exchange(std::size_t from, std::size_t to) {
        std::swap(ratings[from], ratings[to]);
        for (std::size_t c = 0; c < own_memory.columns; ++c) own_column(c, to) = own_column(c, from);
        std::swap(stamps[from], stamps[to]);
        std::swap(arrivals[from], arrivals[to]);
        std::swap(positions[from], positions[to]);
        candidates.forget();
    }

    void write(LaneRecord& record, std::size_t extent) const {
        for (std::size_t slot = 0; slot < extent; ++slot) {
            record.positions.push_back(positions[slot]);
            record.arrivals.push_back(static_cast<std::int64_t>(arrivals[slot]));
            record.ratings.push_back(ratings_last ? ratings[slot] : 0);
            for (std::size_t c = 0; c < own_memory.columns; ++c) record.columns.push_back(own_column(c, slot));
        }
        record.floats = floats;
        record.floats.resize(own_memory.floats);
    }
    void read(const LaneRecord& record) {
        for (std::size_t slot = 0; slot < record.extent(); ++slot) {
            positions[slot] = record.positions[slot];
            arrivals[slot] = record.arrivals[slot] < 0 ? no_arrival : static_cast<Arrival>(record.arrivals[slot]);
            ratings[slot] = record.ratings[slot];
            for (std::size_t c = 0; c < own_memory.columns; ++c)
                own_column(c, slot) = record.columns[slot * own_memory.columns + c];
        }
        std::copy_n(record.floats.data(), floats.size(), floats.data());
    }

    std::size_t bytes() const {
        return (ratings.size() + own.size() + floats.size() + kept.size()) * sizeof(float) +
               stamps.size() * sizeof(Stamp) + arrivals.size() * sizeof(Arrival) + positions.size() * sizeof(Position) +
               candidates.bytes();
    }

private:
    static const float* put(const float* from, std::size_t count, float* to) {
        std::copy_n(from, count, to);
        return from + count;
    }
    void copy_own(std::size_t extent, float* to) const {
        for (std::size_t c = 0; c < own_memory.columns; ++c) to = std::copy_n(own.data() + c * stride(), extent, to);
        to = std::copy_n(floats.data(), floats.size(), to);
        std::fill_n(to, own_memory.floats - floats.size(), 0.0f);  // a lane that was moved from has none until it grows
    }
    void put_own(std::size_t extent, const float* from) {
        for (std::size_t c = 0; c < own_memory.columns; ++c) from = put(from, extent, own.data() + c * stride());
        put(from, floats.size(), floats.data());
    }
};

}  // namespace msrnn::inline MSRNN_ABI
