// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "../base/refuse.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "../core/position.hpp"
#include "../core/slot.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Rows start, start + 1, ... of a ring, which do not wrap.
struct RingRun {
    std::size_t start = 0;  ///< the first row
    std::size_t rows = 0;

    friend constexpr bool operator==(RingRun, RingRun) = default;
};
/// One run, or two where they wrap, the older tokens first.
struct RingRuns {
    std::array<RingRun, 2> run = {};  ///< the first `count` of them
    std::size_t count = 0;
};

/// Where a sliding window lies in the words of an engine that keeps it in a ring (ExecuTorch): runs of rows to write
/// and to read.
///
/// A query sees `window` tokens, itself included. The ring has window + written - 1 rows, where `written` is the most
/// tokens of one step, so that no token is written over while an earlier query of the same step still sees it.
/// Position p lies in row p % rows(). A lane decides the same with budget window - 1 (attention includes the newest
/// token, and the choice follows): `lane.append(position, ring.slot(position))`, and lane_runs() is what it keeps.
/// Cost: a few divisions. Allocates nothing.
/// Source: ExecuTorch, extension/llm/cache/sequence_cache.h: RingPolicy, its Run and SeqStepPlan.
class Ring {
public:
    /// Throws std::invalid_argument with the sentence of problem().
    explicit Ring(std::size_t window, std::size_t written = 1) : window_(window), rows_(window + written - 1) {
        detail::refuse(problem(window, written));
    }
    static std::string problem(std::size_t window, std::size_t written) {
        if (window == 0) return "msrnn: the window of a ring is 0; a query sees itself: give 1 or more";
        if (written == 0) return "msrnn: a ring is written 0 tokens at once; give 1 or more";
        return {};
    }
    std::size_t rows() const { return rows_; }
    Slot slot(Position position) const { return Slot(static_cast<std::size_t>(position.value()) % rows_); }
    /// The rows that the next `tokens` tokens are written to, the first at this position.
    RingRuns write(Position position, std::size_t tokens) const {
        MSRNN_ASSERT(tokens <= rows_ - window_ + 1, "msrnn: a step of more tokens than the ring was made for");
        return runs(static_cast<std::size_t>(position.value()), tokens);
    }
    /// The rows that the queries of these tokens read, together; mask each query to its own window.
    RingRuns read(Position position, std::size_t tokens) const {
        const auto oldest = static_cast<std::size_t>(first_read(position).value());
        return runs(oldest, static_cast<std::size_t>(position.value()) + tokens - oldest);
    }
    /// The position of the first row that is read (ExecuTorch's read_base_pos).
    Position first_read(Position position) const {
        return (std::max)(position.value() - static_cast<std::int64_t>(window_) + 1, std::int64_t{0});
    }
    /// The live tokens of a lane whose slots are the rows of this ring, the oldest first. Precondition: they are
    /// neighbours in the ring in the order of their arrival; a lane that keeps sinks, or rates, is no ring.
    template <class AnyLane>
    RingRuns lane_runs(const AnyLane& lane) const {
        if (lane.size() == 0) return {};
        std::size_t oldest = lane.extent();
        Arrival earliest = no_arrival;
        for (const auto token : lane.tokens())
            if (token.arrival < earliest) {
                earliest = token.arrival;
                oldest = token.slot;
            }
        for ([[maybe_unused]] const auto token : lane.tokens())
            MSRNN_ASSERT((oldest + (token.arrival - earliest)) % rows_ == token.slot,
                         "msrnn: the tokens of this lane are no ring");
        return runs(oldest, lane.size());
    }

private:
    RingRuns runs(std::size_t position, std::size_t tokens) const {
        const std::size_t start = position % rows_, first = (std::min)(tokens, rows_ - start);
        if (first == tokens) return {{RingRun{start, first}}, 1};
        return {{RingRun{start, first}, RingRun{0, tokens - first}}, 2};
    }

    std::size_t window_;
    std::size_t rows_;
};

}  // namespace msrnn::inline MSRNN_ABI
