// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../config.hpp"
#include "../core/position.hpp"
#include "../core/protection.hpp"
#include "../core/ratings.hpp"
#include "../core/slot.hpp"
#include "counts.hpp"
#include "step.hpp"
#include "token_room.hpp"
#include "victims.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Which token lies in which slot, and everything else that changes in a lane: one copyable value.
///
/// Slots [0, extent()) have been given out; `size()` of them are live, the others are vacancies that wait for the next
/// tokens, the latest vacancy first. Beside its 64-bit arrival a slot has a narrow *stamp* for the scan: the arrival
/// itself as long as it fits; the largest stamp marks slots that are vacant or pinned. In a lane that has seen more
/// tokens than a stamp can count (2^31) the scan reads arrivals.
template <class Stamp>
class TokenTable : public TokenRoom<Stamp> {
protected:
    using Room = TokenRoom<Stamp>;
    using Room::capacity_, Room::slots_, Room::vacant_, Room::rejected_, Room::victims_, Room::counts_,
        Room::give_back_records;

public:
    using Room::Room, Room::no_stamp, Room::max_capacity, Room::reserve, Room::next, Room::forget_victims, Room::size,
        Room::victims;

    std::size_t extent() const { return counts_.extent; }
    std::size_t capacity() const { return capacity_; }
    Arrival seen() const { return counts_.seen; }
    Arrival evictions() const { return counts_.evictions; }
    bool live(Slot slot) const {
        return slot < counts_.extent && slots_.arrivals[slot] < no_arrival && slot != counts_.unmarked;
    }
    bool pinned(Slot slot) const { return live(slot) && slots_.stamps[slot] == no_stamp; }
    Position position(Slot slot) const { return slots_.positions[slot]; }
    Arrival arrival(Slot slot) const { return slots_.arrivals[slot] & ~no_arrival; }
    std::span<const float> ratings() const { return {slots_.ratings.data(), counts_.extent}; }
    std::span<const float> floats() const { return slots_.floats; }

    // tokens /////////////////////////////////////////////////////////////////////////////////////////////////////////

    Slot append(Position position) { return give_out(next(), vacant_.size() - 1, position); }
    /// The same in this slot, which is vacant or was never given out; those before it that were not are vacancies then.
    Slot append(Position position, Slot slot) {
        const std::span<const Slot> holes = vacant_.slots();
        return give_out(slot, static_cast<std::size_t>(std::ranges::find(holes, slot) - holes.begin()), position);
    }

    /// Position and arrival stay readable until the slot is given out again. There is room for one victim more.
    void drop(Slot slot) {
        mark();
        const Arrival arrival = slots_.arrivals[slot];
        slots_.candidates.drop(slot, arrival);
        leave(slot, arrival + 1);
        slots_.arrivals[slot] = arrival | no_arrival;
        slots_.stamps[slot] = no_stamp;
    }
    /// The same for a candidate, whose arrival lies before `end`. Its columns are not touched: nobody knew the victim
    /// before, so they are in no cache. The next token takes its slot, and prefetch() has asked for that one.
    void drop_candidate(Slot slot, Arrival end) {
        if (counts_.youngest_gone > end) return drop(slot);
        mark();
        slots_.candidates.drop(slot);
        leave(slot, end);
        counts_.unmarked = slot;
    }
    /// Before columns are read or written: those of the victim say that its slot is vacant.
    void mark() {
        if (counts_.unmarked == Counts::nobody) return;
        slots_.arrivals[counts_.unmarked] |= no_arrival;
        slots_.stamps[counts_.unmarked] = no_stamp;
        counts_.unmarked = Counts::nobody;
    }
    /// Drops a token by name. The newest tokens, where they are dropped so before the next append, count as never
    /// appended.
    void reject(Slot slot) {
        rejected_.reserve(counts_.rejected + 1);  // nothing below throws
        rejected_.resize(counts_.rejected);
        rejected_.push_back(arrival(slot));
        forget_victims();
        slots_.candidates.forget();
        const Arrival gone_before = counts_.rejected == 0 ? counts_.youngest_gone : counts_.seen;
        drop(slot);
        while (std::ranges::find(rejected_, counts_.seen - 1) != rejected_.end()) {
            --counts_.seen;
            --counts_.evictions;
        }
        std::erase_if(rejected_, [this](Arrival gone) { return gone >= counts_.seen; });
        counts_.rejected = rejected_.size();
        const Arrival gone = counts_.rejected == 0 ? gone_before : counts_.youngest_gone;
        counts_.youngest_gone = (std::min)(gone, counts_.seen);
        for (std::size_t at = 0; at < counts_.extent; ++at)
            if (slots_.arrivals[at] + 1 == counts_.seen) counts_.newest = Slot(at);
    }

    const Counts& counts() const { return counts_; }
    /// The newest token was never appended, and what was evicted since is live again. `before` are the counts then.
    void take_back(const Counts& before) {
        mark();
        victims_.clear();
        slots_.candidates.forget();
        if (counts_.seen != before.seen) {
            const TokenStep step = counts_.step;
            for (std::size_t victim = 0; victim < step.dropped; ++victim) {
                const Slot slot = vacant_.last();
                vacant_.remove_last();
                slots_.arrivals[slot] &= ~no_arrival;
                slots_.stamps[slot] = stamp_of(slots_.arrivals[slot]);
            }
            slots_.arrivals[step.slot] = step.arrival;
            slots_.stamps[step.slot] = no_stamp;
            slots_.positions[step.slot] = step.position;
            if (step.slot < before.extent)
                vacant_.insert(step.place, step.slot);
            else
                for (std::size_t slot = before.extent; slot < step.slot; ++slot) vacant_.remove_last();
        }
        counts_ = before;
    }
    /// The victims of the choice before; single evictions since have overwritten only the first of them. Where what
    /// was kept of them was given back, none.
    void put_back_victims(std::size_t count, Slot first) {
        if (count == 0 || !victims_.put_back(count, first)) return;
        const auto lost = [this](Slot slot) { return slot >= slots_.positions.size(); };
        if (std::ranges::any_of(victims_.slots(), lost)) victims_.clear();
    }

    // the policy's numbers ///////////////////////////////////////////////////////////////////////////////////////////

    /// What undo keeps of them; memory_room() bounds it until the room grows.
    std::size_t memory_room() const { return slots_.memory_floats(slots_.room()); }
    void copy_memory(float* to) const { slots_.copy_memory(counts_.extent, to); }
    void put_memory(const float* from) { slots_.put_memory(counts_.extent, from); }
    /// A copy for the case that a hook throws.
    void keep_memory() { slots_.keep(counts_.extent); }
    void put_back_kept() { slots_.put_back_kept(counts_.extent); }
    void clear_ratings() { std::fill_n(slots_.ratings.data(), counts_.extent, 0.0f); }

    /// What a hook sees; its owner adds what a table does not know.
    Ratings view() noexcept {
        mark();
        return {.rating = {slots_.ratings.data(), counts_.extent},
                .arrival = {slots_.arrivals.data(), counts_.extent},
                .position = {slots_.positions.data(), counts_.extent},
                .floats = slots_.floats,
                .columns = slots_.own.data(),
                .column_stride = slots_.stride(),
                .order = vacant_.rest().data(),
                .newest = counts_.newest,
                .tokens = size(),
                .seen = counts_.seen,
                .shape = {},
                .lane = {}};
    }

    // now and then ///////////////////////////////////////////////////////////////////////////////////////////////////

    /// Fills each vacancy with a row from the end. What is known of a victim changes places with it. The table is valid
    /// after every move, should `carry` throw.
    template <class Carry>
    void compact(Carry& carry) {
        mark();
        const std::size_t live_slots = size();
        const std::span<Slot> holes = vacant_.slots();
        detail::VictimNames names(victims_.slots(), vacant_.rest().first(live_slots));
        std::sort(holes.begin(), holes.end());
        std::size_t from = counts_.extent;
        for (std::size_t i = 0; i < holes.size() && holes[i] < live_slots; ++i) {
            while (!live(Slot(--from))) {
            }
            const Move move{Slot(from), holes[i]};
            carry(move);
            slots_.exchange(move.from, move.to);
            if (counts_.newest == move.from) counts_.newest = move.to;
            holes[i] = move.from;
            names.follow(move);
        }
        counts_.extent = live_slots;
        vacant_.clear();
    }

    void reset() {
        forget_victims();
        slots_.candidates.forget();
        give_back_records();
        vacant_.clear();
        std::fill(slots_.floats.begin(), slots_.floats.end(), 0.0f);
        counts_.reset();
    }

protected:
    void leave(Slot slot, Arrival end) {
        ++counts_.step.dropped;
        counts_.youngest_gone = (std::max)(counts_.youngest_gone, end);
        vacant_.add(slot);
        victims_.add(slot);
        ++counts_.evictions;
    }
    Slot give_out(Slot slot, std::size_t place, Position position) {
        mark();
        reserve(slot + std::size_t{1});
        give_back_records();
        counts_.step = {
            .slot = slot, .place = place, .position = slots_.positions[slot], .arrival = slots_.arrivals[slot]};
        if (slot < counts_.extent) vacant_.remove(place);
        for (; counts_.extent < slot; ++counts_.extent) {
            slots_.arrivals[counts_.extent] |= no_arrival;
            slots_.stamps[counts_.extent] = no_stamp;
            vacant_.add(Slot(counts_.extent));
        }
        counts_.extent = (std::max)(counts_.extent, slot + std::size_t{1});
        slots_.ratings[slot] = 0;
        for (std::size_t c = 0; c < slots_.own_memory.columns; ++c) slots_.own_column(c, slot) = 0;
        slots_.stamps[slot] = stamp_of(counts_.seen);
        slots_.candidates.append(slot, counts_.seen);
        slots_.arrivals[slot] = counts_.seen++;
        slots_.positions[slot] = position;
        counts_.newest = slot;
        counts_.rejected = 0;
        return slot;
    }
    static Stamp stamp_of(Arrival arrival) { return arrival < no_stamp ? static_cast<Stamp>(arrival) : Stamp{}; }
};

}  // namespace msrnn::inline MSRNN_ABI
