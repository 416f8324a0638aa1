// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../config.hpp"
#include "../core/slot.hpp"
#include "../lane/step.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Rows [from, from + rows) become rows [to, to + rows).
struct RunMove {
    std::size_t from = 0;
    std::size_t to = 0;
    std::size_t rows = 0;

    friend constexpr bool operator==(RunMove, RunMove) = default;
};

/// Closes the gaps of a lane in place: the rows that stay move to the front and keep their order. Calls
/// carry(RunMove) for each run of neighbours. Carried out one after the other, they need no second buffer:
///
///     close_gaps(lane, [&](RunMove run) { memcpy(row(run.to), row(run.from), run.rows * bytes_of_a_row); });
///
/// `to` and `from` ascend, to < from, and rows <= from - to: no run overlaps itself, and none writes a row that is
/// still to be read. The lane follows: its slots are the new rows, [0, size()). Without gaps nothing is called.
/// Lane::compact() moves fewer rows (only as many as there are gaps) and gives up their order; use it where order does
/// not matter. This is for engines that keep order: kept ordinals ascend.
/// If carry throws, the runs before stand and the lane is valid: call it again. Cost: every row behind the first gap
/// moves once; a scan of the vacancies for each. A step is not undone across it.
/// Source: TensorRT-LLM #16836 ("the moves are ascending and never overtake their sources, which makes the forward
/// in-place copy safe"; its move sources are the `from`s); vLLM #55463 asks for the same, and that to do it twice moves
/// nothing.
template <class AnyLane, class Carry>
void close_gaps(AnyLane& lane, Carry carry) {
    const std::size_t extent = lane.extent();
    std::size_t to = 0;
    for (std::size_t from = 0; from < extent;) {
        if (!lane.live(Slot(from))) {
            ++from;
            continue;
        }
        if (from == to) {
            ++from;
            ++to;
            continue;
        }
        RunMove run{from, to, 1};
        while (run.rows < from - to && from + run.rows < extent && lane.live(Slot(from + run.rows))) ++run.rows;
        carry(run);
        for (; run.rows > 0; --run.rows) lane.move(Move{Slot(from++), Slot(to++)});
    }
    lane.compact([](Move) {});  // the gaps lie at the end: only the extent changes
}

}  // namespace msrnn::inline MSRNN_ABI
