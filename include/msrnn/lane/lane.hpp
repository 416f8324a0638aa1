// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "../base/text.hpp"
#include "../config.hpp"
#include "../core/evidence.hpp"
#include "../core/protection.hpp"
#include "../policy/policy.hpp"
#include "hooks.hpp"
#include "limits.hpp"
#include "record.hpp"
#include "slot_table.hpp"
#include "step.hpp"
#include "tokens.hpp"

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
/// infinite. Positions decide nothing. Different lanes may be used from different threads without locks.
///
/// Cost of a step: the policy's fold over the weights and one scan over the slots; once the budget is reached no
/// allocation. Until then memory grows by doubling, see reserve(). A call that throws, for want of memory or out of a
/// hook, leaves the lane as it was. Moved from, a lane is empty and may be used. `Stamp` is the width of the scanned
/// column; it bounds the capacity, not the number of tokens.
template <class P, class Stamp = std::int32_t>
class Lane : detail::CheckedPolicy<P>, public LaneTokens<Stamp> {
    using Tokens = LaneTokens<Stamp>;
    using Tokens::table_;

public:
    /// Throws std::invalid_argument with the sentence of problem().
    explicit Lane(std::size_t budget, P policy = {}, LaneId id = {})
        : Lane(Limits{.budget = budget}, std::move(policy), id) {}
    explicit Lane(Limits limits, P policy = {}, LaneId id = {})
        : Tokens({accepted(policy, limits), columns_of(policy)}),
          policy_(std::move(policy)),
          id_(id),
          observed_(msrnn::needs(policy_)),
          budget_(limits.budget) {
        table_.protect(protection_of(policy_, budget_));
    }

    // one token //////////////////////////////////////////////////////////////////////////////////////////////////////

    /// The new token's slot: the latest vacancy, else a fresh one.
    Slot append(Position position) {
        MSRNN_ASSERT(table_.size() < table_.capacity(),
                     "msrnn: append() beyond the capacity; evict() first or ask for more capacity");
        const Slot slot = table_.append(position);
        before_ = {.shown = observed_.shown,
                   .rows = observed_.rows,
                   .dropped = table_.victims().size(),
                   .victim = table_.victims().empty() ? Slot() : table_.victims().front()};
        observed_.go_on({}, observed_.rows, observed_.prompt_end);
        return slot;
    }
    /// The next `tokens` tokens are a prompt, or a part of one, with a choice at its end at the earliest: the policy
    /// observes the last of them, as many as needs().rows says.
    void prompt(std::size_t tokens) {
        observed_.prompt_end = table_.seen() + tokens;
        observed_.rows = 0;
    }
    /// Whether the policy observes the newest token: true but in a prompt.
    bool observes() const { return observed_.wants(table_.seen()); }

    /// Shows the newest query's softmax weights over [0, extent()): row h at weights + h * stride.
    void observe(const float* weights, std::size_t query_heads, std::size_t stride) {
        observe(Attention{.weights = weights, .query_heads = query_heads, .slots = table_.extent(), .stride = stride});
    }
    /// The same, without gaps between the rows: [query heads x extent()].
    void observe(std::span<const float> weights) {
        MSRNN_ASSERT(table_.extent() > 0 && weights.size() % table_.extent() == 0,
                     "msrnn: weights are [query heads x extent()]");
        observe(weights.data(), weights.size() / table_.extent(), table_.extent());
    }
    /// Once per token: what arrives in parts is summed first, see Parts. Showing a policy what it does not read does
    /// nothing: one engine serves every policy.
    void observe(const Attention& seen) {
        MSRNN_ASSERT(seen.slots == table_.extent(), "msrnn: weights have one column per slot of [0, extent())");
        MSRNN_ASSERT(seen.rows > 0, "msrnn: weights have at least one row");
        MSRNN_ASSERT(seen.rows == 1 || seen.stride >= seen.slots, "msrnn: rows of weights overlap");
        MSRNN_ASSERT(!observed_.shown.weights,
                     "msrnn: weights are shown once per token; add what arrives in parts with Parts");
        if constexpr (ReadsWeights<P>) look(seen);
        observed_.shown.weights = true;
    }
    template <class RowOf>
    void observe(const Keys<RowOf>& keys) {
        if constexpr (ReadsKeys<P>) look(keys);
        observed_.shown.keys = true;
    }
    template <class RowOf>
    void observe(const Values<RowOf>& values) {
        if constexpr (ReadsValues<P>) look(values);
        observed_.shown.values = true;
    }

    /// Evicts candidates until size() <= budget(). Returns the victims, weakest first, valid until the next
    /// call. Their rows, positions and arrivals stay readable until the slot is given out again. Choosing before the
    /// policy was shown what it reads since the last append() is a broken precondition.
    std::span<const Slot> evict() {
        if (table_.size() <= budget_) {
            table_.forget_victims();
            return {};
        }
        MSRNN_ASSERT(observed_.complete(),
                     "msrnn: evict() before observe(): the policy was not shown what it rates by");
        if constexpr (RatesLate<P>) rate();
        MSRNN_ASSERT(!table_.rated_nan(), "msrnn: a rating is NaN");
        table_.drop_weakest(table_.size() - budget_);
        observed_.rows = 0;
        return table_.victims();
    }
    /// Evicts this token, whatever protects it. The newest tokens that are evicted so before the next append() have
    /// never come: drafts that are rejected take no place among the sinks or in the recent window. (What their queries
    /// added to ratings stays; take_back() undoes that too.)
    void evict(Slot slot) {
        MSRNN_ASSERT(table_.live(slot), "msrnn: evict(slot) of a slot that holds no token");
        const Arrival seen = table_.seen();
        table_.reject(slot);
        if (table_.seen() == seen) return;
        if (observed_.prompt_left(seen) == 0) observed_.prompt_end = 0;
        observed_.shown = observed_.needs;
    }
    /// Evicts these live tokens, which something else has chosen: another policy, a rule.
    void evict(std::span<const Slot> slots) {
        table_.forget_victims();
        for (const Slot slot : slots) table_.drop(slot);
    }

    // one step back //////////////////////////////////////////////////////////////////////////////////////////////////

    /// Ratings and columns, to be copied before a step that may be taken back.
    std::size_t memory_floats() const { return table_.memory_room(); }
    void copy_memory(std::span<float> to) const { table_.copy_memory(to.data()); }
    /// The step that ends here, append() to evict(): to be kept until it may be taken back.
    LaneStep last_step() const {
        LaneStep step = before_;
        step.token = table_.last_step();
        return step;
    }
    /// Undoes the last step, given its memory and its LaneStep: as if its token had never come. Precondition: it
    /// evicted one token at most, and the lane was not changed since. The owner puts the row of its slot back. Call it
    /// again for the step before.
    void take_back(const LaneStep& step, std::span<const float> memory) {
        MSRNN_ASSERT(step.token.dropped <= 1, "msrnn: take_back() of a step that evicted several tokens");
        table_.take_back(step.token);
        table_.put_memory(memory.data());
        observed_.go_on(step.shown, step.rows, observed_.prompt_end);
        table_.put_back_victims(step.dropped, step.victim);
    }

    // now and then ///////////////////////////////////////////////////////////////////////////////////////////////////

    /// Fills each vacancy with a row from the end and calls carry(Move{from, to}) for it, so that extent() ==
    /// size(). Every `from` lies at or behind size(), every `to` before it: the moves may be carried out
    /// in place, in any order. If carry throws, the moves before stand and the lane is valid; call it again. Victims
    /// keep position and arrival under a slot behind extent().
    template <class Carry>
    void compact(Carry carry) {
        table_.compact(carry);
    }

    /// Takes effect at the next evict(). Throws std::invalid_argument and changes nothing where problem() says why.
    void set_budget(std::size_t budget) {
        detail::refuse(problem(budget, table_.capacity()));
        table_.protect(protection_of(policy_, budget));
        budget_ = budget;
    }
    /// Why this budget does not fit protection, pins or so many rows; empty where it does.
    std::string problem(std::size_t budget, std::size_t rows) const {
        if (std::string wrong = detail::capacity_problem(rows, SlotTable<Stamp>::max_capacity); !wrong.empty())
            return wrong;
        const Protection protection = protection_of(policy_, budget);
        return detail::budget_problem(budget, rows, protection, table_.pinned_behind(protection.sinks));
    }

    /// Keeps the token in this slot until unpin() or evict(slot). False, and nothing changed, where sinks, recent
    /// window and pins would fill the budget so that no candidate is left.
    [[nodiscard]] bool pin(Slot slot) {
        MSRNN_ASSERT(table_.live(slot), "msrnn: pin() of a slot that holds no token");
        if (table_.pinned(slot)) return true;
        const Protection held = table_.protection();
        const std::size_t pins = table_.pinned_behind(held.sinks) + (table_.arrival(slot) >= held.sinks);
        if (!detail::budget_problem(budget_, table_.capacity(), held, pins).empty()) return false;
        table_.pin(slot);
        return true;
    }
    void unpin(Slot slot) {
        if (table_.pinned(slot)) table_.unpin(slot);
    }

    /// More rows, or fewer behind extent(); none moves. Memory that is not used is given back.
    void set_capacity(std::size_t capacity) {
        MSRNN_ASSERT(capacity >= table_.extent(), "msrnn: set_capacity() below the rows in use; compact() first");
        MSRNN_ASSERT(capacity > budget_ || budget_ == unbounded, "msrnn: set_capacity() must exceed the budget");
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
        observed_.go_on({}, 0, 0);
    }

    // to be kept elsewhere ///////////////////////////////////////////////////////////////////////////////////////////

    /// Everything that changes, as plain numbers. A copy of the lane does as well where it need not leave the program.
    LaneRecord record() const {
        LaneRecord record;
        record.budget = budget_;
        record.shown = observed_.shown;
        record.rows = observed_.rows;
        record.prompt = observed_.prompt_left(table_.seen());
        table_.write(record);
        return record;
    }
    /// Goes on where the record was made, with its budget. Throws std::invalid_argument and changes nothing where
    /// problem() says why. The capacity stays.
    void restore(const LaneRecord& record) {
        detail::refuse(problem(record, table_.capacity()));
        const Protection protection = protection_of(policy_, record.budget);
        table_.read(record);
        table_.protect(protection);
        budget_ = record.budget;
        observed_.go_on(record.shown, record.rows, record.prompt > 0 ? table_.seen() + record.prompt : 0);
    }
    /// Why this lane cannot go on from the record with so many rows, in one sentence; empty where it can.
    std::string problem(const LaneRecord& record, std::size_t rows) const {
        if (std::string wrong = detail::record_problem(record, columns_of(policy_)); !wrong.empty()) return wrong;
        if (std::string wrong = detail::capacity_problem(rows, SlotTable<Stamp>::max_capacity); !wrong.empty())
            return wrong;
        if (record.extent() > rows)
            return "msrnn: a lane's record has " + detail::text(record.extent()) + " slots and capacity is " +
                   detail::text(rows) + "; give at least as much capacity as the lane had that left it";
        const Protection protection = protection_of(policy_, record.budget);
        return detail::budget_problem(record.budget, rows, protection, record.pinned_behind(protection.sinks));
    }

    // to look at /////////////////////////////////////////////////////////////////////////////////////////////////////
    std::size_t budget() const { return budget_; }   ///< slots that survive a choice
    Needs needs() const { return observed_.needs; }  ///< what the policy must be shown
    const P& policy() const { return policy_; }
    LaneId id() const { return id_; }

private:
    static std::size_t accepted(const P& policy, Limits limits) {
        detail::refuse(msrnn::problem(policy, limits));
        detail::refuse(detail::capacity_problem(limits.rows(), SlotTable<Stamp>::max_capacity));
        return limits.rows();
    }

    template <class Evidence>
    void look(const Evidence& seen) {
        if (!observes()) return;
        const std::size_t rows = observed_.rows + !observed_.counted;
        detail::run_hook<detail::observe_never_throws<P, Evidence>>(
            table_, [&] { policy_.observe(seen, table_.view(id_, rows)); });
        observed_.rows = rows;
        observed_.counted = true;
    }
    void rate() {
        detail::run_hook<detail::rate_never_throws<P>>(table_, [&] {
            if (observed_.needs.rates) table_.clear_ratings();
            policy_.rate(table_.view(id_, observed_.rows));
        });
    }

    P policy_;
    LaneId id_;
    detail::Observation observed_;
    std::size_t budget_;
    LaneStep before_;
};

}  // namespace msrnn::inline MSRNN_ABI
