// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../config.hpp"
#include "../core/evidence.hpp"
#include "../core/protection.hpp"
#include "../policy/policy.hpp"
#include "limits.hpp"
#include "record.hpp"
#include "slot_table.hpp"

namespace msrnn::inline MSRNN_ABI {

/// What undoes a lane's last step; see Lane::take_back().
struct LaneStep {
    TokenStep token = {};
    Needs shown = {};
    std::size_t dropped = 0;  ///< by the evict() before
    Slot victim = {};         ///< the first of those
};

/// The heads that share one eviction decision: which token lies in which slot, and which one leaves.
///
/// A lane holds no keys and no values. Its owner keeps rows [0, capacity()) somewhere and repeats, for every token:
///
///     Slot slot = lane.append(position);              // write the new key and value at row `slot`
///     // attention over rows [0, lane.extent()), the newest included
///     lane.observe(weights, query_heads, stride);     // softmax weights: row h at weights + h * stride
///     lane.evict();                                   // down to the budget; the next append() reuses the slot
///
/// Rows never move by themselves. While at most one token leaves at a time, the rows [0, extent()) are exactly the
/// live ones whenever attention walks them. After several left at once, attend with the mask live(slot), or compact().
///
/// Same ratings, same answer: the lowest rating leaves, of equals the earliest arrival; -0 equals +0. A NaN rating is a
/// broken precondition, caught where MSRNN_ASSERT is on; elsewhere it counts as the lowest (unless the host compiles
/// with -ffinite-math-only). Weights are taken as numbers: they need not sum to one, and may be negative or infinite.
/// Positions decide nothing. Different lanes may be used from different threads without locks.
///
/// Cost of a step: the policy's fold over the weights and one scan over the slots; no allocation, no exception.
/// `Stamp` is the width of the scanned column; it bounds the capacity, not the number of tokens.
template <class P, class Stamp = std::int32_t>
class Lane : detail::CheckedPolicy<P> {
public:
    /// Throws std::invalid_argument with the sentence of validate().
    explicit Lane(std::size_t budget) : Lane(Limits{.budget = budget}) {}
    explicit Lane(Limits limits, P policy = {}, LaneId id = {})
        : policy_(std::move(policy)),
          id_(id),
          needs_(msrnn::needs(policy_)),
          budget_(limits.budget),
          table_(accepted(policy_, limits), columns_of(policy_)),
          victims_(table_.capacity()) {
        table_.protect(protection_of(policy_, budget_));
    }

    // one token //////////////////////////////////////////////////////////////////////////////////////////////////////

    /// The new token's slot: the latest vacancy, else a fresh one.
    Slot append(Position position) {
        MSRNN_ASSERT(size() < capacity(),
                     "msrnn: append() beyond the capacity; evict() first or ask for more capacity");
        before_ = {.shown = shown_, .dropped = dropped_, .victim = victims_.front()};
        shown_ = {};
        return table_.append(position);
    }
    /// The slot the next append() returns.
    Slot next() const { return table_.next(); }

    /// Shows the newest query's softmax weights over [0, extent()): row h at weights + h * stride.
    void observe(const float* weights, std::size_t query_heads, std::size_t stride) {
        observe(Attention{.weights = weights, .query_heads = query_heads, .slots = extent(), .stride = stride});
    }
    /// The same, without gaps between the rows: [query heads x extent()].
    void observe(std::span<const float> weights) {
        MSRNN_ASSERT(extent() > 0 && weights.size() % extent() == 0, "msrnn: weights are [query heads x extent()]");
        observe(weights.data(), weights.size() / extent(), extent());
    }
    /// Showing a policy what it does not read does nothing: one engine serves every policy.
    void observe(const Attention& seen) {
        MSRNN_ASSERT(seen.slots == extent(), "msrnn: weights have one column per slot of [0, extent())");
        MSRNN_ASSERT(seen.query_heads > 0, "msrnn: weights have at least one row");
        MSRNN_ASSERT(seen.query_heads == 1 || seen.stride >= seen.slots, "msrnn: rows of weights overlap");
        if constexpr (ReadsWeights<P>) policy_.observe(seen, table_.view(id_));
        shown_.weights = true;
    }
    template <class RowOf>
    void observe(const Keys<RowOf>& keys) {
        if constexpr (ReadsKeys<P>) policy_.observe(keys, table_.view(id_));
        shown_.keys = true;
    }
    template <class RowOf>
    void observe(const Values<RowOf>& values) {
        if constexpr (ReadsValues<P>) policy_.observe(values, table_.view(id_));
        shown_.values = true;
    }

    /// Drops candidates until size() <= budget(). Returns the victims, weakest first, valid until the next call.
    /// Their rows and positions stay readable until the slot is given out again.
    /// Choosing before the policy was shown what it reads since the last append() is a broken precondition.
    std::span<const Slot> evict() {
        dropped_ = 0;
        if (size() <= budget_) return {};
        MSRNN_ASSERT(shown(), "msrnn: evict() before observe(): the policy was not shown what it rates by");
        if constexpr (RatesLate<P>) policy_.rate(table_.view(id_));
        MSRNN_ASSERT(!rated_nan(), "msrnn: a rating is NaN");
        if (size() == budget_ + 1)
            drop(Slot(table_.weakest_candidate()));
        else
            drop_weakest(size() - budget_);
        return victims();
    }
    /// Drops this token, whatever protects it.
    void evict(Slot slot) {
        MSRNN_ASSERT(live(slot), "msrnn: evict(slot) of a slot that holds no token");
        dropped_ = 0;
        drop(slot);
    }
    /// What the last evict() dropped.
    std::span<const Slot> victims() const { return {victims_.data(), dropped_}; }

    // one step back //////////////////////////////////////////////////////////////////////////////////////////////////

    /// Ratings and columns as they are, memory_floats() at most: to be copied before a step that may be taken back.
    std::size_t memory_floats() const { return table_.memory_floats(); }
    void copy_memory(std::span<float> to) const { table_.copy_memory(to.data()); }
    /// The step that ends here, append() to evict(): to be kept until it may be taken back.
    LaneStep last_step() const {
        LaneStep step = before_;
        step.token = table_.last_step();
        return step;
    }
    /// Undoes the last step, of which those two were kept: as if its token had never come. It dropped one token at
    /// most, and since then nothing else happened. The row of its slot is the owner's to put back. Again, for the step
    /// before.
    void take_back(const LaneStep& step, std::span<const float> memory) {
        MSRNN_ASSERT(step.token.dropped <= 1, "msrnn: take_back() of a step that dropped several tokens");
        table_.take_back(step.token);
        table_.put_memory(memory.data());
        shown_ = step.shown;
        dropped_ = step.dropped;
        victims_.front() = step.victim;
    }

    // now and then ///////////////////////////////////////////////////////////////////////////////////////////////////

    /// Fills each vacancy with a row from the end and calls carry(Move{from, to}) for it, so that extent() == size().
    /// Every `from` lies at or behind size(), every `to` before it: the moves may be carried out in place, in any
    /// order.
    template <class Carry>
    void compact(Carry carry) {
        table_.compact(carry);
    }

    /// Takes effect at the next evict(). Throws std::invalid_argument and changes nothing where misfit() says why.
    void set_budget(std::size_t budget) {
        detail::refuse(misfit(budget, capacity()));
        budget_ = budget;
        table_.protect(protection_of(policy_, budget));
    }
    /// Why this budget does not fit protection, pins or so many rows, in one sentence; empty where it does.
    std::string misfit(std::size_t budget, std::size_t rows) const {
        if (std::string wrong = detail::too_large(rows, SlotTable<Stamp>::max_capacity); !wrong.empty()) return wrong;
        const Protection protection = protection_of(policy_, budget);
        return detail::misfit(budget, rows, protection, table_.pinned_behind(protection.sinks));
    }

    /// Keeps the token in this slot until unpin() or evict(slot). False, and nothing changed, where sinks, recent
    /// window and pins would fill the budget so that no candidate is left.
    [[nodiscard]] bool pin(Slot slot) {
        MSRNN_ASSERT(live(slot), "msrnn: pin() of a slot that holds no token");
        if (pinned(slot)) return true;
        const Protection held = protection();
        const std::size_t pins = table_.pinned_behind(held.sinks) + (arrival(slot) >= held.sinks);
        if (!detail::misfit(budget_, capacity(), held, pins).empty()) return false;
        table_.pin(slot);
        return true;
    }
    void unpin(Slot slot) {
        if (pinned(slot)) table_.unpin(slot);
    }

    /// More rows, or fewer behind extent(); none moves. A growing, unbounded lane calls this before append().
    void set_capacity(std::size_t capacity) {
        MSRNN_ASSERT(capacity >= extent(), "msrnn: set_capacity() below the rows in use; compact() first");
        MSRNN_ASSERT(capacity > budget_ || budget_ == unbounded, "msrnn: set_capacity() must exceed the budget");
        detail::refuse(detail::too_large(capacity, SlotTable<Stamp>::max_capacity));
        table_.set_capacity(capacity);
        const bool fewer = capacity < victims_.size();
        victims_.resize(capacity);
        if (fewer) victims_.shrink_to_fit();
        dropped_ = 0;
    }

    /// A new sequence: no tokens, counters at 0. Budget and capacity stay.
    void reset() {
        table_.reset();
        dropped_ = 0;
        shown_ = {};
    }

    // to be kept elsewhere ///////////////////////////////////////////////////////////////////////////////////////////

    /// Everything that changes, as plain numbers. A copy of the lane does as well where it need not leave the program.
    LaneRecord record() const {
        LaneRecord record;
        record.budget = budget_;
        record.shown = shown_;
        table_.write(record);
        return record;
    }
    /// Goes on where the record was made, with its budget. Throws std::invalid_argument and changes nothing where
    /// misfit() says why. The capacity stays.
    void restore(const LaneRecord& record) {
        detail::refuse(misfit(record, capacity()));
        budget_ = record.budget;
        shown_ = record.shown;
        dropped_ = 0;
        table_.read(record);
        table_.protect(protection_of(policy_, budget_));
    }
    /// Why this lane cannot go on from the record with so many rows, in one sentence; empty where it can.
    std::string misfit(const LaneRecord& record, std::size_t rows) const {
        if (std::string wrong = detail::broken(record, columns_of(policy_)); !wrong.empty()) return wrong;
        if (std::string wrong = detail::too_large(rows, SlotTable<Stamp>::max_capacity); !wrong.empty()) return wrong;
        if (record.extent() > rows)
            return "msrnn: a lane's record has " + std::to_string(record.extent()) + " slots and capacity is " +
                   std::to_string(rows) + "; give at least as much capacity as the lane had that left it";
        const Protection protection = protection_of(policy_, record.budget);
        return detail::misfit(record.budget, rows, protection, record.pinned_behind(protection.sinks));
    }

    // to look at /////////////////////////////////////////////////////////////////////////////////////////////////////

    std::size_t size() const { return table_.size(); }      ///< live slots
    std::size_t extent() const { return table_.extent(); }  ///< rows that attention walks
    std::size_t budget() const { return budget_; }
    std::size_t capacity() const { return table_.capacity(); }
    Arrival seen() const { return table_.seen(); }            ///< tokens appended
    Arrival evictions() const { return table_.evictions(); }  ///< tokens dropped

    bool live(Slot slot) const { return table_.live(slot); }
    bool pinned(Slot slot) const { return table_.pinned(slot); }
    bool candidate(Slot slot) const { return table_.candidate(slot); }
    Position position(Slot slot) const { return table_.position(slot); }
    Arrival arrival(Slot slot) const { return table_.arrival(slot); }
    float rating(Slot slot) const { return table_.ratings()[slot]; }
    std::span<const float> ratings() const { return table_.ratings(); }  ///< meaningless where a slot is vacant

    Protection protection() const { return table_.protection(); }
    const P& policy() const { return policy_; }
    Needs needs() const { return needs_; }  ///< what the policy must be shown
    LaneId id() const { return id_; }
    std::size_t bytes() const { return table_.bytes() + victims_.size() * sizeof(Slot); }  ///< of bookkeeping

private:
    static std::size_t accepted(const P& policy, Limits limits) {
        detail::refuse(validate(policy, limits));
        detail::refuse(detail::too_large(limits.rows(), SlotTable<Stamp>::max_capacity));
        return limits.rows();
    }

    bool shown() const {
        return (shown_.weights || !needs_.weights) && (shown_.keys || !needs_.keys) &&
               (shown_.values || !needs_.values);
    }
    bool rated_nan() const {
        for (std::size_t slot = 0; slot < extent(); ++slot)
            if (candidate(Slot(slot)) && rating(Slot(slot)) != rating(Slot(slot))) return true;
        return false;
    }

    void drop(Slot slot) {
        table_.drop(slot);
        victims_[dropped_++] = slot;
    }
    void drop_weakest(std::size_t tokens) {
        std::size_t candidates = 0;
        for (std::size_t slot = 0; slot < extent(); ++slot)
            if (candidate(Slot(slot))) victims_[candidates++] = Slot(slot);
        const auto first = victims_.begin();
        std::partial_sort(
            first, first + static_cast<std::ptrdiff_t>(tokens), first + static_cast<std::ptrdiff_t>(candidates),
            [this](Slot a, Slot b) { return leaves_before(rating(a), arrival(a), rating(b), arrival(b)); });
        for (std::size_t i = 0; i < tokens; ++i) drop(victims_[i]);
    }

    P policy_;
    LaneId id_;
    Needs needs_;
    Needs shown_;
    std::size_t budget_;
    SlotTable<Stamp> table_;
    std::vector<Slot> victims_;
    std::size_t dropped_ = 0;
    LaneStep before_;
};

}  // namespace msrnn::inline MSRNN_ABI
