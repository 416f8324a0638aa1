#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <msrnn/msrnn.hpp>
#include <span>
#include <stdexcept>
#include <vector>

#include "support/state_twins.hpp"

namespace differential {

/// The ways to append tokens.
template <class Scalar>
class StateSteps : protected StateTwins<Scalar> {
    using Base = StateTwins<Scalar>;

protected:
    using Base::attempt, Base::compare, Base::heads_per_lane, Base::lane_of, Base::lanes, Base::made, Base::shape,
        Base::shown, Base::slots, Base::text, Base::came, Base::come, Base::weights, Base::attends_plainly;
    using Base::random_, Base::settings_, Base::state_, Base::troubled_, Base::twins_;
    using typename Base::State, typename Base::Text, typename Base::Twin;

    using Base::Base;

    void step(std::size_t layer, StateOutcome& outcome) { step(layer, text(1), outcome); }
    void step(std::size_t layer, Text one, StateOutcome& outcome) {
        shown().clear();
        const std::size_t dice = random_.below(8);
        if (dice == 5) {
            turn_by_slots(layer, one);
            attempt([&] { state_.step(layer, one.positions[0], one.q, one.k, one.v, one.out, turning); });
            ++outcome.turns;
        } else if (dice < 6) {
            attempt([&] { state_.step(layer, one.positions[0], one.q, one.k, one.v, one.out); });
        } else {
            if (random_.one_in(4)) turn_by_slots(layer, one);
            for (std::size_t h = 0; h < shape().kv_heads; ++h)
                attend(layer, dice == 6 ? h : shape().kv_heads - 1 - h, one);
            attempt([&] { state_.decide(layer, one.positions[0]); });
        }
        ++outcome.steps;
        came(layer, one, 0, 1, 1, outcome);
    }
    void attend(std::size_t layer, std::size_t kv_head, Text& one) {
        attempt([&] {
            if (one.turned.empty())
                state_.attend(layer, kv_head, one.q, one.k, one.v, one.out);
            else
                state_.attend(layer, kv_head, one.q, one.k, one.v, one.out, turning);
        });
    }
    static void turning(msrnn::Slot slot, std::span<float> key) {
        Trouble::perhaps();
        Base::turn(slot, key);
        Trouble::perhaps();
    }
    void turn_by_slots(std::size_t layer, Text& one) const {
        for (std::size_t lane = 0; lane < lanes(); ++lane) {
            one.turned.push_back(slots(layer * lanes() + lane));
            one.turned.back().push_back(lane_of(layer * lanes() + lane).next());
        }
    }

    void prompt(StateOutcome& outcome) {
        const std::size_t layer = random_.below(shape().layers);
        const std::size_t tokens = random_.below(settings_.longest_prompt);
        const msrnn::Prefill mode = random_.one_of(
            {msrnn::Prefill::per_token(), msrnn::Prefill::one_shot(), msrnn::Prefill::chunked(2 + random_.below(9))});
        if (random_.one_in(3)) return select(layer, text(tokens), mode, outcome);
        Text all = text(tokens);
        shown().clear();
        attempt([&] {
            state_.prefill(layer, std::span<const msrnn::Position>(all.positions), all.q, all.k, all.v, all.out, mode);
        });
        for (std::size_t lane = 0; lane < lanes() && mode.chunk > 1; ++lane)
            twins_[layer * lanes() + lane].begin_prompt(tokens, settings_.rollback);
        for (std::size_t first = 0; first < tokens; first += std::min(mode.chunk, tokens - first))
            came(layer, all, first, std::min(mode.chunk, tokens - first), mode.chunk, outcome);
        outcome.steps += tokens;
        ++outcome.prompts;
    }

    // A prompt, and a selector that chooses from all that is there ////////////////////////////////////////

    void select(std::size_t layer, Text all, msrnn::Prefill mode, StateOutcome& outcome) {
        const Chooser chooser{.window = 1 + random_.below(3), .scope = settings_.choice.policy.scope};
        bool fits = true;
        for (std::size_t lane = layer * lanes(); lane < (layer + 1) * lanes(); ++lane)
            fits = fits && chooses(twins_[lane].lane, chooser).budget_fits(twins_[lane].lane.budget);
        same(state_.problem(layer, chooser).empty() == fits, "whether a selector fits the lanes");
        shown().clear();
        try {
            attempt([&] {
                chooser.shown->clear();
                state_.prefill(layer, std::span<const msrnn::Position>(all.positions), all.q, all.k, all.v, all.out,
                               mode, chooser);
            });
            same(fits, "a selector that does not fit is refused");
        } catch (const std::invalid_argument&) {
            same(!fits, "a selector that fits may choose");
            ++outcome.refused_selectors;
            return;
        }
        for (std::size_t lane = 0; lane < lanes() && !all.positions.empty(); ++lane)
            selected(layer, lane, all, mode.chunk, chooser, outcome);
        outcome.steps += all.positions.size();
        ++outcome.selections;
    }
    /// The same tokens without ratings, under the protection of both.
    static mirror::Lane chooses(const mirror::Lane& own, const Chooser& chooser) {
        mirror::Lane lane = own;
        const mirror::Protection held = mirror::protection(own.settings, own.budget);
        lane.settings = mirror::settings_of(mirror::H2O(chooser.window));
        lane.settings.extra_sinks = held.sinks;
        lane.settings.extra_recent = held.recent;
        for (mirror::Token& token : lane.tokens) token.rating = 0;
        return lane;
    }
    void selected(std::size_t layer, std::size_t lane, const Text& all, std::size_t chunk, const Chooser& chooser,
                  StateOutcome& outcome) {
        Twin& twin = twins_[layer * lanes() + lane];
        twin.begin_prompt(all.positions.size(), settings_.rollback);
        mirror::Lane other = chooses(twin.lane, chooser);
        std::size_t came_since = 0, shown_since = 0;
        for (std::size_t t = 0; t < all.positions.size(); ++t) {
            const bool last = t + 1 == all.positions.size() || (t + 1) % chunk == 0;
            come(twin, layer, lane, all, t, last);
            other.append(all.positions[t].value());
            ++came_since;
            if (const Shown* seen = Base::shown_to(*chooser.shown, layer, lane, other.seen); seen != nullptr) {
                if (shown_since++ == 0)
                    for (mirror::Token& token : other.tokens) token.rating = 0;
                other.observe_weights(weights(other, *seen));
            }
            if (!last) continue;
            const std::vector<mirror::Token> victims = other.evict();
            if (victims.empty()) continue;
            same(shown_since == std::min(came_since, chooser.window),
                 "a selector sees the last queries before it chooses");
            came_since = shown_since = 0;
            outcome.bulk += victims.size() > 1;
            for (const mirror::Token& victim : victims) {
                const auto found = std::find_if(twin.lane.tokens.begin(), twin.lane.tokens.end(),
                                                [&](const auto& token) { return token.arrival == victim.arrival; });
                twin.lane.drop(static_cast<std::size_t>(found - twin.lane.tokens.begin()));
            }
        }
    }

    // Steps that do not last ////////////////////////////////////////

    /// Appends tokens to a layer and rejects some or all of them by name, in any order.
    void drafts(StateOutcome& outcome) {
        const std::size_t layer = random_.below(shape().layers), count = 1 + random_.below(3);
        for (std::size_t i = 0; i < count; ++i) step(layer, outcome);
        for (std::size_t lane = layer * lanes(); lane < (layer + 1) * lanes(); ++lane)
            for (std::size_t gone = random_.below(count + 1); gone > 0; --gone) {
                const std::size_t tokens = twins_[lane].lane.tokens.size();
                if (tokens == 0) break;
                evict_by_name(lane, tokens - 1 - random_.below(std::min(tokens, count)));
                ++outcome.drafts;
            }
    }
    void evict_by_name(std::size_t lane, std::size_t token) {
        const msrnn::Slot slot = slots(lane)[token];
        const std::size_t kv_head = lane % lanes() * heads_per_lane() + random_.below(heads_per_lane());
        attempt([&] { state_.evict(lane / lanes(), kv_head, slot); });
        twins_[lane].lane.reject(token);
        twins_[lane].forget();
    }
    /// Some heads of a layer attend.
    void half_a_step(std::size_t layer, Text& one) {
        for (std::size_t h = 0, heads = 1 + random_.below(shape().kv_heads); h < heads; ++h) {
            attend(layer, h, one);
            const std::size_t lane = h / heads_per_lane(), beside = h % heads_per_lane();
            attends_plainly(twins_[layer * lanes() + lane], lane, beside, beside + 1, one, 0);
        }
        same(!state_.between_steps(), "a step is half done");
    }
};

}  // namespace differential
