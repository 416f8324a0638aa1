// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "../config.hpp"
#include "arrival_order.hpp"
#include "position.hpp"
#include "slot.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Which lane of a state this is. A lane of a whole layer has `kv_head` 0; an engine may number its lanes as it likes.
struct LaneId {
    std::size_t layer = 0;
    std::size_t kv_head = 0;
};

/// The query heads that share a lane, and their width; 0 where the lane's owner did not say.
struct LaneShape {
    std::size_t query_heads = 0;
    std::size_t head_dim = 0;
    std::size_t value_dim = 0;  ///< 0 for head_dim

    constexpr std::size_t value_width() const { return value_dim != 0 ? value_dim : head_dim; }
};

/// What a lane remembers for its policy: a view, handed to every hook.
///
/// A slot that is given out starts with rating 0 and columns 0. What stands in a vacant slot means nothing.
struct Ratings {
    std::span<float> rating;             ///< higher stays
    std::span<const Arrival> arrival;    ///< `no_arrival` or more where the slot is vacant
    std::span<const Position> position;  ///< in the text, as append() said
    std::span<float> floats;             ///< the policy's own, of the lane: memory().floats
    float* columns = nullptr;            ///< the policy's own, of each slot: memory().columns, one after the other
    std::size_t column_stride = 0;       ///< floats from one column to the next
    Slot* order = nullptr;               ///< room for in_order()
    Slot newest;                         ///< slot of the newest token, unless it was evicted
    std::size_t tokens = 0;              ///< live slots
    Arrival seen = 0;                    ///< tokens appended to the lane so far, the newest included
    Arrival prompt = 0;                  ///< the last prompt ends before this arrival
    std::size_t budget = 0;              ///< of the lane
    std::size_t rows = 0;  ///< query tokens observed since the last choice or the start of a prompt, this one included
    LaneShape shape;       ///< as Limits says
    LaneId lane;           ///< which lane this is

    /// The rating of this slot.
    float& operator[](std::size_t slot) const { return rating[slot]; }
    std::size_t size() const { return rating.size(); }
    /// Whether the slot holds a token.
    bool live(std::size_t slot) const { return arrival[slot] < no_arrival; }
    /// 1 for the newest token, 2 for the one before it.
    std::size_t age(std::size_t slot) const { return static_cast<std::size_t>(seen - arrival[slot]); }
    /// Tokens since the last prompt; 0 inside one.
    std::size_t generated() const { return seen > prompt ? static_cast<std::size_t>(seen - prompt) : 0; }
    /// A column of the policy's own, one number for each slot: Memory::columns of them.
    std::span<float> column(std::size_t c) const { return {columns + c * column_stride, rating.size()}; }

    /// use(slot) for every live slot.
    template <class Use>
    void each(Use use) const {
        const std::size_t slots = size();
        if (tokens == slots)  // as nearly always; a loop without a branch may run in packs
            for (std::size_t slot = 0; slot < slots; ++slot) use(slot);
        else
            for (std::size_t slot = 0; slot < slots; ++slot)
                if (live(slot)) use(slot);
    }
    /// The live slots in the order of their arrival, valid until the next call. Allocates nothing.
    std::span<const Slot> in_order() const {
        detail::order_by_arrival(arrival, order, tokens);
        return {order, tokens};
    }
};

}  // namespace msrnn::inline MSRNN_ABI
