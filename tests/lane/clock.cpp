#include <cstdint>
#include <msrnn/decide.hpp>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/differential.hpp"
#include "support/sanitized.hpp"

namespace clock_tests {

namespace {

/// More tokens than 16-bit stamps count; the first of them pinned, or sinks, to the end.
struct LongRun {
    std::uint64_t steps = 0, tokens = 0;

    template <class P>
    void compare(const P& policy) {
        constexpr std::uint64_t operations = 140000;
        const differential::Plan plan{.resets = false, .forks = false, .spares_ancient = true};
        const auto outcome =
            differential::run<std::uint16_t>(9, operations, policy, differential::mirrored(policy), operations, plan);
        INFO(outcome.mismatch);
        CHECK(outcome.mismatch.empty());
        CHECK(outcome.tokens > 65535 + 16384);
        CHECK(outcome.ancient > 0);
        steps += outcome.steps;
        tokens += outcome.tokens;
    }
};

}  // namespace

TEST_CASE("more tokens than a stamp counts change no decision", MSRNN_LONG_TEST) {
    LongRun run;
    run.compare(msrnn::Protect<msrnn::Tova>{.policy = {}, .extra = {.sinks = 2, .recent = 0}});
    run.compare(msrnn::H2O{});
    WARN("16-bit stamps against the mirror: " << run.steps << " steps, " << run.tokens << " tokens");
}

TEST_CASE("nor do lanes whose stamps count 255 tokens, through copies and resets too") {
    const auto compare = [](const auto& policy) {
        const auto outcome =
            differential::run<std::uint8_t>(10, sanitized ? 5000 : 20000, policy, differential::mirrored(policy), 4000);
        INFO(outcome.mismatch);
        CHECK(outcome.mismatch.empty());
    };
    compare(msrnn::Window{});
    compare(msrnn::SinkWindow{.sinks = 2});
    compare(msrnn::Tova{});
    compare(msrnn::H2O{});
    compare(msrnn::Protect<msrnn::DecayedAttention>{.policy = {}, .extra = {.sinks = 3, .recent = 0}});
    compare(msrnn::KeyNorm{.recent = 1});
    compare(msrnn::RandomEviction{});
}

TEST_CASE("sinks and pins outlive the stamps, and an unpinned token competes again in the order of its arrival") {
    msrnn::Lane<msrnn::SinkWindow, std::uint16_t> lane({.budget = 6}, {.sinks = 2});
    for (std::int64_t t = 0; t < 6; ++t) by_arrival::step(lane, t);
    REQUIRE(lane.pin(by_arrival::slot_at(lane, 3)));
    REQUIRE(lane.pin(by_arrival::slot_at(lane, 4)));
    for (std::int64_t t = 6; t < 200000; ++t) by_arrival::step(lane, t);
    CHECK(by_arrival::kept(lane) == std::vector<std::int64_t>{0, 1, 3, 4, 199998, 199999});
    lane.unpin(by_arrival::slot_at(lane, 4));
    lane.unpin(by_arrival::slot_at(lane, 3));
    CHECK(by_arrival::step(lane, 200000) == std::vector<std::int64_t>{3});
    CHECK(by_arrival::step(lane, 200001) == std::vector<std::int64_t>{4});
    CHECK(by_arrival::step(lane, 200002) == std::vector<std::int64_t>{199998});
    CHECK(by_arrival::kept(lane) == std::vector<std::int64_t>{0, 1, 199999, 200000, 200001, 200002});
    CHECK(lane.seen() == 200003);
}

TEST_CASE("a lane that outlived its stamps and was reset starts as a new one") {
    msrnn::Lane<msrnn::SinkWindow, std::uint16_t> lane({.budget = 4}, {.sinks = 2});
    for (std::int64_t t = 0; t < 70000; ++t) by_arrival::step(lane, t);
    lane.reset();
    for (std::int64_t t = 0; t < 70000; ++t) {
        const auto victims = by_arrival::step(lane, t);
        if (t >= 4) REQUIRE(victims == std::vector<std::int64_t>{t - 2});
    }
    CHECK(lane.arrival(by_arrival::slot_at(lane, 69999)) == 69999);
}

}  // namespace clock_tests
