// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>

#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "../core/loops.hpp"
#include "../core/position.hpp"
#include "../core/slot.hpp"
#include "../policy/facts.hpp"
#include "counts.hpp"
#include "limits.hpp"
#include "slot_columns.hpp"
#include "slot_list.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The columns and lists of a TokenTable, and the memory for them.
///
/// Memory grows by doubling; what may throw comes first.
template <class Stamp>
class TokenRoom {
public:
    static constexpr Stamp no_stamp = (std::numeric_limits<Stamp>::max)();
    static constexpr std::size_t max_capacity = no_stamp / 2;

    TokenRoom(std::size_t capacity, const Facts& policy) : capacity_(capacity) {
        slots_.own_memory = policy.memory;
        slots_.ratings_last = !policy.rates;
        slots_.hooks_may_throw = policy.observe_may_throw || policy.rate_may_throw;
        reserve(detail::rows_at_once(capacity));
    }
    TokenRoom(const TokenRoom&) = default;
    TokenRoom(TokenRoom&&) noexcept = default;
    TokenRoom& operator=(TokenRoom&&) noexcept = default;
    TokenRoom& operator=(const TokenRoom& other) {
        make_room_for(other);
        capacity_ = other.capacity_;
        slots_ = other.slots_;
        vacant_ = other.vacant_;
        rejected_ = other.rejected_;
        victims_ = other.victims_;
        counts_ = other.counts_;
        return *this;
    }
    /// After this, assigning the other one allocates nothing.
    void make_room_for(const TokenRoom& other) {
        slots_.make_room_for(other.slots_);
        vacant_.make_room_for(other.vacant_);
        rejected_.reserve(other.rejected_.size());
        victims_.make_room_for(other.victims_);
    }

    std::size_t size() const { return counts_.extent - vacant_.size(); }
    std::span<const Slot> victims() const { return victims_.slots(); }
    /// The slot the next append() gives out.
    Slot next() const { return vacant_.size() > 0 ? vacant_.last() : Slot(counts_.extent); }

    /// Memory for so many slots in use.
    void reserve(std::size_t slots) {
        const std::size_t room = slots_.room();
        if (slots <= room) return;
        const std::size_t grown = (std::max)(slots, (std::min)(2 * room, capacity_));
        vacant_.reserve(grown);
        victims_.reserve(grown);
        slots_.grow(grown, no_stamp);
    }
    /// More rows or fewer, but those given out stay; none moves, none is forgotten. Never throws.
    void set_capacity(std::size_t capacity) {
        capacity_ = capacity;
        if (capacity >= slots_.room()) return;
        std::size_t records = counts_.extent;
        for (const Slot victim : victims()) records = (std::max)(records, victim + std::size_t{1});
        slots_.shrink(capacity, records);
        vacant_.shrink(capacity);
        victims_.shrink(capacity);
    }
    void forget_victims() { victims_.clear(); }

    /// Asks for the memory that the next append and choice touch, single lines first.
    void prefetch() const noexcept {
        const auto ask = [](const auto* first, std::size_t count) { detail::prefetch(first, count); };
        slots_.candidates.prefetch(counts_.extent, counts_.seen, ask);
        if (const std::size_t slot = next(); slot < slots_.room()) {
            ask(slots_.stamps.data() + slot, 1);
            ask(slots_.arrivals.data() + slot, 1);
            ask(slots_.positions.data() + slot, 1);
        }
        ask(victims_.slots().data(), 1);
        ask(slots_.ratings.data(), counts_.extent);
        if (!slots_.ratings_last) ask(slots_.arrivals.data(), counts_.extent);
        for (std::size_t c = 0; c < slots_.own_memory.columns && c < 4; ++c)
            ask(slots_.own.data() + c * slots_.stride(), counts_.extent);
    }

    std::size_t bytes() const {
        return slots_.bytes() + vacant_.bytes() + rejected_.size() * sizeof(Arrival) + victims_.bytes();
    }

protected:
    /// What was kept of many victims, one step after their list ended: that step may still be undone.
    void give_back_records() {
        const std::size_t room = slots_.room();
        const auto kept = [=](Slot victim) { return victim >= room; };
        if (slots_.positions.size() == room || std::ranges::any_of(victims(), kept)) return;
        slots_.cut_records(room);
        victims_.shrink(room);
    }

    std::size_t capacity_;
    SlotColumns<Stamp> slots_;
    SlotList vacant_;              // a stack
    OwnVector<Arrival> rejected_;  // the first `counts_.rejected`; what is behind comes back if the last step is undone
    SlotList victims_;
    Counts counts_;
};

}  // namespace msrnn::inline MSRNN_ABI
