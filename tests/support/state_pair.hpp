#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/state_back.hpp"

/// A State and its mirror, taken through the same random operations and compared: lanes decide as mirrors do, rows are
/// those of the mirror's tokens bit for bit, and outputs are those of plain attention over them.
namespace differential {

template <class Scalar>
class StatePair : StateBack<Scalar> {
    using Base = StateBack<Scalar>;
    using Base::attempt, Base::compare, Base::heads_per_lane, Base::lane_of, Base::lanes, Base::shape, Base::slots,
        Base::mirrored_budget;
    using Base::random_, Base::state_, Base::troubled_, Base::twins_;
    using typename Base::Twin;

public:
    using Base::Base;

    /// Compares after so many operations, and at the end.
    void run(std::uint64_t operations, std::uint64_t pace, StateOutcome& outcome) {
        for (std::uint64_t i = 1; i <= operations && !random_.over(); ++i) {
            operate(outcome);
            if (i % pace == 0) compare();
        }
        compare();
    }

private:
    void operate(StateOutcome& outcome) {
        troubled_ = random_.one_in(6);
        const std::size_t dice = random_.below(100);
        if (dice < 56) return this->step(random_.below(shape().layers), outcome);
        if (dice < 66) {
            for (std::size_t layer = 0; layer < shape().layers; ++layer) this->step(layer, outcome);
            return;
        }
        if (dice < 72) return this->prompt(outcome);
        if (dice < 76) return set_budget(outcome);
        if (dice < 79) return pin(outcome);
        if (dice < 81) return unpin();
        if (dice < 83) return evict_by_name();
        if (dice < 85) return this->drafts(outcome);
        if (dice < 90) return this->roll_back(outcome);
        if (dice < 92) return this->cancelled_pass(outcome);
        if (dice < 94) return this->half_a_step(outcome);
        if (dice < 96 && !seldom()) return this->save_and_load(outcome);
        if (dice < 97 && !seldom()) return this->keep_or_go_back(outcome);
        if (dice < 99) return random_.one_in(2) ? this->fork(outcome) : this->reorder(outcome);
        if (random_.one_in(3)) reset();
    }
    /// Snapshots take as long as fifty steps.
    bool seldom() { return random_.on_tape && !random_.one_in(4); }

    // Now and then ////////////////////////////////////////

    /// Of a random lane: which it is, which of its tokens, and the token's slot.
    struct Place {
        std::size_t lane, layer, kv_head, token = 0;
        msrnn::Slot slot = {};
    };
    Place any_lane() {
        const std::size_t lane = random_.below(twins_.size());
        return {lane, lane / lanes(), lane % lanes() * heads_per_lane() + random_.below(heads_per_lane())};
    }
    bool any_token(Place& place) {
        const mirror::Lane& twin = twins_[place.lane].lane;
        if (twin.tokens.empty()) return false;
        place.token = random_.below(twin.tokens.size());
        place.slot = slots(place.lane)[place.token];
        return true;
    }
    void set_budget(StateOutcome& outcome) {
        const Place at = any_lane();
        const std::size_t budget = random_.one_in(12) ? msrnn::unbounded : random_.below(random_.on_tape ? 10 : 24);
        Twin& twin = twins_[at.lane];
        const bool fits = twin.lane.budget_fits(mirrored_budget(budget));
        try {
            attempt([&] { state_.set_budget(at.layer, at.kv_head, budget); });
            same(fits, "a budget that makes no sense is refused");
            twin.forget();
            twin.lane.budget = mirrored_budget(budget);
            outcome.bulk += twin.lane.evict().size() > 1;
        } catch (const std::invalid_argument&) {
            same(!fits, "a budget that makes sense is taken");
            ++outcome.refused_budgets;
        }
    }
    void pin(StateOutcome& outcome) {
        Place at = any_lane();
        if (!any_token(at)) return;
        bool granted = false;
        attempt([&] { granted = state_.pin(at.layer, at.kv_head, at.slot); });
        same(granted == twins_[at.lane].lane.pin(at.token), "whether a pin is granted");
        if (granted) twins_[at.lane].forget();
        outcome.refused_pins += !granted;
    }
    void unpin() {
        Place at = any_lane();
        if (!any_token(at)) return;
        state_.unpin(at.layer, at.kv_head, at.slot);
        twins_[at.lane].lane.tokens[at.token].pinned = false;
        twins_[at.lane].forget();
    }
    void reset() {
        state_.reset();
        for (Twin& twin : twins_) {
            twin.lane.tokens.clear();
            twin.lane.seen = twin.lane.evictions = 0;
            twin.forget();
        }
    }
    void evict_by_name() {
        Place at = any_lane();
        if (any_token(at)) Base::evict_by_name(at.lane, at.token);
    }
};

/// One state of random settings. False where it is refused.
template <class Scalar>
bool run_one_state(Random& random, std::uint64_t operations, std::uint64_t pace, StateOutcome& outcome) {
    const StateSettings settings = any_settings(random);
    const bool sensible = settings.sensible();
    try {
        const Random own = random.on_tape ? random : random.numbers();
        StatePair<Scalar> pair(settings, own);
        same(sensible, "a state that makes no sense is refused");
        pair.run(operations, pace, outcome);
    } catch (const std::invalid_argument& refusal) {
        same(!sensible, refusal.what());
        ++outcome.refusals;
    }
    return sensible;
}

/// States of random settings, `operations` each, until `steps` are compared.
template <class Scalar>
StateOutcome run_states(std::uint64_t seed, std::uint64_t steps, std::uint64_t operations = 300) {
    return until<StateOutcome>(seed, steps, [&](Random& random, StateOutcome& outcome) {
        run_one_state<Scalar>(random, operations, 1, outcome);
    });
}

}  // namespace differential
