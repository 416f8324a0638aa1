// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "../core/slot.hpp"

namespace msrnn::inline MSRNN_ABI {

/// A list of slots with room for all of them, so that filling it never allocates. Moved from, into itself too, it is
/// empty.
class SlotList {
public:
    SlotList() = default;
    SlotList(const SlotList&) = default;
    SlotList(SlotList&& other) noexcept : slots_(std::move(other.slots_)), count_(std::exchange(other.count_, 0)) {}
    SlotList& operator=(const SlotList&) = default;
    SlotList& operator=(SlotList&& other) noexcept {
        count_ = other.count_;
        slots_ = std::move(other.slots_);
        other.count_ = 0;
        return *this;
    }

    std::size_t size() const { return count_; }
    std::span<Slot> slots() { return {slots_.data(), count_}; }
    std::span<const Slot> slots() const { return {slots_.data(), count_}; }
    Slot last() const { return slots_[count_ - 1]; }
    void add(Slot slot) { slots_[count_++] = slot; }
    void remove_last() { --count_; }
    /// The slot at this place leaves the list, or enters it there.
    void remove(std::size_t place) {
        std::copy(slots_.begin() + static_cast<std::ptrdiff_t>(place) + 1,
                  slots_.begin() + static_cast<std::ptrdiff_t>(count_),
                  slots_.begin() + static_cast<std::ptrdiff_t>(place));
        --count_;
    }
    void insert(std::size_t place, Slot slot) {
        std::copy_backward(slots_.begin() + static_cast<std::ptrdiff_t>(place),
                           slots_.begin() + static_cast<std::ptrdiff_t>(count_),
                           slots_.begin() + static_cast<std::ptrdiff_t>(count_) + 1);
        slots_[place] = slot;
        ++count_;
    }
    void clear() { count_ = 0; }
    /// Lists what was listed before clear(), but for the first; false where there is no room for it any more.
    bool put_back(std::size_t count, Slot first) {
        if (count > slots_.size()) return false;
        slots_[0] = first;
        count_ = count;
        return true;
    }
    /// The room behind the list, to be used until the next add().
    std::span<Slot> rest() { return std::span(slots_).subspan(count_); }

    void reserve(std::size_t slots) {
        if (slots_.size() < slots) slots_.resize(slots);
    }
    void shrink(std::size_t slots) {
        if (slots_.size() <= (std::max)(slots, count_)) return;
        slots_.resize((std::max)(slots, count_));
        slots_.shrink_to_fit();
    }
    void make_room_for(const SlotList& other) { slots_.reserve(other.slots_.size()); }
    std::size_t bytes() const { return slots_.size() * sizeof(Slot); }

private:
    OwnVector<Slot> slots_;
    std::size_t count_ = 0;
};

}  // namespace msrnn::inline MSRNN_ABI
