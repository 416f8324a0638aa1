// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "../config.hpp"
#include "../core/ratings.hpp"
#include "../core/seen.hpp"
#include "../lane/live_tokens.hpp"
#include "../policy/policy.hpp"

namespace msrnn::inline MSRNN_ABI {

namespace detail {
/// Where the meter's numbers stand in the memory of a lane.
struct Meter {
    static constexpr std::size_t mass_column = 0;
    enum Float : std::size_t { lost, carry, shown, floats };
};
}  // namespace detail

/// Any policy, and a meter of the attention that its evictions lose.
///
///     Lane<Metered<H2O>> lane(512);
///     ... append, observe, evict ...
///     lost_mass(lane)   // of all tokens evicted so far, see below
///
/// The mass of a token is the mean over the lane's query heads of the weight that the newest query gave it. The mass
/// lost by an eviction is what its victims had at that moment. Weights of a softmax add up to 1, so a loss of 0.01
/// means that the newest query gave 1 % of its attention to what the next one cannot see.
///
/// Decisions are those of the wrapped policy. Needs weights, whatever the policy needs. A token that was evicted by
/// name counts as lost too, and so does a rejected draft. In a prompt only queries that the policy observes are
/// counted. Memory: the wrapped policy's, one column and three floats more, in front of its own. Cost: two passes over
/// the slots at each token. Undo, copies and records of a lane keep the meter right, and slots may move. Everything
/// else is the wrapped policy's.
template <Policy P>
struct Metered {
    static constexpr const char* name = "metered";
    static constexpr Needs needs = {needs_of<P>().at_observe | Attention::bit, needs_of<P>().at_choice};

    P policy{};
    Scope scope = scope_of(policy);

    template <class Tell>
    void settings(Tell tell) const {
        tell("policy", policy);
        tell("scope", name_of(scope));
    }
    Facts facts(const Shape& lane, std::size_t budget) const {
        Facts facts = facts_of(policy, lane, budget);
        facts.name = name;
        facts.scope = scope;
        facts.needs.at_observe |= Attention::bit;
        facts.observes = true;
        facts.memory.columns += 1;
        facts.memory.floats += Meter::floats;
        return facts;
    }
    void observe(const Seen& seen, Ratings rating) const noexcept(!observe_may_throw<P>()) {
        const std::span<float> mass = rating.column(Meter::mass_column);
        add(rating.floats, rating.floats[Meter::shown] - sum(rating, mass));
        seen.template get<Attention>().mean_into(mass, 0);
        rating.floats[Meter::shown] = sum(rating, mass);
        observe_by(policy, seen, wrapped(rating));
    }
    void rate(const Swept& rows, Ratings rating) const noexcept(!rate_may_throw<P>()) {
        rate_by(policy, rows, wrapped(rating));
    }

private:
    using Meter = detail::Meter;

    /// In double, so that the order of the slots does not count; in several sums, which need not wait for each other.
    static float sum(const Ratings& rating, std::span<const float> mass) noexcept {
        constexpr std::size_t sums = 8;
        double sum[sums] = {};
        const auto take = [&](std::size_t slot, double& into) {
            into += rating.live(slot) ? static_cast<double>(mass[slot]) : 0;
        };
        std::size_t slot = 0;
        for (; slot + sums <= mass.size(); slot += sums)
            for (std::size_t i = 0; i < sums; ++i) take(slot + i, sum[i]);
        for (; slot < mass.size(); ++slot) take(slot, sum[0]);
        for (std::size_t i = 1; i < sums; ++i) sum[0] += sum[i];
        return static_cast<float>(sum[0]);
    }
    /// What is too small for the sum is carried to the next: a million small losses add up.
    static void add(std::span<float> numbers, float more) noexcept {
        const float rest = more - numbers[Meter::carry], total = numbers[Meter::lost] + rest;
        numbers[Meter::carry] = (total - numbers[Meter::lost]) - rest;
        numbers[Meter::lost] = total;
    }
    /// The memory behind the meter's own.
    static Ratings wrapped(Ratings rating) noexcept {
        rating.columns += rating.column_stride;
        rating.floats = rating.floats.subspan(Meter::floats);
        return rating;
    }
};
/// Of a policy.
template <Policy P>
Metered(P) -> Metered<P>;

/// The mass lost since the newest token was shown: by the last choice, where nothing was evicted by name.
template <class L>
double mass_lost_now(const L& lane) {
    using Meter = detail::Meter;
    MSRNN_ASSERT(lane.facts().memory.columns > 0 && lane.facts().memory.floats >= Meter::floats,
                 "msrnn: the policy of this lane is not Metered");
    if (lane.floats().empty()) return 0;  // no token yet
    double left = 0;
    for (const LaneToken token : lane.tokens())
        left += static_cast<double>(lane.column(Meter::mass_column)[token.slot]);
    return static_cast<double>(lane.floats()[Meter::shown] - static_cast<float>(left));
}
/// The mass lost by all evictions since the lane was made or reset. Divided by the tokens seen, the loss of a step.
template <class L>
double lost_mass(const L& lane) {
    if (lane.floats().empty()) return 0;  // no token yet
    const double now = mass_lost_now(lane);
    return static_cast<double>(lane.floats()[detail::Meter::lost]) -
           static_cast<double>(lane.floats()[detail::Meter::carry]) + now;
}

}  // namespace msrnn::inline MSRNN_ABI
