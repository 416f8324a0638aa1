// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "../core/position.hpp"
#include "../core/selection.hpp"
#include "../core/slot.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Which slots are candidates, a bit each: what a choice reads beside the ratings, where stamps are 32 times as long.
///
/// From one choice to the next few slots change: a token that was appended is in the recent window, the oldest of the
/// window leaves it, a victim goes. Which slot leaves the window is known by a ring of the newest arrivals. After
/// anything else forget() has them listed anew, from the stamps.
///
/// Measured (Zen 5, AVX-512, 8 lanes of H2O, other layers read between; append, observe and evict, us), together with
/// what TokenRoom::prefetch() asks for then: 512 slots and 1 query head 4.5 -> 3.7; 4,096 slots 30 -> 18.
class CandidateBits {
public:
    /// After this, grow() up to so many slots allocates nothing.
    void reserve(std::size_t slots) {
        bits_.reserve(words_of(slots));
        newest_.reserve(slots);
    }
    /// Which are candidates is forgotten.
    void resize(std::size_t slots) {
        bits_.resize(words_of(slots));
        newest_.resize(slots);
        forget();
    }
    /// Gives back memory that no slot needs.
    void shrink_to_fit() {
        bits_.shrink_to_fit();
        newest_.shrink_to_fit();
    }
    void make_room_for(const CandidateBits& other) {
        bits_.reserve(other.bits_.size());
        newest_.reserve(other.newest_.size());
    }
    std::size_t bytes() const { return bits_.size() * sizeof(std::uint64_t) + newest_.size() * sizeof(Slot); }

    /// The next update() reads the stamps of all slots.
    void forget() { known_ = false; }
    /// A token arrived in `slot`.
    void append(Slot slot, Arrival arrival) { newest_[arrival % newest_.size()] = slot; }
    /// The token in `slot`, which arrived then, is gone.
    void drop(Slot slot, Arrival arrival) {
        drop(slot);
        known_ = known_ && arrival < end_;
    }
    /// The same of a candidate.
    void drop(Slot slot) { bits_[slot / word] &= ~(std::uint64_t{1} << slot % word); }

    /// The slots whose stamp is in [now.first, now.end), in a lane that has seen so many tokens.
    template <class Stamp>
    std::span<const std::uint64_t> update(std::span<const Stamp> stamps, Candidates<Stamp> now, Arrival seen) {
        const auto first = static_cast<Arrival>(now.first), end = static_cast<Arrival>(now.end);
        if (known_ && first == first_ && end >= end_ && seen - end_ <= newest_.size())
            for (Arrival arrival = (std::max)(first, end_); arrival < end; ++arrival)
                set(newest_[arrival % newest_.size()]);
        else
            list(stamps, now, seen);
        first_ = first;
        end_ = end;
        return bits_;
    }

    /// ask(memory, count) for what the next append() and update() touch, in a lane of so many slots and tokens.
    template <class Ask>
    void prefetch(std::size_t slots, Arrival seen, Ask ask) const noexcept {
        ask(bits_.data(), words_of(slots));
        if (newest_.empty()) return;
        ask(newest_.data() + seen % newest_.size(), 1);
        ask(newest_.data() + end_ % newest_.size(), 1);
    }

private:
    static constexpr std::size_t word = 64;
    static constexpr std::size_t words_of(std::size_t slots) { return (slots + word - 1) / word; }
    static constexpr Slot nobody{~std::size_t{0}};

    void set(Slot slot) {
        if (slot != nobody) bits_[slot / word] |= std::uint64_t{1} << slot % word;
    }
    template <class Stamp>
    void list(std::span<const Stamp> stamps, Candidates<Stamp> now, Arrival seen) {
        const auto end = static_cast<Arrival>(now.end);
        std::fill(bits_.begin(), bits_.end(), std::uint64_t{0});
        std::fill(newest_.begin(), newest_.end(), nobody);
        for (std::size_t slot = 0; slot < stamps.size(); ++slot) {
            const auto arrival = static_cast<Arrival>(stamps[slot]);
            if (now.contain(stamps[slot]))
                set(Slot(slot));
            else if (arrival >= end && arrival < seen)
                newest_[arrival % newest_.size()] = Slot(slot);
        }
        known_ = seen - end <= newest_.size();
    }

    OwnVector<std::uint64_t> bits_;
    OwnVector<Slot> newest_;  ///< the slot of each of the newest arrivals, arrival modulo size
    Arrival first_ = 0;
    Arrival end_ = 0;
    bool known_ = false;
};

}  // namespace msrnn::inline MSRNN_ABI
