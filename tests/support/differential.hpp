#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <msrnn/decide.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/mirror.hpp"
#include "support/mirrored.hpp"
#include "support/random.hpp"
#include "support/same_record.hpp"

/// A lane and its mirror, taken through the same random operations and compared after each.
namespace differential {

/// What one run has compared, and the first thing that differed, if anything did.
struct Outcome {
    std::uint64_t steps = 0, tokens = 0, refusals = 0;
    std::uint64_t bulk = 0, moves = 0, refused_pins = 0;  // rarer things, to see that they happened
    std::uint64_t records = 0, vacant_records = 0;        // gone on from, and those with several vacancies
    std::uint64_t taken_back = 0;                         // tokens
    std::uint64_t ancient = 0;  // tokens among the first 64 of their lane that were alive at its end
    std::string mismatch = {};
};

/// What a run may do besides appending, observing and evicting.
struct Plan {
    bool resets = true;           // now and then everything is forgotten
    bool forks = true;            // now and then a copy goes its own way for a while, or is gone back to
    bool spares_ancient = false;  // the first 64 tokens are not evicted by name, and pinned again at once: some stay
    bool nans = false;            // weights and keys may be NaN: only where MSRNN_ASSERT is off
    bool exact = false;           // weights and keys are multiples of 2^-10: sums do not depend on their order
};

struct Difference : std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline void same(bool equal, const char* what) {
    if (!equal) throw Difference(what);
}

inline std::size_t rows_of(msrnn::Limits limits) { return limits.capacity != 0 ? limits.capacity : limits.budget + 1; }

template <class Lane, class... Arguments>
bool refused(const Arguments&... arguments) {
    try {
        Lane lane(arguments...);
        return false;
    } catch (const std::invalid_argument&) {
        return true;
    }
}

inline bool same_rating(float a, float b) { return a == b || (a != a && b != b); }

template <class P, class Stamp>
class Pair {
public:
    Pair(msrnn::Limits limits, const P& policy, msrnn::LaneId id, mirror::Settings settings, Plan plan, Random random)
        : lane_(limits, policy, id),
          first_budget_(limits.budget),
          mirror_{settings, limits.budget, rows_of(limits)},
          plan_(plan),
          random_(random) {
        mirror_.settings.layer = id.layer;
        mirror_.settings.kv_head = id.kv_head;
        query_heads_ = random_.one_of<std::size_t>({1, 3, 4});
        head_dim_ = 1 + random_.below(5);
        weight_kind_ = random_.below(4);
        in_slot_.assign(mirror_.capacity, vacant);
        keys_.assign(mirror_.capacity * head_dim_, nan);
    }

    void run(std::uint64_t steps, Outcome& outcome) {
        for (std::uint64_t step = 0; step < steps && !random_.over(); ++step) {
            operate_(outcome);
            compare_();
            const std::size_t dice = random_.below(200);
            if (plan_.forks && dice == 0) fork_(outcome);
            if (plan_.forks && dice == 1) go_back_(outcome);
            if (dice >= 2 && dice < 5) go_on_from_record_(outcome);
            ++outcome.steps;
        }
        outcome.tokens += mirror_.seen;
        for (const auto& token : mirror_.tokens) outcome.ancient += token.arrival < 64;
    }

private:
    static constexpr std::uint64_t vacant = std::numeric_limits<std::uint64_t>::max();
    static constexpr float nan = std::numeric_limits<float>::quiet_NaN();

    /// What undoes a step, and what was before it.
    struct Step {
        std::vector<float> memory;
        msrnn::LaneRecord record;
        mirror::Lane mirror;
        std::vector<std::uint64_t> in_slot;
        std::vector<float> keys;
        msrnn::LaneStep of_lane = {};
    };

    void operate_(Outcome& outcome) {
        const std::size_t dice = random_.below(100);
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

    /// Some tokens come and are taken back, each having driven one out at most: as if they had never come.
    void take_back_(Outcome& outcome) {
        std::vector<Step> steps;
        for (std::size_t tokens = 1 + random_.below(4); tokens > 0 && mirror_.tokens.size() <= mirror_.budget;
             --tokens) {
            std::vector<float> memory(lane_.memory_floats());
            lane_.copy_memory(memory);
            steps.push_back({std::move(memory), lane_.record(), mirror_, in_slot_, keys_});
            append_();
            observe_weights_();
            if (mirror_.tokens.size() > mirror_.budget || random_.one_in(2)) evict_(outcome);
            steps.back().of_lane = lane_.last_step();
        }
        compare_();
        for (; !steps.empty(); steps.pop_back()) {
            const Step& step = steps.back();
            lane_.take_back(step.of_lane, step.memory);
            same(same_record(lane_.record(), step.record), "a lane is again what it was before a token came");
            mirror_ = step.mirror;
            mirror_.rejected.clear();
            in_slot_ = step.in_slot;
            keys_ = step.keys;
            ++outcome.taken_back;
        }
    }

    void append_() {
        const std::size_t extent = lane_.extent(), size = lane_.size();
        const msrnn::Slot foreseen = lane_.next();
        const msrnn::Slot slot = lane_.append(msrnn::Position(position_));
        same(slot == foreseen, "next() is the slot of the following append");
        same(slot < in_slot_.size() && in_slot_[slot] == vacant, "append gives out a vacant slot");
        same(lane_.extent() == (size < extent ? extent : extent + 1), "a waiting slot is used before a fresh one");
        in_slot_[slot] = mirror_.seen;
        mirror_.append(position_);
        position_ += random_.one_of({1, 1, 1, 1, 0, 7, 1000, -3, -5000});
        write_key_(slot);
        observe_keys_();
    }

    void write_key_(std::size_t slot) {
        Random numbers = random_.numbers();
        const bool poisoned = plan_.nans && numbers.one_in(10);
        for (std::size_t d = 0; d < head_dim_; ++d)
            keys_[slot * head_dim_ + d] = poisoned ? nan : key_element_(numbers);
    }

    float key_element_(Random& numbers) const {
        if (weight_kind_ < 2) return static_cast<float>(numbers.below(5)) - 2;
        if (plan_.exact) return static_cast<float>(numbers.below(1025)) * 0x1p-10f - 0.5f;
        return numbers.unit() - 0.5f;
    }

    std::span<const float> key_(std::size_t slot) const {
        return std::span<const float>(keys_).subspan(slot * head_dim_, head_dim_);
    }

    /// Shown to every policy: one that does not read keys or values must not mind.
    void observe_keys_() {
        lane_.observe(msrnn::Keys{[this](msrnn::Slot slot) { return key_(slot); }});
        if (random_.one_in(4)) lane_.observe(msrnn::Values{[this](msrnn::Slot slot) { return key_(slot); }});
        if (mirror_.settings.method != mirror::Method::key_norm) return;
        std::vector<std::vector<float>> keys;
        for (const std::size_t slot : slots_()) keys.emplace_back(key_(slot).begin(), key_(slot).end());
        mirror_.observe_keys(keys);
    }

    float weight_(Random& numbers) const {
        if (plan_.nans && numbers.one_in(20)) return nan;
        if (weight_kind_ == 0) return 0.25f;
        if (plan_.exact) return static_cast<float>(numbers.below(weight_kind_ == 1 ? 5 : 1025)) * 0x1p-10f;
        if (weight_kind_ == 1) return numbers.one_of({0.0f, -0.0f, 0.125f, 0.25f, 0.375f, 1e-40f});
        if (weight_kind_ == 2) return numbers.unit();
        return numbers.one_in(2) ? numbers.unit() : static_cast<float>(numbers.below(3)) / 3.0f;
    }

    /// Rows of a stride at least as long as the extent; columns of vacant slots and the padding hold garbage.
    void observe_weights_() {
        const std::size_t extent = lane_.extent();
        const std::size_t stride = extent + (random_.one_in(2) ? random_.below(5) : 0);
        std::vector<float> weights(query_heads_ * stride);
        Random numbers = random_.numbers();
        for (float& weight : weights) weight = numbers.one_of({nan, -1e30f, 1e30f, 0.0f});
        std::vector<std::vector<float>> rows(query_heads_);
        const auto slots = slots_();
        for (std::size_t h = 0; h < query_heads_; ++h)
            for (const std::size_t slot : slots) {
                rows[h].push_back(weight_(numbers));
                weights[h * stride + slot] = rows[h].back();
            }
        if (stride == extent && random_.one_in(2))
            lane_.observe(std::span<const float>(weights));
        else
            lane_.observe(weights.data(), query_heads_, stride);
        mirror_.observe_weights(rows);
    }

    void evict_(Outcome& outcome) {
        const auto chosen = lane_.evict();
        const std::vector<msrnn::Slot> victims(chosen.begin(), chosen.end());
        const auto expected = mirror_.evict();
        same(victims.size() == expected.size(), "the number of victims");
        for (std::size_t v = 0; v < victims.size(); ++v) {
            same(in_slot_[victims[v]] == expected[v].arrival, "the victims, weakest first");
            same(lane_.position(victims[v]).value() == expected[v].position, "a victim's position stays readable");
            same(lane_.arrival(victims[v]) == expected[v].arrival, "a victim's arrival stays readable");
            in_slot_[victims[v]] = vacant;
        }
        outcome.bulk += victims.size() > 1;
        same(lane_.victims().size() == victims.size(), "victims() are those of the last evict()");
        same(lane_.size() <= lane_.budget(), "evict() reaches the budget");
    }

    void evict_by_name_() {
        if (mirror_.tokens.empty()) return;
        const std::size_t which = random_.below(mirror_.tokens.size());
        if (spared_(which)) return;
        const std::size_t slot = slots_()[which];
        lane_.evict(msrnn::Slot(slot));
        mirror_.reject(which);
        in_slot_[slot] = vacant;
    }

    void set_budget_() {
        const std::size_t budget = random_.below(mirror_.capacity + 2);
        const bool fits = mirror_.budget_fits(budget);
        try {
            lane_.set_budget(budget);
            same(fits, "a budget that makes no sense is refused");
            mirror_.budget = budget;
        } catch (const std::invalid_argument&) {
            same(!fits, "a budget that makes sense is taken");
        }
    }

    void pin_(Outcome& outcome) {
        if (mirror_.tokens.empty()) return;
        const std::size_t which = random_.below(mirror_.tokens.size());
        const std::size_t slot = slots_()[which];
        const bool granted = lane_.pin(msrnn::Slot(slot));
        same(granted == mirror_.pin(which), "whether a pin is granted");
        outcome.refused_pins += !granted;
    }

    void unpin_() {
        if (mirror_.tokens.empty()) return;
        const std::size_t which = random_.below(mirror_.tokens.size());
        const msrnn::Slot slot(slots_()[which]);
        const bool again = mirror_.tokens[which].pinned && spared_(which);
        lane_.unpin(slot);
        mirror_.tokens[which].pinned = false;
        if (!again) return;
        compare_();
        same(lane_.pin(slot) && mirror_.pin(which), "a pin that was granted is granted again");
    }

    /// Collects the moves first and carries them out in a random order: they must not depend on one another.
    void compact_(Outcome& outcome) {
        const std::size_t n = lane_.size();
        std::vector<std::pair<std::size_t, std::size_t>> moves;
        lane_.compact([&](msrnn::Move move) { moves.emplace_back(move.from, move.to); });
        std::size_t beyond = 0;
        for (std::size_t slot = n; slot < in_slot_.size(); ++slot) beyond += in_slot_[slot] != vacant;
        outcome.moves += moves.size();
        same(moves.size() == beyond, "compact moves the rows beyond size(), no others");
        while (!moves.empty()) {
            std::swap(moves[random_.below(moves.size())], moves.back());
            const auto [from, to] = moves.back();
            moves.pop_back();
            same(from >= n && from < in_slot_.size() && in_slot_[from] != vacant,
                 "a move starts at a row beyond size()");
            same(to < n && in_slot_[to] == vacant, "a move ends in a hole");
            in_slot_[to] = std::exchange(in_slot_[from], vacant);
            for (std::size_t d = 0; d < head_dim_; ++d)
                keys_[to * head_dim_ + d] = std::exchange(keys_[from * head_dim_ + d], nan);
        }
        same(lane_.extent() == n, "nothing is vacant after compact");
    }

    bool spared_(std::size_t which) const { return plan_.spares_ancient && mirror_.tokens[which].arrival < 64; }

    void reserve_() {
        if (mirror_.capacity >= 60) return;
        mirror_.capacity += 1 + random_.below(3);
        lane_.set_capacity(mirror_.capacity);
        in_slot_.resize(mirror_.capacity, vacant);
        keys_.resize(mirror_.capacity * head_dim_, nan);
    }

    void reset_() {
        if (random_.one_in(2)) reserve_();
        lane_.reset();
        mirror_.tokens.clear();
        mirror_.seen = mirror_.evictions = 0;
        mirror_.rejected.clear();
        in_slot_.assign(in_slot_.size(), vacant);
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

    /// Back to a copy after some operations: as if they had never come.
    void go_back_(Outcome& outcome) {
        Pair before(*this);
        plan_.forks = false;
        Outcome aside;
        run(1 + random_.below(10), aside);
        outcome.steps += aside.steps;
        before.random_ = random_;
        *this = before;
        compare_();
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
        other.restore(record);
        same(same_record(other.record(), record), "a lane that goes on from a record has that record");
        lane_ = other;
        compare_();
        ++outcome.records;
        outcome.vacant_records += record.extent() > record.size() + 1;
    }

    /// The slot of each of the mirror's tokens.
    std::vector<std::size_t> slots_() const {
        std::vector<std::size_t> slots;
        for (const auto& token : mirror_.tokens)
            slots.push_back(static_cast<std::size_t>(std::find(in_slot_.begin(), in_slot_.end(), token.arrival) -
                                                     in_slot_.begin()));
        return slots;
    }

    void compare_() const {
        same(lane_.size() == mirror_.tokens.size(), "size()");
        same(lane_.seen() == mirror_.seen, "seen()");
        same(lane_.evictions() == mirror_.evictions, "evictions()");
        same(lane_.budget() == mirror_.budget, "budget()");
        same(lane_.capacity() == mirror_.capacity, "capacity()");
        const auto protection = mirror::protection(mirror_.settings, mirror_.budget);
        same(lane_.protection().sinks == protection.sinks, "protection().sinks");
        same(lane_.protection().recent == protection.recent, "protection().recent");
        same(lane_.extent() >= lane_.size() && lane_.extent() <= lane_.capacity(), "size() <= extent() <= capacity()");
        same(lane_.ratings().size() == lane_.extent(), "ratings() covers the extent");
        for (std::size_t slot = 0; slot < in_slot_.size(); ++slot) {
            const bool live = slot < lane_.extent() && lane_.live(msrnn::Slot(slot));
            same(live == (in_slot_[slot] != vacant), "live()");
            if (slot < lane_.extent() && !live)
                same(!lane_.candidate(msrnn::Slot(slot)), "a vacant slot is no candidate");
        }
        const auto slots = slots_();
        for (std::size_t t = 0; t < slots.size(); ++t) compare_(mirror_.tokens[t], msrnn::Slot(slots[t]));
    }

    void compare_(const mirror::Token& token, msrnn::Slot slot) const {
        same(lane_.arrival(slot) == token.arrival, "arrival()");
        same(lane_.position(slot).value() == token.position, "position()");
        same(lane_.pinned(slot) == token.pinned, "pinned()");
        same(lane_.candidate(slot) == mirror_.candidate(token), "candidate()");
        same(same_rating(lane_.rating(slot), token.rating), "rating()");
        same(same_rating(lane_.ratings()[slot], token.rating), "ratings()");
    }

    msrnn::Lane<P, Stamp> lane_;
    std::size_t first_budget_;
    mirror::Lane mirror_;
    Plan plan_;
    Random random_;
    std::size_t query_heads_ = 1, head_dim_ = 1, weight_kind_ = 0;
    std::int64_t position_ = 0;
    std::vector<std::uint64_t> in_slot_;  // arrival of the token in each slot
    std::vector<float> keys_;
};

/// One lane of random limits and `steps` operations, or fewer where a tape ends. False where the lane is refused.
template <class Stamp, class P>
bool run_one(Random& random, std::uint64_t steps, const P& policy, const mirror::Settings& settings, Plan plan,
             Outcome& outcome) {
    const std::size_t budget = 1 + random.below(33);
    const std::size_t capacity = random.one_of<std::size_t>({0, budget, budget + 1, budget + 1 + random.below(12)});
    const msrnn::Limits limits{.budget = budget, .capacity = capacity};
    const msrnn::LaneId id{.layer = random.below(3), .kv_head = random.below(3)};
    const bool sensible = mirror::sensible(settings, budget, rows_of(limits));
    same(msrnn::validate(policy, limits).empty() == sensible, "whether validate() has something to say");
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
