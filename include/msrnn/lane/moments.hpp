// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include "../base/refuse.hpp"
#include "../config.hpp"
#include "../core/evidence.hpp"
#include "../core/keys.hpp"
#include "../core/loops.hpp"
#include "../core/seen.hpp"
#include "../policy/policy.hpp"
#include "hooks.hpp"
#include "limits.hpp"
#include "observed.hpp"
#include "slot_table.hpp"
#include "tokens.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The two moments of a lane: a query token is observed, a choice is made. The part of a Lane that calls its policy.
template <class P, class Stamp>
class LaneMoments : detail::CheckedPolicy<P>, public LaneTokens<Stamp> {
    using Tokens = LaneTokens<Stamp>;

protected:
    using Tokens::table_;

public:
    /// The new token's slot: the latest vacancy, else a fresh one.
    Slot append(Position position) {
        MSRNN_ASSERT(table_.size() < table_.capacity(),
                     "msrnn: append() beyond the capacity; evict() first or ask for more capacity");
        const Slot slot = table_.append(position);
        observed_.newest = observed_.rated = false;
        return slot;
    }
    /// The same in a slot that the engine assigns: vacant, or never given out. Slots before it that were never given
    /// out are vacancies then: attend with the mask live(slot).
    Slot append(Position position, Slot slot) {
        MSRNN_ASSERT(slot < table_.capacity(), "msrnn: append() to a slot beyond the capacity; ask for more capacity");
        MSRNN_ASSERT(!table_.live(slot), "msrnn: append() to a slot that holds a token; evict it first");
        const Slot given = table_.append(position, slot);
        observed_.newest = observed_.rated = false;
        return given;
    }
    /// The next `tokens` tokens are a prompt, or a part of one, with a choice at its end at the earliest: the policy
    /// observes the last of them, as many as its observation window has.
    void prompt(std::size_t tokens) {
        observed_.prompt_end = table_.seen() + tokens;
        observed_.rows = 0;
    }
    /// Whether the policy observes the newest token: true but in a prompt.
    bool observes() const { return observes(0); }
    /// The same of the token that comes so many tokens after the newest.
    bool observes(std::size_t later) const { return observed_.wants(table_.seen() + later, facts_.observation_window); }

    /// Asks the processor for the memory that append(), observe() and evict() will touch: large layers have driven
    /// these numbers out of the caches. An engine that decides in one lane after the other calls it for the next lane
    /// before it decides in this one, and once more, for all lanes of a layer, before its last head attends, as State
    /// does: earlier heads would drive the numbers out again. Nothing changes.
    void prefetch() const noexcept {
        detail::prefetch(this, 1);  // all of it
        table_.prefetch();
    }

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
    void observe(const Attention& seen) { observe<Attention>(seen); }
    /// Once per token, with all that is shown of it: any of Attention, Heads, Query, Outputs, Keys, Values. Weights
    /// that arrive in parts are summed first, see Parts; unsummed ones serve a policy that takes Heads. More than the
    /// policy takes is harmless: one engine serves every policy. Less does not compile, or is an assertion where the
    /// policy is chosen at run time.
    template <class... Shown>
        requires(Seen::holds<Shown>&&...)
    void observe(const Shown&... shown) {
        refuse_less<needs_of<P>().at_observe, Shown...>();
        const Seen seen = everything(shown...);
        check_evidence(seen);
        if (facts_.observes && observes())
            detail::run_hook(table_, facts_.observe_may_throw,
                             [&] { observe_by(policy_, seen, view(observed_.rows + 1)); });
        if (observes()) ++observed_.rows;
        observed_.newest = true;
    }
    /// What is no evidence is refused by the compiler in one sentence.
    template <class Other>
        requires(!Seen::holds<Other> && !std::convertible_to<const Other&, std::span<const float>>)
    void observe(const Other&) {
        static_assert(Seen::holds<Other>,
                      "msrnn: observe() takes softmax weights of float: a vector or span without gaps, a pointer with "
                      "the number of query heads and the stride, or Attention, Heads, Query, Outputs, Keys, Values.");
    }

    /// Whether evict() evicts: size() exceeds budget() by more than slack().
    bool due() const { return table_.size() > budget_ && table_.size() - budget_ > slack_; }
    /// If due(), evicts candidates until size() <= budget(): rate(), then evict_rated(). Takes the keys and values that
    /// the policy rates by, `evict(keys)`. Returns the victims, weakest first, valid until the next call. Their rows,
    /// positions and arrivals stay readable until the slot is given out again.
    template <class... Shown>
        requires(Swept::holds<Shown>&&...)
    std::span<const Slot> evict(const Shown&... rows) {
        refuse_less<needs_of<P>().at_choice, Shown...>();
        if (!due()) {
            table_.forget_victims();
            return {};
        }
        if (!observed_.rated) rate(rows...);
        return evict_rated();
    }
    /// Rows without a name are refused by the compiler in one sentence.
    template <class Rows>
        requires(std::convertible_to<const Rows&, const float*> ||
                 std::convertible_to<const Rows&, std::span<const float>>)
    std::span<const Slot> evict(const Rows&) {
        static_assert(Swept::holds<Rows>,
                      "msrnn: evict() takes rows by name: Keys(pointer, stride, head_dim), Values the same, or of a "
                      "callable.");
        return {};
    }
    /// The first half of a choice: the policy rates. Once per choice, because it may change what the policy remembers;
    /// a choice before the policy observed the newest token is a broken precondition. Between the halves a rule may
    /// read ratings and share out budgets. A choice that is forced is both halves, whether due() or not.
    template <class... Shown>
        requires(Swept::holds<Shown>&&...)
    void rate(const Shown&... rows) {
        refuse_less<needs_of<P>().at_choice, Shown...>();
        const Swept swept(rows...);
        MSRNN_ASSERT((facts_.needs.at_choice & ~swept.shown()) == 0,
                     "msrnn: the policy rates by keys or values that were not shown; pass them to evict() or rate()");
        MSRNN_ASSERT(observed_.newest || !facts_.observes || !observes(),
                     "msrnn: evict() before observe(): the policy was not shown what it rates by");
        MSRNN_ASSERT(!observed_.rated, "msrnn: rate() is called once per choice");
        if (facts_.rates && table_.size() > 0)
            detail::run_hook(table_, rate_may_throw(swept), [&] {
                table_.clear_ratings();
                rate_by(policy_, swept, view(observed_.rows));
            });
        table_.forget_victims();
        observed_.rated = true;
    }
    /// The second half: down to the budget by the ratings as they are. Where a rule has brought the lane down to its
    /// budget already, by evict(slots), the victims are those.
    std::span<const Slot> evict_rated() {
        if (!observed_.rated) table_.forget_victims();
        if (table_.size() > budget_) {
            MSRNN_ASSERT(!table_.rated_nan(), "msrnn: a rating is NaN");
            table_.drop_weakest(table_.size() - budget_);
        }
        observed_.rated = false;
        observed_.rows = 0;
        return table_.victims();
    }
    /// The second half where a rule chose these live tokens, by the ratings of several lanes: they leave, and the
    /// choice ends. More than the budget may stay. Returns them.
    std::span<const Slot> evict_rated(std::span<const Slot> chosen) {
        evict(chosen);
        observed_.rated = false;
        observed_.rows = 0;
        return table_.victims();
    }
    /// Evicts this token, whatever protects it. The newest tokens that are evicted so before the next append()
    /// count as never appended: drafts that are rejected take no place among the sinks or in the recent window. (What
    /// their queries added to ratings stays; restore() undoes that too.)
    void evict(Slot slot) {
        MSRNN_ASSERT(table_.live(slot), "msrnn: evict(slot) of a slot that holds no token");
        const Arrival seen = table_.seen();
        table_.reject(slot);
        if (table_.seen() == seen) return;
        if (observed_.prompt_end <= seen) observed_.prompt_end = (std::min)(observed_.prompt_end, table_.seen());
        observed_.newest = true;
    }
    /// Evicts these live tokens, which something else has chosen: another policy, a rule.
    void evict(std::span<const Slot> slots) {
        table_.forget_victims();
        for (const Slot slot : slots) {
            MSRNN_ASSERT(table_.live(slot), "msrnn: evict(slots) of a slot that holds no token, or of one slot twice");
            table_.drop(slot);
        }
    }

    std::size_t budget() const { return budget_; }  ///< slots that survive a choice
    std::size_t slack() const { return slack_; }    ///< tokens that may pile up over it
    const Facts& facts() const { return facts_; }   ///< what the policy says, at the present budget
    const P& policy() const { return policy_; }
    /// Which lane of a model it is, as its owner said.
    LaneId id() const { return id_; }
    LaneShape shape() const { return shape_; }                         ///< as Limits said
    std::span<const float> floats() const { return table_.floats(); }  ///< the policy's own, of the lane

protected:
    LaneMoments(SlotTable<Stamp> table, Limits limits, P policy, LaneId id, Facts facts)
        : Tokens(std::move(table)),
          policy_(std::move(policy)),
          id_(id),
          facts_(std::move(facts)),
          budget_(limits.budget),
          slack_(limits.slack),
          shape_(limits.shape()) {
        table_.protect(facts_.protection);
    }
    Facts facts_at(std::size_t budget) const { return facts_of(policy_, shape_of(shape_), budget); }
    static Shape shape_of(LaneShape lane) {
        return {.query_heads = lane.query_heads, .head_dim = lane.head_dim, .value_dim = lane.value_dim};
    }

    P policy_;
    LaneId id_;
    Facts facts_;
    std::size_t budget_;
    std::size_t slack_;
    LaneShape shape_;
    detail::Observed observed_;

private:
    /// One sentence for each kind of evidence that this policy takes and the caller does not show.
    template <unsigned needs, class... Shown>
    static void refuse_less() {
        constexpr unsigned weights = (std::is_same_v<Shown, Attention> || ...) ? Heads::bit : 0u;
        constexpr unsigned missing = needs & ~((Shown::bit | ... | 0u) | weights);
        static_assert((missing & Attention::bit) == 0,
                      "msrnn: this policy observes weights; pass Attention to observe().");
        static_assert((missing & Heads::bit) == 0,
                      "msrnn: this policy observes weights by head; pass Attention to observe().");
        static_assert((missing & Query::bit) == 0, "msrnn: this policy observes queries; pass Query to observe().");
        static_assert((missing & Outputs::bit) == 0, "msrnn: this policy observes outputs; pass Outputs to observe().");
        static_assert((missing & Keys::bit) == 0,
                      "msrnn: this policy reads keys; pass Keys to observe(), evict() or rate().");
        static_assert((missing & Values::bit) == 0,
                      "msrnn: this policy reads values; pass Values to observe(), evict() or rate().");
    }
    bool rate_may_throw(const Swept& rows) const {
        if (!facts_.rate_may_throw || !facts_.rows_alone_throw) return facts_.rate_may_throw;
        return rows.get<Keys>().may_throw() || rows.get<Values>().may_throw();
    }
    /// Weights that are not summed are shown head by head too.
    template <class... Shown>
    static Seen everything(const Shown&... shown) {
        Seen seen(shown...);
        const Attention& all = seen.template get<Attention>();
        if (all.shown() && all.rows == all.query_heads)
            static_cast<Heads&>(seen) = {all.weights, all.query_heads, all.slots, all.stride};
        return seen;
    }
    void check_evidence([[maybe_unused]] const Seen& seen) const {
        [[maybe_unused]] const Attention& all = seen.template get<Attention>();
        MSRNN_ASSERT(!all.shown() || all.slots == table_.extent(),
                     "msrnn: weights have one column per slot of [0, extent())");
        MSRNN_ASSERT(!all.shown() || all.rows > 0, "msrnn: weights have at least one row");
        MSRNN_ASSERT(!all.shown() || all.rows == 1 || all.stride >= all.slots, "msrnn: rows of weights overlap");
        [[maybe_unused]] const Query& query = seen.template get<Query>();
        MSRNN_ASSERT(!query.shown() || shape_.query_heads == 0 || shape_.head_dim == 0 ||
                         (query.query_heads == shape_.query_heads && query.head_dim == shape_.head_dim),
                     "msrnn: a query has the heads and the width that Limits says");
        MSRNN_ASSERT((facts_.needs.at_observe & ~(seen.shown() | Heads::bit)) == 0,
                     "msrnn: observe() was not shown what the policy observes");
        MSRNN_ASSERT((facts_.needs.at_observe & Heads::bit) == 0 || seen.template get<Heads>().shown(),
                     "msrnn: this policy observes each query head; show weights that are not summed");
        MSRNN_ASSERT(!observed_.newest, "msrnn: a token is shown once; add weights that arrive in parts with Parts");
    }
    Ratings view(std::size_t rows) noexcept {
        Ratings view = table_.view();
        view.prompt = observed_.prompt_end;
        view.budget = budget_;
        view.rows = rows;
        view.shape = shape_;
        view.lane = id_;
        return view;
    }
};

}  // namespace msrnn::inline MSRNN_ABI
