#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <msrnn/decide.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/lane_operations.hpp"

namespace differential {

template <class Lane, class... Arguments>
bool refused(const Arguments&... arguments) {
    try {
        Lane lane(arguments...);
        return false;
    } catch (const std::invalid_argument&) {
        return true;
    }
}
template <class P, class Stamp>
class Pair : LaneOperations<P, Stamp> {
    using Base = LaneOperations<P, Stamp>;
    using Base::append_, Base::observe_weights_, Base::evict_, Base::evict_by_name_, Base::compare_, Base::attempt_,
        Base::take_over_ratings_;
    using Base::drafts_, Base::prompt_, Base::set_budget_, Base::pin_, Base::unpin_, Base::compact_, Base::reserve_,
        Base::reset_, Base::forget_;
    using Base::first_budget_, Base::prompt_end_, Base::troubled_;
    using Base::lane_, Base::mirror_, Base::plan_, Base::random_, Base::in_slot_, Base::keys_;

public:
    using Base::Base;

    void run(std::uint64_t steps, Outcome& outcome) {
        for (std::uint64_t step = 0; step < steps && !random_.over(); ++step) {
            operate_(outcome);
            if ((step + 1) % plan_.pace == 0) compare_();
            const std::size_t dice = random_.below(200);
            if (plan_.forks && dice == 0) fork_(outcome);
            if (plan_.forks && dice == 1) go_back_(outcome);
            if (plan_.forks && dice == 5) use_moved_from_(outcome);
            if (dice >= 2 && dice < 5) go_on_from_record_(outcome);
            if (dice == 6) for_a_while_(outcome);
            ++outcome.steps;
        }
        compare_();
        outcome.tokens += mirror_.seen;
        for (const auto& token : mirror_.tokens) outcome.ancient += token.arrival < 64;
    }

private:
    /// What undoes a step, and what was before it.
    struct Step {
        msrnn::LaneCheckpoint of_lane;
        msrnn::LaneRecord record;
        mirror::Lane mirror;
        std::vector<std::uint64_t> in_slot;
        std::vector<float> keys;
    };
    void operate_(Outcome& outcome) {
        troubled_ = plan_.troubles && random_.one_in(6);
        const std::size_t dice = random_.below(100);
        if (dice < 3) return drafts_(outcome);
        if (dice < 5) return prompt_();
        if (dice < 77) return token_(outcome);
        if (dice < 80) return take_back_(outcome);
        if (dice < 84) return evict_by_name_();
        if (dice < 87) return set_budget_();
        if (dice < 91) return pin_(outcome);
        if (dice < 94) return unpin_();
        if (dice < 99) return compact_(outcome);
        if (random_.one_in(5)) return plan_.resets ? reset_() : reserve_();
        evict_(outcome);
    }

    void token_(Outcome& outcome) {
        if (mirror_.tokens.size() == mirror_.capacity) return evict_(outcome);
        for (std::size_t more = 1 + random_.below(8) / 6; more > 0 && mirror_.tokens.size() < mirror_.capacity; --more)
            append_();
        observe_weights_();
        if (random_.below(8) != 0) evict_(outcome);
    }

    /// Appends some tokens, each with one eviction at most, and undoes them: nothing has changed.
    void take_back_(Outcome& outcome) {
        std::vector<Step> steps;
        for (std::size_t tokens = 1 + random_.below(4); tokens > 0 && mirror_.tokens.size() <= mirror_.budget;
             --tokens) {
            steps.push_back({lane_.checkpoint(), lane_.record(), mirror_, in_slot_, keys_});
            append_();
            observe_weights_();
            if (mirror_.tokens.size() > mirror_.budget || random_.one_in(2)) evict_(outcome);
        }
        compare_();
        for (; !steps.empty(); steps.pop_back()) {
            const Step& step = steps.back();
            lane_.restore(step.of_lane);
            same(same_record(lane_.record(), step.record), "a lane is again what it was before a token came");
            mirror_ = step.mirror;
            in_slot_ = step.in_slot;
            keys_ = step.keys;
            take_over_ratings_();
            ++outcome.taken_back;
        }
    }

    /// A copy goes its own way; this pair must not notice, and goes on, as itself or as a copy assigned over it.
    void fork_(Outcome& outcome) {
        Pair other(*this);
        other.plan_.forks = false;
        other.random_.next();
        Outcome aside;
        other.run(10, aside);
        outcome.steps += aside.steps;
        compare_();
        if (random_.one_in(4)) {
            const Plan plan = plan_;
            *this = other;
            plan_ = plan;
        }
    }

    /// Back to a copy after some operations: nothing has changed.
    void go_back_(Outcome& outcome) {
        Pair before(*this);
        plan_.forks = false;
        Outcome aside;
        run(1 + random_.below(10), aside);
        outcome.steps += aside.steps;
        before.random_ = random_;
        attempt_([&] { lane_ = before.lane_; });
        before.lane_ = std::move(lane_);
        *this = before;
        compare_();
    }

    /// Moved from, a lane is empty and may be used; where it went it goes on.
    void use_moved_from_(Outcome& outcome) {
        compare_();
        Pair other(*this);
        if (random_.one_in(2)) {
            other.lane_ = std::move(lane_);
        } else {
            msrnn::Lane<P, Stamp> taken(std::move(lane_));
            other.lane_ = std::move(taken);
        }
        forget_();
        compare_();
        plan_.forks = false;
        Outcome aside;
        run(random_.below(6), aside);
        other.random_ = random_;
        *this = std::move(other);
        compare_();
        ++outcome.moved_from;
    }

    /// Enough tokens for narrow stamps to run out of numbers.
    void for_a_while_(Outcome& outcome) {
        if (mirror_.tokens.size() == mirror_.capacity) evict_(outcome);
        for (std::size_t tokens = 20 + random_.below(120); tokens > 0 && mirror_.tokens.size() < mirror_.capacity;
             --tokens) {
            append_();
            observe_weights_();
            evict_(outcome);
        }
    }

    /// Another lane, which may have seen other tokens, goes on where this one is.
    void go_on_from_record_(Outcome& outcome) {
        const msrnn::LaneRecord record = lane_.record();
        msrnn::Lane<P, Stamp> other({.budget = first_budget_, .capacity = mirror_.capacity}, lane_.policy(),
                                    lane_.id());
        for (std::size_t tokens = random_.below(mirror_.capacity + 1); tokens > 0; --tokens) {
            const msrnn::Slot slot = other.append(msrnn::Position(-7));
            if (!other.pin(slot)) other.evict(slot);
        }
        if (!troubled_ || !Trouble::survived(random_, [&] { other.restore(record); })) other.restore(record);
        same(same_record(other.record(), record), "a lane that goes on from a record has that record");
        lane_ = other;
        take_over_ratings_();
        compare_();
        ++outcome.records;
        outcome.vacant_records += record.extent() > record.size() + 1;
    }
};

/// One lane of random limits and `steps` operations, or fewer where a tape ends. False where the lane is refused.
template <class Stamp, class P>
bool run_one(Random& random, std::uint64_t steps, const P& policy, const mirror::Settings& settings, Plan plan,
             Outcome& outcome) {
    const std::size_t budget = 1 + random.below(random.on_tape ? 9 : 33);
    const std::size_t capacity = random.one_of<std::size_t>({0, budget, budget + 1, budget + 1 + random.below(12)});
    const msrnn::Limits limits{.budget = budget, .capacity = capacity};
    const msrnn::LaneId id{.layer = random.below(3), .kv_head = random.below(3)};
    const bool sensible = mirror::sensible(settings, budget, rows_of(limits));
    same(msrnn::problem(policy, limits).empty() == sensible, "whether problem() has something to say");
    same(refused<msrnn::Lane<P, Stamp>>(limits, policy, id) != sensible, "whether a lane is refused");
    outcome.refusals += !sensible;
    if (!sensible) return false;
    const Random own = random.on_tape ? random : Random{random.next()};
    Pair<P, Stamp>(limits, policy, id, settings, plan, own).run(steps, outcome);
    return true;
}

/// Calls one(random, outcome) until `steps` are compared, or something differs.
template <class What, class One>
What until(std::uint64_t seed, std::uint64_t steps, One one) {
    Random random{seed};
    What outcome;
    while (outcome.steps < steps && outcome.mismatch.empty()) {
        const std::uint64_t before = outcome.steps;
        try {
            one(random, outcome);
        } catch (const std::exception& e) {
            outcome.mismatch = e.what() + (" (seed " + std::to_string(seed) + ", after " + std::to_string(before) +
                                           " steps and " + std::to_string(outcome.steps - before) + " more)");
        }
    }
    return outcome;
}

/// Lanes of random limits, `steps_per_lane` operations each.
template <class Stamp = std::uint32_t, class P>
Outcome run(std::uint64_t seed, std::uint64_t steps, const P& policy, const mirror::Settings& settings,
            std::uint64_t steps_per_lane = 500, Plan plan = {}) {
    return until<Outcome>(seed, steps, [&](Random& random, Outcome& outcome) {
        run_one<Stamp>(random, steps_per_lane, policy, settings, plan, outcome);
    });
}

template <class Stamp = std::uint32_t, class P>
Outcome run(std::uint64_t seed, std::uint64_t steps, const P& policy) {
    return run<Stamp>(seed, steps, policy, mirrored(policy));
}

}  // namespace differential
