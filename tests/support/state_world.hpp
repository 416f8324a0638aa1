#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <msrnn/msrnn.hpp>
#include <string>
#include <vector>

#include "support/choices.hpp"
#include "support/trouble.hpp"

/// What a state and its mirror are made of, and what is kept of what policies are shown.
namespace differential {

/// What one run has compared; the rarer things, to see that they happened.
struct StateOutcome {
    std::uint64_t steps = 0;  // tokens appended to a layer
    std::uint64_t prompts = 0, bulk = 0, rollbacks = 0, refused_rollbacks = 0, halves = 0, loads = 0, refused_loads = 0;
    std::uint64_t forks = 0, reorders = 0, refused_pins = 0, refused_budgets = 0, refusals = 0;
    std::uint64_t turns = 0, selections = 0, refused_selectors = 0, drafts = 0, cancelled = 0;
    std::string mismatch = {};
};

/// What a policy was shown of one token's weights.
struct Shown {
    msrnn::LaneId lane;
    msrnn::Arrival seen = 0;
    std::vector<msrnn::Arrival> arrivals;  // of each slot
    std::vector<float> weights;            // [query heads][slots], multiples of 2^-10

    std::size_t heads() const { return weights.size() / arrivals.size(); }

    static std::vector<float> keep(std::vector<Shown>& all, const msrnn::Attention& seen,
                                   const msrnn::Ratings& rating) {
        Shown& now = all.emplace_back();
        now.lane = rating.lane;
        now.seen = rating.seen;
        now.arrivals.assign(rating.arrival.begin(), rating.arrival.end());
        for (std::size_t head = 0; head < seen.query_heads; ++head)
            for (const float weight : seen.row(head)) now.weights.push_back(std::nearbyint(weight * 1024) / 1024);
        return now.weights;
    }
};

/// Shows a policy weights that are rounded to multiples of 2^-10, so that sums do not depend on their order, and keeps
/// them, so that a mirror can be shown the same.
struct Rounded {
    static constexpr const char* name = "rounded";

    Moody<AnyProtected> policy;
    std::shared_ptr<std::vector<Shown>> shown = std::make_shared<std::vector<Shown>>();
    msrnn::Scope scope = policy.scope;

    template <class Tell>
    void settings(Tell tell) const {
        tell("policy", policy);
    }
    msrnn::Facts facts(const msrnn::Shape& lane, std::size_t budget) const {
        msrnn::Facts facts = msrnn::facts_of(policy, lane, budget);
        facts.name = name;
        return facts;
    }
    void rate(const msrnn::Swept& rows, msrnn::Ratings rating) const { policy.rate(rows, rating); }
    void observe(const msrnn::Seen& seen, msrnn::Ratings rating) const {
        const auto& given = seen.get<msrnn::Attention>();
        const std::vector<float> weights = Shown::keep(*shown, given, rating);
        msrnn::Seen rounded = seen;
        static_cast<msrnn::Attention&>(rounded) = {
            .weights = weights.data(), .query_heads = given.query_heads, .slots = given.slots, .stride = given.slots};
        policy.observe(rounded, rating);
    }
};

/// Chooses by what the last `window` queries of a prompt saw, as SnapKV does, but without pooling: in exact sums.
struct Chooser {
    static constexpr const char* name = "chooser";

    std::size_t window = 1;
    msrnn::Scope scope = msrnn::Scope::kv_head;
    std::shared_ptr<std::vector<Shown>> shown = std::make_shared<std::vector<Shown>>();

    msrnn::Protection protection(std::size_t) const { return {.sinks = 0, .recent = window}; }
    std::size_t observation_window() const { return window; }
    msrnn::Memory memory(const msrnn::Shape&) const { return {.columns = 1}; }
    void observe(const msrnn::Attention& seen, msrnn::Ratings rating) const {
        const std::vector<float> weights = Shown::keep(*shown, seen, rating);
        Trouble::perhaps();
        for (std::size_t slot = 0; slot < seen.slots; ++slot) {
            float sum = rating.rows == 1 ? 0 : rating.column(0)[slot];
            for (std::size_t head = 0; head < seen.query_heads; ++head) sum += weights[head * seen.slots + slot];
            rating.column(0)[slot] = sum;
        }
        Trouble::perhaps();
    }
    void rate(msrnn::Ratings rating) const {
        std::copy(rating.column(0).begin(), rating.column(0).end(), rating.rating.begin());
        Trouble::perhaps();
    }
};

/// What a state is made of.
struct StateSettings {
    msrnn::Shape shape;
    Choice choice;
    std::size_t rollback = 0;
    std::vector<std::size_t> budgets = {};  // [layers][lanes of a layer]
    std::size_t longest_prompt = 24;

    std::size_t lanes_per_layer() const { return choice.policy.scope == msrnn::Scope::layer ? 1 : shape.kv_heads; }
    bool sensible() const {
        return std::all_of(budgets.begin(), budgets.end(), [&](std::size_t budget) {
            return budget == msrnn::unbounded || mirror::sensible(choice.settings, budget, budget + 1);
        });
    }
};

/// Those that bytes choose are small: a run on them is short, and there are many.
inline StateSettings any_settings(Random& random) {
    const bool small = random.on_tape;
    StateSettings made{.shape = {}, .choice = any_choice(random), .longest_prompt = small ? 10u : 24u};
    made.shape.layers = 1 + random.below(2);
    made.shape.kv_heads = 1 + random.below(2);
    made.shape.query_heads = made.shape.kv_heads * (1 + random.below(small ? 2 : 3));
    made.shape.head_dim = small ? 1 + random.below(4) : random.one_of<std::size_t>({1, 3, 8});
    made.shape.scale = random.one_of({0.0f, 0.5f});
    made.rollback = random.below(4);
    const std::size_t budget = random.below(small ? 9 : 16);
    const bool bounded = !random.one_in(8), alike = random.one_in(2);
    for (std::size_t lane = 0; lane < made.shape.layers * made.lanes_per_layer(); ++lane)
        made.budgets.push_back(!bounded ? msrnn::unbounded : alike ? budget : budget + random.below(small ? 4 : 8));
    return made;
}

}  // namespace differential
