#include <cstddef>
#include <cstdint>
#include <msrnn/any_policy.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/choices.hpp"

namespace {

constexpr auto half = msrnn::half_of_budget;

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
        for (const std::uint64_t seed : {1u, 2u, 3u}) {
            add(differential::run(seed, 4000, policy));
            add(differential::run(seed, 2000, msrnn::AnyPolicy(policy), mirror));
            add(differential::run(seed, 2000, msrnn::Protect<P>{.policy = policy, .extra = {.sinks = 3, .recent = 0}}));
            add(differential::run(seed, 2000, msrnn::Protect<P>{.policy = policy, .extra = {.sinks = 1, .recent = 4}}));
        }
    }
};

}  // namespace

TEST_CASE("every policy decides as the dumbest program that could be right") {
    Comparison all;
    all.compare(msrnn::Window{});
    for (const std::size_t sinks : {0u, 1u, 4u}) all.compare(msrnn::SinkWindow{.sinks = sinks});
    all.compare(msrnn::Tova{});
    all.compare(msrnn::Tova{.scope = msrnn::Scope::kv_head});
    for (const std::size_t recent : {half, std::size_t{0}, std::size_t{1}, std::size_t{5}}) {
        all.compare(msrnn::H2O{.recent = recent});
        all.compare(msrnn::DecayedAttention{.decay = 0.9f, .recent = recent});
        all.compare(msrnn::KeyNorm{.recent = recent});
    }
    for (const float decay : {0.0f, 0.5f, 1.0f}) all.compare(msrnn::DecayedAttention{.decay = decay});
    all.compare(msrnn::RandomEviction{});
    all.compare(msrnn::RandomEviction{.seed = 0xFFFFFFFFFFFFFFFFu});
    CHECK(all.sum.steps > 200000);
    CHECK(all.sum.refusals > 100);
    CHECK(all.sum.bulk > 10000);
    CHECK(all.sum.moves > 10000);
    CHECK(all.sum.refused_pins > 1000);
    WARN("against the mirror: " << all.sum.steps << " steps compared, " << all.mismatches << " mismatches; among them "
                                << all.sum.bulk << " bulk evictions, " << all.sum.moves << " rows moved, "
                                << all.sum.refused_pins << " pins and " << all.sum.refusals << " lanes refused");
}

TEST_CASE("lanes of any policy, copied, gone back to and recorded, decide as their mirrors where sums are exact") {
    Comparison all;
    all.add(differential::run_choices(1, 100000));
    CHECK(all.sum.records > 1000);
    CHECK(all.sum.taken_back > 2000);
    CHECK(all.sum.vacant_records > 100);
}

TEST_CASE("tokens that are taken back after a renumbering leave in the order in which they came") {
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

    std::vector<msrnn::LaneCheckpoint> steps;
    const auto two_steps = [&] {
        std::vector<msrnn::Slot> victims;
        for (const int position : {300, 301}) {
            steps.push_back(lane.checkpoint());
            lane.append(position);
            victims.push_back(lane.evict().front());
        }
        return victims;
    };
    const std::vector<msrnn::Slot> victims{first, second};
    CHECK(two_steps() == victims);
    for (const std::size_t step : {1u, 0u}) lane.restore(steps[step]);
    CHECK(two_steps() == victims);
}

TEST_CASE("a policy chosen by name decides as the policy of that name") {
    Comparison named;
    const auto compare = [&](const char* name, const mirror::Settings& settings) {
        named.add(differential::run(4, 2000, msrnn::AnyPolicy::named(name), settings));
    };
    compare("window", differential::mirrored(msrnn::Window{}));
    compare("sink-window", differential::mirrored(msrnn::SinkWindow{}));
    compare("tova", differential::mirrored(msrnn::Tova{}));
    compare("tova-head", differential::mirrored(msrnn::Tova{}));
    compare("h2o", differential::mirrored(msrnn::H2O{}));
    compare("decayed", differential::mirrored(msrnn::DecayedAttention{}));
    compare("key-norm", differential::mirrored(msrnn::KeyNorm{}));
    compare("random", differential::mirrored(msrnn::RandomEviction{}));
    CHECK(named.sum.steps >= 16000);
}
