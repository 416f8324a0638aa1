// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "../core/slot.hpp"
#include "../lane/step.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Positions or cells p0, p0 + 1, ... p1 - 1.
struct CellRange {
    std::int64_t p0 = 0;  ///< the first
    std::int64_t p1 = 0;  ///< behind the last

    friend constexpr bool operator==(CellRange, CellRange) = default;
};

/// The victims of a lane in the words of an engine that removes tokens by position, or that assigns its own cells
/// (llama.cpp): half-open ranges [p0, p1), ascending, not touching.
///
///     lane.evict();
///     for (const CellRange gone : ranges.positions(lane)) llama_memory_seq_rm(memory, sequence, gone.p0, gone.p1);
///
/// llama.cpp shows its cells in the graph; they become the lane's slots by `lane.append(position, Slot(cell))`. It has
/// one set of tokens for all heads and layers of a sequence: so one lane decides for the model, or lanes agree, see
/// Consensus, or each lane moves its rows, see make_way(). It counts positions on from the last one that it holds:
/// protect the newest token, Protect{policy, {.recent = 1}}.
///
/// A token that stays must not have the position of a victim: the engine would remove both (M-RoPE gives all tokens of
/// an image one position). Negative positions mean "from the start" or "to the end" to llama.cpp. Both are asserted.
/// Cost: sorts the victims; allocates where there are more than ever before.
/// Source: include/llama.h of llama.cpp, llama_memory_seq_rm(): "Removes all tokens that belong to the specified
/// sequence and have positions in [p0, p1)".
class CellRanges {
public:
    /// The positions of the victims of the last evict(), valid until the next call. Their slots are not reused yet.
    template <class AnyLane>
    std::span<const CellRange> positions(const AnyLane& lane) {
        const std::span<const CellRange> all = merged(lane, [&](Slot victim) { return lane.position(victim).value(); });
        MSRNN_ASSERT(all.empty() || all.front().p0 >= 0, "msrnn: llama.cpp knows no negative positions");
        MSRNN_ASSERT(spare(lane), "msrnn: a token that stays has the position of a victim; the engine would drop both");
        return all;
    }
    /// Their cells.
    template <class AnyLane>
    std::span<const CellRange> cells(const AnyLane& lane) {
        return merged(lane, [](Slot victim) { return static_cast<std::int64_t>(std::size_t{victim}); });
    }

private:
    template <class AnyLane, class Number>
    std::span<const CellRange> merged(const AnyLane& lane, Number number) {
        ranges_.clear();
        for (const Slot victim : lane.victims()) {
            const std::int64_t at = number(victim);
            ranges_.push_back({at, at + 1});
        }
        std::ranges::sort(ranges_, {}, &CellRange::p0);
        std::size_t count = 0;
        for (const CellRange next : ranges_)
            if (count > 0 && next.p0 <= ranges_[count - 1].p1)
                ranges_[count - 1].p1 = next.p1;
            else
                ranges_[count++] = next;
        ranges_.resize(count);
        return ranges_;
    }
    template <class AnyLane>
    bool spare(const AnyLane& lane) const {
        for (const auto token : lane.tokens()) {
            const std::int64_t at = token.position.value();
            const auto behind = std::ranges::upper_bound(ranges_, at, {}, &CellRange::p0);
            if (behind != ranges_.begin() && at < behind[-1].p1) return false;
        }
        return true;
    }

    OwnVector<CellRange> ranges_;
};

/// Frees these cells in a lane whose engine drops the same cells for every lane, while each lane chooses its own
/// tokens: a token that lies in one of them moves to the cell of a token that the lane has evicted. So per-head
/// eviction works in an engine that has one set of cells for all heads, and shows only a sliding window to it:
///
///     lane.append(position, Slot(cell));          // for every lane: the cell that the engine gave the token
///     lane.observe(...);                          // for every lane: the weights of its own heads
///     lane.evict();                               // another token in every lane
///     make_way(lane, oldest, [&](Move move) { ... });  // copies the keys and values of the lane's heads: one row
///     // then the engine drops cell `oldest`, of its oldest position, which no lane needs any more
///
/// Rows keep their keys as they were rotated, so nothing else changes: the engine takes each of them for a token before
/// the query. `cells` are distinct cells of [0, extent()); the lane has as many vacancies, or more. The cells of the
/// last evict() are taken first, because the engine holds them; other vacancies are taken where these do not suffice,
/// so they must not be cells that the engine has dropped. Calls carry(move) before the lane changes; if carry throws,
/// the moves before stand and the lane is valid: call it again. Cost: one row for each cell that holds a token, and a
/// scan of the lane. A step is not undone across it. Source: a sketch of it ran on an unchanged llama.cpp, which shows
/// its cells in the graph (GGML_OP_SET_ROWS).
template <class AnyLane, class Carry>
void make_way(AnyLane& lane, std::span<const Slot> cells, Carry carry) {
    const auto takes = [&](std::size_t to) {
        return !lane.live(Slot(to)) && std::ranges::find(cells, Slot(to)) == cells.end();
    };
    std::size_t victim = 0, to = 0;
    for (const Slot cell : cells) {
        MSRNN_ASSERT(cell < lane.extent(), "msrnn: make_way() for a cell that was never given out");
        if (!lane.live(cell)) continue;
        const std::span<const Slot> victims = lane.victims();
        while (victim < victims.size() && !takes(victims[victim])) ++victim;
        while (victim == victims.size() && to < lane.extent() && !takes(to)) ++to;
        MSRNN_ASSERT(to < lane.extent(), "msrnn: make_way() with more cells than vacancies; evict() first");
        const Move move{cell, victim < victims.size() ? victims[victim] : Slot(to)};
        carry(move);
        lane.move(move);
    }
}
/// The same for one cell.
template <class AnyLane, class Carry>
void make_way(AnyLane& lane, Slot cell, Carry carry) {
    make_way(lane, std::span<const Slot>(&cell, 1), carry);
}

}  // namespace msrnn::inline MSRNN_ABI
