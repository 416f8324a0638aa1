// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "../base/text.hpp"
#include "../config.hpp"
#include "../core/protection.hpp"
#include "../policy/policy.hpp"
#include "checkpoint.hpp"
#include "limits.hpp"
#include "moments.hpp"
#include "record.hpp"
#include "slot_table.hpp"
#include "step.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The heads that share one eviction decision: which token lies in which slot, and which one is evicted.
///
/// A lane holds no keys and no values. Its owner keeps rows [0, capacity()) and repeats, for every token:
///
///     Slot slot = lane.append(position);              // write the new key and value at row `slot`
///     // attention over rows [0, lane.extent()), the newest included
///     lane.observe(weights, query_heads, stride);     // softmax weights: row h at weights + h * stride
///     lane.evict();                                   // down to the budget; the next append() reuses the slot
///
/// Rows never move by themselves. While one token is evicted at a time, the rows [0, extent()) are exactly the live
/// ones whenever attention walks them. After several were evicted at once, attend with the mask live(slot), or
/// compact().
///
/// Same ratings, same answer: the lowest rating is evicted, ties go to the earliest arrival; -0 equals +0. A NaN rating
/// is a broken precondition, caught where MSRNN_ASSERT is on; elsewhere it counts as the lowest (unless the host
/// compiles with -ffinite-math-only). Weights are taken as numbers: they need not sum to one, and may be negative or
/// infinite. Few policies read positions, see their headers. Different lanes may be used from different threads without
/// locks.
///
/// Cost of a step: the policy's fold over the weights and one scan over the slots; once the budget is reached no
/// allocation. Until then memory grows by doubling, see reserve(). A call that throws, for want of memory or out of a
/// hook, leaves the lane as it was. Moved from, a lane is empty and may be used. `Stamp` is the width of the scanned
/// column; it bounds the capacity, not the number of tokens.
template <class P, class Stamp = std::int32_t>
class Lane : public LaneMoments<P, Stamp> {
    using Moments = LaneMoments<P, Stamp>;
    using Moments::table_, Moments::policy_, Moments::facts_, Moments::budget_, Moments::slack_, Moments::observed_,
        Moments::facts_at;

public:
    /// Throws std::invalid_argument with the sentence of problem().
    explicit Lane(std::size_t budget, P policy = {}, LaneId id = {})
        : Lane(Limits{.budget = budget}, std::move(policy), id) {}
    /// The same with capacity, slack and widths.
    explicit Lane(Limits limits, P policy = {}, LaneId id = {})
        : Lane(accepted(policy, limits), limits, std::move(policy), id) {}
    /// What is no policy of this lane is refused by the compiler in one sentence.
    template <class Other>
        requires(!std::convertible_to<Other, P>)
    Lane(Limits limits, Other&&, LaneId = {}) : Lane(limits) {
        static_assert(std::convertible_to<Other, P>,
                      "msrnn: the second argument of a Lane<P> is its policy, a P. One that is called by name is "
                      "AnyPolicy::named(text), and AnyPolicy::find(name) points to one.");
    }
    /// The same.
    template <class Other>
        requires(!std::convertible_to<Other, P>)
    Lane(std::size_t budget, Other&& other, LaneId = {}) : Lane(Limits{.budget = budget}, std::forward<Other>(other)) {}

    // one step back //////////////////////////////////////////////////////////////////////////////////////////////////

    /// To be kept before a step, append() to evict(), that may be undone. Allocates where it holds less than the lane
    /// has; memory_floats() is the room for the policy's numbers.
    void checkpoint(LaneCheckpoint& into) const {
        if (into.memory.size() < memory_floats()) into.memory.resize(memory_floats());
        table_.copy_memory(into.memory.data());
        into.counts = table_.counts();
        into.observed = observed_;
        into.victims = table_.victims().size();
        into.first_victim = table_.victims().empty() ? Slot() : table_.victims().front();
    }
    /// The same, made anew.
    LaneCheckpoint checkpoint() const {
        LaneCheckpoint made;
        checkpoint(made);
        return made;
    }
    /// Numbers of the policy that a checkpoint keeps, at most, until the lane grows.
    std::size_t memory_floats() const { return table_.memory_room(); }
    /// Undoes the step since the checkpoint: as if its token was never appended. Precondition: one token was appended
    /// at most, and evict() is all that happened to the lane since. The owner puts the row of its slot back. A second
    /// call, with the checkpoint before, undoes the step before.
    void restore(const LaneCheckpoint& before) {
        MSRNN_ASSERT(table_.seen() - before.counts.seen <= 1,
                     "msrnn: restore() of more than one step; undo the last first");
        table_.take_back(before.counts);
        table_.put_memory(before.memory.data());
        observed_ = before.observed;
        table_.put_back_victims(before.victims, before.first_victim);
    }

    // now and then ///////////////////////////////////////////////////////////////////////////////////////////////////

    /// Fills each vacancy with a row from the end and calls carry(Move{from, to}) for it, so that extent() ==
    /// size(). Every `from` lies at or behind size(), every `to` before it: the moves may be carried out
    /// in place, in any order. If carry throws, the moves before stand and the lane is valid; call it again. Victims
    /// keep position and arrival under a slot behind extent().
    template <class Carry>
    void compact(Carry carry) {
        static_assert(std::invocable<Carry&, Move>, "msrnn: compact() calls carry(Move): row `from` becomes row `to`.");
        table_.compact(carry);
    }

    /// The same, and rows keep their order: every row behind the first gap moves. Calls carry(RunMove) with `from` and
    /// `to` ascending and rows <= from - to, so that one memcpy after the other needs no second buffer. Forgets the
    /// victims.
    template <class Carry>
    void compact_in_order(Carry carry) {
        static_assert(std::invocable<Carry&, RunMove>, "msrnn: compact_in_order() calls carry(RunMove).");
        table_.compact_in_order(carry);
    }
    /// The owner has copied row `from`, a token's, to row `to`, a vacancy of [0, extent()): the token is there now, and
    /// `from` is vacant. Cost: a scan of the vacancies. A step is not undone across it.
    void move(Move move) {
        MSRNN_ASSERT(table_.live(move.from), "msrnn: move() of a slot that holds no token");
        MSRNN_ASSERT(move.to < table_.extent() && !table_.live(move.to), "msrnn: move() to a slot that is not vacant");
        table_.move(move);
    }

    /// Takes effect at the next evict(). Throws std::invalid_argument and changes nothing where problem() says why.
    void set_budget(std::size_t budget) {
        detail::refuse(problem(budget, table_.capacity()));
        facts_ = facts_at(budget);
        table_.protect(facts_.protection);
        budget_ = budget;
    }
    /// Why this budget does not fit protection, pins or so many rows; empty where it does.
    std::string problem(std::size_t budget, std::size_t rows) const {
        if (std::string wrong = detail::capacity_problem(rows, SlotTable<Stamp>::max_capacity); !wrong.empty())
            return wrong;
        const Protection protection = facts_at(budget).protection;
        return detail::budget_problem(budget, rows, protection, table_.pinned_behind(protection.sinks), slack_);
    }

    /// Keeps the token in this slot until unpin() or evict(slot). False, and nothing changed, where sinks, recent
    /// window and pins would fill the budget so that no candidate is left.
    [[nodiscard]] bool pin(Slot slot) {
        MSRNN_ASSERT(table_.live(slot), "msrnn: pin() of a slot that holds no token");
        if (table_.pinned(slot)) return true;
        const Protection held = table_.protection();
        const std::size_t pins = table_.pinned_behind(held.sinks) + (table_.arrival(slot) >= held.sinks);
        if (!detail::budget_problem(budget_, table_.capacity(), held, pins, slack_).empty()) return false;
        table_.pin(slot);
        return true;
    }
    void unpin(Slot slot) {
        if (table_.pinned(slot)) table_.unpin(slot);
    }

    /// More rows, or fewer behind extent(); none moves. Memory that is not used is given back.
    void set_capacity(std::size_t capacity) {
        MSRNN_ASSERT(capacity >= table_.extent(), "msrnn: set_capacity() below the rows in use; compact() first");
        MSRNN_ASSERT(budget_ == unbounded || (capacity > budget_ && capacity - budget_ > slack_),
                     "msrnn: set_capacity() must exceed budget and slack");
        detail::refuse(detail::capacity_problem(capacity, SlotTable<Stamp>::max_capacity));
        table_.set_capacity(capacity);
    }
    /// Memory for so many rows in use: append() allocates nothing until there are more.
    void reserve(std::size_t rows) { table_.reserve((std::min)(rows, table_.capacity())); }
    /// After this, assigning the other lane allocates nothing.
    void make_room_for(const Lane& other) { table_.make_room_for(other.table_); }

    /// A new sequence: no tokens, counters at 0. Budget and capacity stay.
    void reset() {
        table_.reset();
        observed_.reset();
    }

    // to be kept elsewhere ///////////////////////////////////////////////////////////////////////////////////////////

    /// Everything that changes, as plain numbers. A copy of the lane does as well where it need not leave the program.
    LaneRecord record() const {
        LaneRecord record;
        record.budget = budget_;
        record.observed = observed_.newest;
        record.rows = observed_.rows;
        record.prompt_end = observed_.prompt_end;
        table_.write(record);
        return record;
    }
    /// Goes on where the record was made, with its budget. Throws std::invalid_argument and changes nothing where
    /// problem() says why. The capacity stays.
    void restore(const LaneRecord& record) {
        detail::refuse(problem(record, table_.capacity()));
        Facts facts = facts_at(record.budget);
        table_.read(record);
        table_.protect(facts.protection);
        facts_ = std::move(facts);
        budget_ = record.budget;
        observed_.reset();
        observed_.newest = record.observed;
        observed_.rows = record.rows;
        observed_.prompt_end = record.prompt_end;
    }
    /// Why this lane cannot go on from the record with so many rows, in one sentence; empty where it can.
    std::string problem(const LaneRecord& record, std::size_t rows) const {
        if (std::string wrong = detail::record_problem(record, facts_.memory); !wrong.empty()) return wrong;
        if (std::string wrong = detail::capacity_problem(rows, SlotTable<Stamp>::max_capacity); !wrong.empty())
            return wrong;
        if (record.extent() > rows)
            return "msrnn: a lane's record has " + detail::text(record.extent()) + " slots and capacity is " +
                   detail::text(rows) + "; give at least as much capacity as the lane had that left it";
        const Protection protection = facts_at(record.budget).protection;
        return detail::budget_problem(record.budget, rows, protection, record.pinned_behind(protection.sinks), slack_);
    }

private:
    static Facts accepted(const P& policy, Limits limits) {
        detail::refuse(msrnn::problem(policy, limits));
        detail::refuse(detail::capacity_problem(limits.rows(), SlotTable<Stamp>::max_capacity));
        return facts_of(policy, Moments::shape_of(limits.shape()), limits.budget);
    }
    // By reference: the policy moves after it was asked.
    Lane(Facts facts, Limits limits, P&& policy, LaneId id)
        : Moments({limits.rows(), facts}, limits, std::move(policy), id, facts) {}
};

}  // namespace msrnn::inline MSRNN_ABI
