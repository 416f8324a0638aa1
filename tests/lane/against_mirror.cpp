#include <cstddef>
#include <cstdint>
#include <msrnn/any_policy.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/choices.hpp"
#include "support/sanitized.hpp"

namespace against_mirror_tests {

namespace {

constexpr std::uint64_t seeds = sanitized ? 1 : 3, steps = sanitized ? 500 : 2000;

/// Compares one policy as itself, as AnyPolicy, and under two kinds of Protect.
struct Comparison {
    differential::Outcome sum;
    std::uint64_t mismatches = 0;

    void add(const differential::Outcome& outcome) {
        INFO(outcome.mismatch);
        CHECK(outcome.mismatch.empty());
        sum.steps += outcome.steps;
        sum.refusals += outcome.refusals;
        sum.bulk += outcome.bulk;
        sum.moves += outcome.moves;
        sum.refused_pins += outcome.refused_pins;
        sum.records += outcome.records;
        sum.taken_back += outcome.taken_back;
        sum.vacant_records += outcome.vacant_records;
        mismatches += !outcome.mismatch.empty();
    }

    template <class P>
    void compare(const P& policy) {
        const auto mirror = differential::mirrored(policy);
        for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
            add(differential::run(seed, 2 * steps, policy));
            add(differential::run(seed, steps, msrnn::AnyPolicy(policy), mirror));
            add(differential::run(seed, steps,
                                  msrnn::Protect<P>{.policy = policy, .extra = {.sinks = 3, .recent = 0}}));
            add(differential::run(seed, steps,
                                  msrnn::Protect<P>{.policy = policy, .extra = {.sinks = 1, .recent = 4}}));
        }
    }
};

}  // namespace

TEST_CASE("every policy decides as the dumbest program that could be right") {
    Comparison all;
    mirror::for_each_policy([&](const auto& policy) {
        const auto samples = mirror::samples(policy);
        for (const auto& sample : samples.exact) all.compare(sample);
        for (const auto& sample : samples.others) all.compare(sample);
    });
    CHECK(all.sum.steps > seeds * 33 * steps);
    if (!sanitized) CHECK(all.sum.refusals > 100);  // a shorter run tries fewer lanes
    CHECK(all.sum.bulk > seeds * 2 * steps);
    CHECK(all.sum.moves > seeds * 2 * steps);
    CHECK(all.sum.refused_pins > seeds * steps / 20);
    WARN("against the mirror: " << all.sum.steps << " steps compared, " << all.mismatches << " mismatches; among them "
                                << all.sum.bulk << " bulk evictions, " << all.sum.moves << " rows moved, "
                                << all.sum.refused_pins << " pins and " << all.sum.refusals << " lanes refused");
}

TEST_CASE("policies that rate by rows and queries decide as the dumbest programs that could be right") {
    Comparison all;
    mirror::for_each_sample_of_rows([&](const auto& policy) {
        INFO("policy " << policy.name);
        const auto mirror = differential::mirrored(policy);
        differential::AnyProtected any{.policy = policy};
        for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
            all.add(differential::run(seed, 1000, any, mirror));
            all.add(differential::run<std::uint8_t>(seed, 500, any, mirror));
        }
        any.extra = {.sinks = 1, .recent = 2};
        auto more = mirror;
        more.extra_sinks = 1, more.extra_recent = 2;
        for (std::uint64_t seed = 1; seed <= seeds; ++seed) all.add(differential::run(seed, 500, any, more));
    });
    CHECK(all.sum.steps > seeds * 40000);
    CHECK(all.sum.records > seeds * 200);
    CHECK(all.sum.taken_back > seeds * 200);
}

TEST_CASE("lanes of any policy, copied, gone back to and recorded, decide as their mirrors where sums are exact") {
    Comparison all;
    all.add(differential::run_choices(1, 50 * steps));
    CHECK(all.sum.records > steps / 2);
    CHECK(all.sum.taken_back > steps);
    CHECK(all.sum.vacant_records > steps / 20);
}

TEST_CASE("tokens appended again after a take_back are evicted in the order of arrival") {
    msrnn::Lane<msrnn::Window, std::uint8_t> lane(4);
    const msrnn::Slot gone = lane.append(0), first = lane.append(1);
    lane.evict(gone);
    const msrnn::Slot second = lane.append(2);
    REQUIRE(second < first);
    REQUIRE((lane.pin(first) && lane.pin(second)));
    for (int position = 3; position < 300; ++position) {
        lane.append(position);
        lane.evict();
    }
    lane.unpin(first);
    lane.unpin(second);

    std::vector<msrnn::LaneCheckpoint> before;
    const auto two_steps = [&] {
        std::vector<msrnn::Slot> victims;
        for (const int position : {300, 301}) {
            before.push_back(lane.checkpoint());
            lane.append(position);
            victims.push_back(lane.evict().front());
        }
        return victims;
    };
    const std::vector<msrnn::Slot> victims{first, second};
    CHECK(two_steps() == victims);
    for (const std::size_t step : {1u, 0u}) lane.restore(before[step]);
    CHECK(two_steps() == victims);
}

TEST_CASE("a policy chosen by name decides as the policy of that name") {
    Comparison named;
    const auto compare = [&](const char* name, const mirror::Settings& settings) {
        named.add(differential::run(4, 2000, msrnn::AnyPolicy::named(name), settings));
    };
    mirror::for_each_policy([&](const auto& policy) { compare(policy.name, differential::mirrored(policy)); });
    compare("tova-head", differential::mirrored(msrnn::Tova{}));
    CHECK(named.sum.steps >= 16000);
}

}  // namespace against_mirror_tests
