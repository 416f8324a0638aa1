// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "../config.hpp"
#include "../core/position.hpp"
#include "../core/protection.hpp"
#include "../core/slot.hpp"
#include "live_tokens.hpp"
#include "slot_table.hpp"

namespace msrnn::inline MSRNN_ABI {

/// What can be asked about the tokens of a lane.
template <class Stamp>
class LaneTokens {
public:
    std::size_t size() const { return table_.size(); }          ///< live slots
    std::size_t extent() const { return table_.extent(); }      ///< rows that attention walks
    std::size_t capacity() const { return table_.capacity(); }  ///< rows that exist
    Arrival seen() const { return table_.seen(); }              ///< tokens appended
    Arrival evictions() const { return table_.evictions(); }    ///< tokens evicted

    bool live(Slot slot) const { return table_.live(slot); }              ///< holds a token
    bool pinned(Slot slot) const { return table_.pinned(slot); }          ///< see Lane::pin()
    bool candidate(Slot slot) const { return table_.candidate(slot); }    ///< live and not protected
    Position position(Slot slot) const { return table_.position(slot); }  ///< if vacant, that of the evicted token
    Arrival arrival(Slot slot) const { return table_.arrival(slot); }     ///< the same
    float rating(Slot slot) const { return table_.ratings()[slot]; }      ///< meaningless if vacant
    std::span<const float> ratings() const { return table_.ratings(); }   ///< of [0, extent())

    /// A column of the policy's own, of [0, extent()): Memory::columns of them. Meaningless where a slot is vacant.
    std::span<const float> column(std::size_t c) const { return table_.column(c); }

    /// The live tokens, for a loop: slot, position, arrival, rating.
    LiveTokens<SlotTable<Stamp>> tokens() const { return LiveTokens<SlotTable<Stamp>>(table_); }
    /// The slot the next append() returns.
    Slot next() const { return table_.next(); }
    /// The tokens that the last evict() evicted, weakest first.
    std::span<const Slot> victims() const { return table_.victims(); }
    Protection protection() const { return table_.protection(); }  ///< at the present budget
    std::size_t bytes() const { return table_.bytes(); }           ///< of bookkeeping

protected:
    explicit LaneTokens(SlotTable<Stamp> table) : table_(std::move(table)) {}

    SlotTable<Stamp> table_;
};

}  // namespace msrnn::inline MSRNN_ABI
