// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "../config.hpp"
#include "../core/position.hpp"
#include "../core/protection.hpp"
#include "../core/ratings.hpp"
#include "../core/selection.hpp"
#include "../core/slot.hpp"
#include "record.hpp"

namespace msrnn::inline MSRNN_ABI {

/// A row that changes its place.
struct Move {
    Slot from;
    Slot to;
};

/// What the newest token changed in a table, ratings and columns apart: enough to undo it.
struct TokenStep {
    Slot slot = {};              ///< the token's
    bool fresh = false;          ///< no token had it before
    Position position = {};      ///< that stood there
    Slot newest = {};            ///< the token that was the newest
    std::size_t dropped = 0;     ///< since it came
    Slot victim = {};            ///< the last of them
    Arrival victim_arrival = 0;  ///< and when that had come
};

/// Which token lies in which slot, and everything else that changes in a lane: one copyable value.
///
/// Slots [0, extent()) have been given out; `size()` of them are live, the others are vacancies that wait for the next
/// tokens, the latest vacancy first. Beside its 64-bit arrival a slot has a narrow *stamp* for the scan: it orders live
/// slots as arrivals do, and the largest stamp marks those that are vacant or pinned. Stamps are renumbered before they
/// wrap, once in 2^30 tokens.
template <class Stamp>
class SlotTable {
public:
    static constexpr Stamp no_stamp = std::numeric_limits<Stamp>::max();
    /// Renumbering keeps the distances of this many newest arrivals, so that a recent window stays an interval.
    static constexpr std::size_t max_capacity = no_stamp / 2;

    SlotTable(std::size_t capacity, std::size_t columns) : columns_(columns) { set_capacity(capacity); }

    std::size_t size() const { return extent_ - vacancies_; }
    std::size_t extent() const { return extent_; }
    std::size_t capacity() const { return ratings_.size(); }
    Arrival seen() const { return seen_; }
    Arrival evictions() const { return evictions_; }
    bool live(Slot slot) const { return slot < extent_ && arrivals_[slot] != no_arrival; }
    bool pinned(Slot slot) const { return live(slot) && stamps_[slot] == no_stamp; }
    Position position(Slot slot) const { return positions_[slot]; }
    Arrival arrival(Slot slot) const { return arrivals_[slot]; }
    std::span<const float> ratings() const { return {ratings_.data(), extent_}; }
    bool candidate(Slot slot) const { return slot < extent_ && candidates().contain(stamps_[slot]); }
    std::size_t weakest_candidate() const { return weakest(ratings(), stamps_.data(), candidates()); }

    /// The slot the next append() gives out.
    Slot next() const { return vacancies_ > 0 ? vacant_[vacancies_ - 1] : Slot(extent_); }

    Slot append(Position position) {
        if (seen_ - stamp_zero_ == no_stamp) renumber();
        const Slot slot = next();
        step_ = {.slot = slot, .fresh = vacancies_ == 0, .position = positions_[slot], .newest = newest_};
        if (vacancies_ > 0)
            --vacancies_;
        else
            ++extent_;
        ratings_[slot] = 0;
        for (std::size_t c = 0; c < columns_; ++c) memory_[c * capacity() + slot] = 0;
        stamps_[slot] = static_cast<Stamp>(seen_ - stamp_zero_);
        arrivals_[slot] = seen_++;
        positions_[slot] = position;
        newest_ = slot;
        return slot;
    }

    /// The position of a dropped token stays readable until its slot is given out again.
    void drop(Slot slot) {
        ++step_.dropped;
        step_.victim = slot;
        step_.victim_arrival = arrivals_[slot];
        arrivals_[slot] = no_arrival;
        stamps_[slot] = no_stamp;
        vacant_[vacancies_++] = slot;
        ++evictions_;
    }

    const TokenStep& last_step() const { return step_; }
    /// The token has never come. It is the newest, and with it one other left at most.
    void take_back(const TokenStep& step) {
        if (step.dropped == 1) {
            --vacancies_;
            --evictions_;
            arrivals_[step.victim] = step.victim_arrival;
            stamps_[step.victim] = static_cast<Stamp>(step.victim_arrival - stamp_zero_);
            if (step.victim_arrival < exact_from_) {  // it was not there when the old ones were numbered
                stamps_[step.victim] = 0;
                --stamp_zero_;
                restamp();
            }
        }
        arrivals_[step.slot] = no_arrival;
        stamps_[step.slot] = no_stamp;
        positions_[step.slot] = step.position;
        if (step.fresh)
            --extent_;
        else
            vacant_[vacancies_++] = step.slot;
        newest_ = step.newest;
        --seen_;
    }

    /// Ratings and columns of [0, extent()), one after the other.
    std::size_t memory_floats() const { return (1 + columns_) * capacity(); }
    void copy_memory(float* to) const {
        std::memcpy(to, ratings_.data(), extent_ * sizeof(float));
        for (std::size_t c = 0; c < columns_; ++c)
            std::memcpy(to += extent_, memory_.data() + c * capacity(), extent_ * sizeof(float));
    }
    void put_memory(const float* from) {
        std::memcpy(ratings_.data(), from, extent_ * sizeof(float));
        for (std::size_t c = 0; c < columns_; ++c)
            std::memcpy(memory_.data() + c * capacity(), from += extent_, extent_ * sizeof(float));
    }

    /// Fills each vacancy with a row from the end.
    template <class Carry>
    void compact(Carry& carry) {
        const std::size_t live_slots = size();
        std::size_t from = extent_;
        for (std::size_t to = 0; to < live_slots; ++to) {
            if (live(Slot(to))) continue;
            while (!live(Slot(--from))) {
            }
            carry(Move{Slot(from), Slot(to)});
            move(from, to);
        }
        extent_ = live_slots;
        vacancies_ = 0;
    }

    void pin(Slot slot) { stamps_[slot] = no_stamp; }
    void unpin(Slot slot) {
        stamps_[slot] = 0;
        restamp();
    }
    std::size_t pinned_behind(std::size_t sinks) const {
        std::size_t count = 0;
        for (std::size_t slot = 0; slot < extent_; ++slot) count += pinned(Slot(slot)) && arrivals_[slot] >= sinks;
        return count;
    }

    /// Candidates are the live, unpinned slots whose arrival lies in [sinks, seen - recent).
    void protect(Protection protection) {
        protection_ = protection;
        first_candidate_ = static_cast<Stamp>(protection.sinks < max_capacity ? protection.sinks : max_capacity);
        if (stamp_zero_ == 0) return;
        first_candidate_ = 0;
        for (std::size_t slot = 0; slot < extent_; ++slot)
            if (stamps_[slot] != no_stamp && arrivals_[slot] < protection.sinks && stamps_[slot] >= first_candidate_)
                first_candidate_ = static_cast<Stamp>(stamps_[slot] + 1);
    }
    Protection protection() const { return protection_; }

    /// More rows or fewer, but those given out stay; none moves, none is forgotten.
    void set_capacity(std::size_t capacity) {
        const std::size_t before = this->capacity();
        if (capacity == before) return;
        std::vector<float> memory(columns_ * capacity);
        for (std::size_t c = 0; c < columns_; ++c)
            for (std::size_t slot = 0; slot < extent_; ++slot) memory[c * capacity + slot] = memory_[c * before + slot];
        memory_.swap(memory);
        const auto resize = [&](auto& column, auto empty) {
            column.resize(capacity, empty);
            if (capacity < before) column.shrink_to_fit();
        };
        resize(ratings_, 0.0f);
        resize(stamps_, no_stamp);
        resize(arrivals_, no_arrival);
        resize(positions_, Position());
        resize(vacant_, Slot());
    }

    void reset() {
        for (std::size_t slot = 0; slot < extent_; ++slot) {
            stamps_[slot] = no_stamp;
            arrivals_[slot] = no_arrival;
        }
        extent_ = vacancies_ = 0;
        seen_ = evictions_ = stamp_zero_ = exact_from_ = 0;
        protect(protection_);
    }

    void write(LaneRecord& record) const {
        record.seen = seen_;
        for (std::size_t slot = 0; slot < extent_; ++slot) {
            record.positions.push_back(positions_[slot]);
            record.arrivals.push_back(static_cast<std::int64_t>(arrivals_[slot]));
            record.pinned.push_back(pinned(Slot(slot)));
            record.ratings.push_back(ratings_[slot]);
            for (std::size_t c = 0; c < columns_; ++c) record.columns.push_back(memory_[c * capacity() + slot]);
        }
        for (std::size_t i = 0; i < vacancies_; ++i)
            record.arrivals[vacant_[i]] = static_cast<std::int64_t>(i) - static_cast<std::int64_t>(vacancies_);
    }
    /// The record fits, see Lane::misfit().
    void read(const LaneRecord& record) {
        reset();
        extent_ = record.extent();
        vacancies_ = extent_ - record.size();
        newest_ = {};
        seen_ = record.seen;
        evictions_ = seen_ - size();
        for (std::size_t slot = 0; slot < extent_; ++slot) {
            positions_[slot] = record.positions[slot];
            ratings_[slot] = record.ratings[slot];
            for (std::size_t c = 0; c < columns_; ++c)
                memory_[c * capacity() + slot] = record.columns[slot * columns_ + c];
            const std::int64_t arrival = record.arrivals[slot];
            if (arrival < 0) {
                vacant_[vacancies_ - static_cast<std::size_t>(-arrival)] = Slot(slot);
                continue;
            }
            arrivals_[slot] = static_cast<Arrival>(arrival);
            stamps_[slot] = record.pinned[slot] != 0 ? no_stamp : Stamp{};
            if (arrivals_[slot] + 1 == seen_) newest_ = Slot(slot);
        }
        if (seen_ > no_stamp)
            renumber();
        else
            restamp();
    }

    Ratings view(LaneId lane) {
        return {.rating = {ratings_.data(), extent_},
                .arrival = {arrivals_.data(), extent_},
                .columns = memory_.data(),
                .column_stride = capacity(),
                .newest = newest_,
                .seen = seen_,
                .lane = lane};
    }

    std::size_t bytes() const {
        const std::size_t a_slot =
            (1 + columns_) * sizeof(float) + sizeof(Stamp) + sizeof(Arrival) + sizeof(Position) + sizeof(Slot);
        return capacity() * a_slot;
    }

private:
    Candidates<Stamp> candidates() const {
        const std::size_t recent = protection_.recent;
        if (recent >= seen_ - stamp_zero_) return {};
        return {first_candidate_, static_cast<Stamp>(seen_ - stamp_zero_ - recent)};
    }

    /// The newest arrivals keep their distances; live slots older than those are numbered in order from 0.
    void renumber() {
        exact_from_ = seen_ - max_capacity;
        Arrival older = 0;
        for (std::size_t slot = 0; slot < extent_; ++slot) older += arrivals_[slot] < exact_from_;
        stamp_zero_ = exact_from_ - older;
        restamp();
    }
    void restamp() {
        // Behind the vacancies there is room for a slot of every token.
        const auto first = vacant_.begin() + static_cast<std::ptrdiff_t>(vacancies_);
        auto end = first;
        const auto give = [this](std::size_t slot, std::uint64_t stamp) {
            if (stamps_[slot] != no_stamp) stamps_[slot] = static_cast<Stamp>(stamp);
        };
        for (std::size_t slot = 0; slot < extent_; ++slot) {
            if (arrivals_[slot] >= exact_from_)
                give(slot, arrivals_[slot] - stamp_zero_);
            else
                *end++ = Slot(slot);
        }
        std::sort(first, end, [this](Slot a, Slot b) { return arrivals_[a] < arrivals_[b]; });
        for (auto old = first; old != end; ++old) give(*old, static_cast<std::uint64_t>(old - first));
        protect(protection_);
    }

    void move(std::size_t from, std::size_t to) {
        ratings_[to] = ratings_[from];
        for (std::size_t c = 0; c < columns_; ++c) memory_[c * capacity() + to] = memory_[c * capacity() + from];
        stamps_[to] = stamps_[from];
        arrivals_[to] = arrivals_[from];
        positions_[to] = positions_[from];
        if (newest_ == from) newest_ = Slot(to);
        stamps_[from] = no_stamp;
        arrivals_[from] = no_arrival;
    }

    std::size_t columns_;
    std::vector<float> ratings_;
    std::vector<float> memory_;  // [columns][capacity]
    std::vector<Stamp> stamps_;
    std::vector<Arrival> arrivals_;
    std::vector<Position> positions_;
    std::vector<Slot>
        vacant_;  // a stack of `vacancies_`; as long as the capacity, so that a copy never allocates later
    std::size_t extent_ = 0;
    std::size_t vacancies_ = 0;
    Arrival seen_ = 0;
    Arrival evictions_ = 0;
    Arrival stamp_zero_ = 0;  // a new token's stamp is its arrival minus this
    Arrival exact_from_ = 0;  // from this arrival on, so is every stamp
    Protection protection_;
    Stamp first_candidate_ = 0;
    Slot newest_;
    TokenStep step_;
};

}  // namespace msrnn::inline MSRNN_ABI
