#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <msrnn/io.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/state_steps.hpp"

namespace differential {

/// Steps back, snapshots and copies.
template <class Scalar>
class StateBack : protected StateSteps<Scalar> {
    using Base = StateSteps<Scalar>;

protected:
    using Base::attempt, Base::compare, Base::heads_per_lane, Base::lane_of, Base::lanes, Base::made, Base::shape,
        Base::shown, Base::slots, Base::text, Base::step, Base::reversible, Base::most;
    using Base::random_, Base::settings_, Base::state_, Base::troubled_, Base::twins_;
    using typename Base::State, typename Base::Text, typename Base::Twin;

    struct Checkpoint {
        std::vector<std::byte> bytes;
        std::vector<Twin> twins;
    };

    using Base::Base;

    /// Some heads attend. Then the step is given up or done again.
    void half_a_step(StateOutcome& outcome) {
        const std::size_t layer = random_.below(shape().layers);
        Text one = text(1);
        Base::half_a_step(layer, one);
        std::vector<std::byte> bytes;
        same(!save(state_, bytes).empty() && bytes.empty(), "nothing is saved of a step that is half done");
        ++outcome.halves;
        compare();
        troubled_ = false;  // a step that fails gives up a half step before it, too
        if (random_.one_in(2)) step(layer, outcome);
        if (random_.one_in(2) || !state_.between_steps()) roll_back(outcome);
        if (!state_.between_steps()) same(state_.rollback(0), "no token can always be taken back");
    }
    /// A pass ends after some layers, perhaps within one. Then it is taken back, or taken to its end.
    void cancelled_pass(StateOutcome& outcome) {
        same(state_.rollback(0), "no token can always be taken back");
        if (!in_step()) realign(outcome);
        if (!in_step()) return;
        const std::size_t done = random_.below(shape().layers);
        for (std::size_t layer = 0; layer < done; ++layer) step(layer, outcome);
        if (done == 0 || random_.one_in(2)) {
            Text one = text(1);
            Base::half_a_step(done, one);
        }
        same(!state_.between_steps(), "a pass that was cancelled has not ended");
        if (random_.one_in(2)) realign(outcome);
        if (!state_.between_steps()) {
            same(state_.rollback(0), "no token can always be taken back");
            for (std::size_t layer = done; layer < shape().layers && !in_step(); ++layer) step(layer, outcome);
        }
        same(state_.between_steps(), "a pass that was cancelled has a way back and a way on");
        ++outcome.cancelled;
    }

    void roll_back(StateOutcome& outcome) {
        if (random_.one_in(3)) return realign(outcome);
        const std::size_t tokens = random_.below(settings_.rollback + 2);
        const bool possible = tokens <= reversible();
        for (const Twin& twin : twins_)
            if (possible && twin.splits_prompt(tokens)) return;
        same(state_.rollback(tokens) == possible, "whether so many tokens can be taken back");
        ++(possible ? outcome.rollbacks : outcome.refused_rollbacks);
        if (!possible) return;
        same(state_.between_steps() == in_step(), "a step that is half done is given up");
        for (Twin& twin : twins_) twin.undo(tokens);
    }
    bool in_step() const {
        for (std::size_t layer = 1; layer < shape().layers; ++layer)
            if (state_.tokens(layer) != state_.tokens(0)) return false;
        return true;
    }
    /// Back to the tokens that all layers have taken.
    void realign(StateOutcome& outcome) {
        std::uint64_t fewest = state_.tokens(0);
        for (std::size_t layer = 1; layer < shape().layers; ++layer) fewest = std::min(fewest, state_.tokens(layer));
        bool possible = true;
        std::vector<std::size_t> steps;
        for (std::size_t lane = 0; lane < twins_.size(); ++lane) {
            steps.push_back(static_cast<std::size_t>(state_.tokens(lane / lanes()) - fewest));
            possible = possible && steps.back() <= twins_[lane].reversible(settings_.rollback);
        }
        for (std::size_t lane = 0; lane < twins_.size(); ++lane)
            if (possible && twins_[lane].splits_prompt(steps[lane])) return;
        same(state_.realign() == possible, "whether layers that are out of step can be put right");
        ++(possible ? outcome.rollbacks : outcome.refused_rollbacks);
        if (!possible) return;
        same(state_.between_steps(), "all layers have taken the same tokens");
        for (std::size_t lane = 0; lane < twins_.size(); ++lane) twins_[lane].undo(steps[lane]);
    }
    /// Layers that lag behind take steps, so that the state can be saved.
    void level(StateOutcome& outcome) {
        same(state_.rollback(0), "no token can always be taken back");
        std::vector<std::byte> bytes;
        same(save(state_, bytes).empty() == in_step(), "a state is saved where its layers have taken the same tokens");
        std::uint64_t most_tokens = 0;
        for (std::size_t layer = 0; layer < shape().layers; ++layer)
            most_tokens = std::max(most_tokens, state_.tokens(layer));
        for (std::size_t layer = 0; layer < shape().layers; ++layer)
            while (state_.tokens(layer) < most_tokens) step(layer, outcome);
    }
    std::vector<std::byte> saved() const {
        std::vector<std::byte> bytes;
        same(save(state_, bytes).empty(), "a state is saved");
        return bytes;
    }
    void forget() {
        for (Twin& twin : twins_) {
            twin.forget();
        }
    }
    /// A state made anew, or used by another text, goes on here.
    void save_and_load(StateOutcome& outcome) {
        level(outcome);
        const std::vector<std::byte> bytes = saved();
        std::vector<std::size_t> budgets;
        for (const auto& lane : state_.lanes())
            budgets.push_back(lane.budget() == msrnn::unbounded ? msrnn::unbounded : lane.budget() + random_.below(3));
        if (troubled_) Trouble::survived(random_, [&] { made(budgets); });
        State other = made(budgets);
        const std::size_t used = random_.below(6);
        for (std::size_t layer = 0; layer < shape().layers; ++layer)
            for (std::size_t i = 0; i < used; ++i) {
                Text one = text(1);
                other.step(layer, -1, one.q, one.k, one.v, one.out);
            }
        std::string said;
        if (!troubled_ || !Trouble::survived(random_, [&] { said = load(other, bytes); })) said = load(other, bytes);
        same(said.empty(), ("a snapshot of this state is read: " + said).c_str());
        state_ = std::move(other);
        same(saved() == bytes, "a state that was read is saved as the same bytes");
        forget();
        ++outcome.loads;
    }
    /// Saved now, or back to what was saved before: where there is room for its budgets.
    void keep_or_go_back(StateOutcome& outcome) {
        if (checkpoint_.bytes.empty() || random_.one_in(2)) {
            level(outcome);
            checkpoint_ = {saved(), twins_};
            return;
        }
        bool fits = true;
        for (std::size_t lane = 0; lane < twins_.size(); ++lane) {
            const std::size_t budget = checkpoint_.twins[lane].lane.budget;
            fits = fits && (budget == most / 2 ? lane_of(lane).budget() == msrnn::unbounded
                                               : budget < lane_of(lane).capacity());
        }
        bool loaded = false;
        attempt([&] { loaded = load(state_, checkpoint_.bytes).empty(); });
        same(loaded == fits, "whether there is room for what was saved");
        ++(fits ? outcome.loads : outcome.refused_loads);
        if (!fits) return;
        twins_ = checkpoint_.twins;
        forget();
    }
    /// A copy goes its own way; this pair must not notice, and goes on, as itself or as the copy.
    void fork(StateOutcome& outcome) {
        StateBack other = aside(outcome);
        compare();
        other.compare();
        if (random_.one_in(4)) take_over(other);
        ++outcome.forks;
    }
    void reorder(StateOutcome& outcome) {
        std::vector<State> beams;
        std::vector<std::vector<Twin>> twins;
        std::vector<std::size_t> parents;
        for (std::size_t beam = 0; beam < 3; ++beam) {
            StateBack other = aside(outcome);
            beams.push_back(other.state_);
            twins.push_back(other.twins_);
            parents.push_back(random_.below(3));
        }
        const auto reordering = [&] { msrnn::reorder(beams, parents); };
        if (troubled_) {
            const std::vector<State> before = beams;
            if (!Trouble::survived(random_, reordering)) {
                for (std::size_t beam = 0; beam < 3; ++beam) none(Base::state_difference(beams[beam], before[beam]));
                reordering();
            }
        } else {
            reordering();
        }
        for (std::size_t beam = 0; beam < 3; ++beam) {
            state_ = beams[beam];
            twins_ = twins[parents[beam]];
            compare();
        }
        ++outcome.reorders;
    }
    StateBack aside(StateOutcome& outcome) {
        StateBack other(*this);
        other.random_ = random_.on_tape ? random_ : random_.numbers();
        for (std::size_t i = random_.below(6); i > 0; --i) other.step(other.random_.below(shape().layers), outcome);
        return other;
    }
    void take_over(const StateBack& other) {
        attempt([&] { state_ = other.state_; });
        twins_ = other.twins_;
    }

    Checkpoint checkpoint_;
};

}  // namespace differential
