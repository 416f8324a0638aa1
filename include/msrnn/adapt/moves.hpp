// SPDX-License-Identifier: MIT
#pragma once

#include "../config.hpp"
#include "../lane/step.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Closes the gaps of a lane in place: the rows that stay move to the front and keep their order. Calls
/// carry(RunMove) for each run of neighbours. Carried out one after the other, they need no second buffer:
///
///     close_gaps(lane, [&](RunMove run) { memcpy(row(run.to), row(run.from), run.rows * bytes_of_a_row); });
///
/// `to` and `from` ascend, to < from, and rows <= from - to: no run overlaps itself, and none writes a row that is
/// still to be read. The lane follows: its slots are the new rows, [0, size()). Without gaps nothing is called.
/// Lane::compact() moves fewer rows (only as many as there are gaps) and gives up their order; use it where order does
/// not matter. This is for engines that keep order: kept ordinals ascend.
/// The lane's victims are forgotten: read them before. If carry throws, the runs before stand and the lane is valid:
/// call it again. Cost: every row behind the first gap moves once. A step is not undone across it.
///
/// Source: TensorRT-LLM #16836 ("the moves are ascending and never overtake their sources, which makes the forward
/// tiled in-place copy safe"; its move sources are the `from`s); vLLM #55463 asks for the same, and that to do it twice
/// moves nothing.
template <class AnyLane, class Carry>
void close_gaps(AnyLane& lane, Carry carry) {
    lane.compact_in_order([&](RunMove run) { carry(run); });
}

}  // namespace msrnn::inline MSRNN_ABI
