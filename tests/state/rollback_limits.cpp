#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <stdexcept>
#include <vector>

#include "support/catch.hpp"
#include "support/tokens.hpp"
#include "support/undone.hpp"

namespace rollback_limits_tests {

using namespace msrnn;
using namespace undone;

namespace {
/// What History says that it keeps of a token: ratings and columns, the rows of a victim, and some bookkeeping.
template <class P, class S>
std::size_t bytes_of_one_entry(const State<P, S>& state) {
    std::size_t bytes = 0;
    for (const Lane<P>& lane : state.lanes())
        bytes += lane.capacity() * (!lane.facts().rates + lane.facts().memory.columns) * sizeof(float);
    const std::size_t scale = std::same_as<S, std::int8_t> ? sizeof(float) : 0;
    return bytes + state.rows().size() * 2 * (state.shape().head_dim * sizeof(S) + scale);
}

}  // namespace

TEST_CASE("reversible() counts the steps since anything else has changed the state, up to the depth") {
    const auto grown = [] {
        State<AnyPolicy> state(small, {.budget = 6}, SinkWindow{.sinks = 2}, {.tokens = 3});
        CHECK(state.reversible() == 0);
        steps(state, 0, 1);
        CHECK(state.reversible() == 1);
        steps(state, 1, 20);
        CHECK(state.reversible() == 3);
        return state;
    };
    const auto cuts = [&](auto change) {
        State<AnyPolicy> state = grown();
        change(state);
        CHECK(state.reversible() == 0);
        CHECK(state.rollback(0));
        const State<AnyPolicy> after = state;
        steps(state, 20, 22);
        CHECK(state.reversible() == 2);
        CHECK_FALSE(state.rollback(3));
        CHECK(state.rollback(2));
        CHECK(difference(state, after) == "");
    };
    cuts([](auto& state) { state.set_budget(1, 1, 5); });
    cuts([](auto& state) { state.set_budget(0, 0, 9); });
    cuts([](auto& state) { CHECK(state.pin(1, 0, state.lane(1, 0).victims()[0] == Slot(3) ? Slot(4) : Slot(3))); });
    cuts([](auto& state) { state.evict(0, 1, Slot(0)); });
    cuts([](auto& state) { state.reset(); });
    cuts([](auto& state) {
        std::vector<LaneRecord> records;
        for (const auto& lane : state.lanes()) records.push_back(lane.record());
        state.restore(records, {state.rows().begin(), state.rows().end()});
    });
    cuts([](auto& state) {  // of more tokens than can be undone
        const std::vector<float> four(4 * 16, 0.25f), keys(4 * 8, 0.25f);
        std::vector<float> out(four.size());
        state.prefill(1, 20, four, keys, keys, out);
    });
    cuts([](auto& state) {
        CHECK(state.pin(0, 0, Slot(0)));
        state.unpin(0, 0, Slot(0));
    });
}

TEST_CASE("what is refused does not cut the history") {
    State<AnyPolicy> state(small, {.budget = 6}, SinkWindow{.sinks = 2}, {.tokens = 3});
    steps(state, 0, 20);
    const State<AnyPolicy> before = state;
    const auto keeps = [&](auto refused) {
        refused();
        CHECK(state.reversible() == 3);
        CHECK(difference(state, before) == "");
    };
    const std::vector<float> two(2 * 16), keys(2 * 8), none;
    std::vector<float> out(two.size()), no_out;
    keeps([&] { CHECK_THROWS_AS(state.set_budget(0, 0, 0), std::invalid_argument); });
    keeps([&] { CHECK_THROWS_AS(state.set_budget(1, 1, 2), std::invalid_argument); });
    keeps([&] { CHECK_THROWS_AS(state.prefill(0, 20, two, keys, keys, out, {.chunk = 0}), std::invalid_argument); });
    keeps([&] {
        CHECK_THROWS_AS(state.prefill(0, 20, two, keys, keys, out, Prefill::one_shot(), SnapKV{.window = 1000}),
                        std::invalid_argument);
    });
    keeps([&] { state.prefill(0, 20, none, none, none, no_out); });
    keeps([&] { CHECK_THROWS_AS(state.restore({}, {}), std::invalid_argument); });
    CHECK(state.rollback(3));
    CHECK(state.lane(0, 0).seen() == 17);
}

TEST_CASE("a pin that is refused does not cut the history") {
    State<AnyPolicy> state(small, {.budget = 4}, Window{}, {.tokens = 9});
    steps(state, 0, 4);
    for (const std::size_t slot : {0u, 1u, 2u}) REQUIRE(state.pin(0, 0, Slot(slot)));
    steps(state, 4, 6);
    const State<AnyPolicy> before = state;
    CHECK_FALSE(state.pin(0, 0, state.lane(0, 0).victims()[0] == Slot(3) ? Slot(4) : Slot(3)));
    CHECK(state.reversible() == 2);
    CHECK(difference(state, before) == "");
}

TEST_CASE("a budget no lane can number is refused in a sentence, and does not cut the history") {
    State<AnyPolicy> state(one_layer, {.budget = 4}, Window{}, {.tokens = 3});
    steps(state, 0, 9);
    for (const std::size_t budget : {std::numeric_limits<std::size_t>::max() - 1, std::size_t{1} << 55}) {
        CAPTURE(budget);
        CHECK_THROWS_AS(state.set_budget(0, 0, budget), std::invalid_argument);
        CHECK(state.lane(0, 0).budget() == 4);
        CHECK(state.reversible() == 3);
    }
}

TEST_CASE("where layers have different numbers of steps to undo, the fewest count") {
    State<AnyPolicy> state(small, {.budget = 4}, Window{}, {.tokens = 3});
    Random random{9};
    Token token(small, random);
    state.step(0, 0, token.q, token.k, token.v, token.out);
    CHECK(state.reversible() == 0);
    CHECK_FALSE(state.rollback(1));
    CHECK(state.lane(0, 0).seen() == 1);
    state.step(1, 0, token.q, token.k, token.v, token.out);
    CHECK(state.reversible() == 1);
    state.evict(1, 0, Slot(0));
    CHECK(state.reversible() == 0);
}

TEST_CASE("without a depth there is nothing to take back, and nothing is kept for it") {
    State<AnyPolicy> state(small, {.budget = 6}, Tova{});
    const std::size_t rows = small.layers * small.kv_heads * 2 * 7 * small.head_dim * sizeof(float);
    const std::size_t weights = small.query_heads * 16 * sizeof(float);
    CHECK(state.bytes() == rows + weights + small.layers * state.lane(0, 0).bytes());
    steps(state, 0, 20);
    CHECK(state.bytes() == rows + weights + small.layers * state.lane(0, 0).bytes());
    CHECK(state.reversible() == 0);
    CHECK_FALSE(state.rollback(1));
    const State<AnyPolicy> before = state;
    CHECK(state.rollback(0));
    CHECK(difference(state, before) == "");

    Random random{1};
    Token token(small, random);
    state.attend(0, 0, token.q, token.k, token.v, token.out);
    CHECK(state.rollback(0));
    CHECK(state.between_steps());
}

TEMPLATE_TEST_CASE("a depth costs so many copies of the ratings and of one token's rows", "", float, Eigen::half,
                   std::int8_t) {
    for (const char* name : {"tova", "h2o"}) {
        const auto with = [&](std::size_t depth) {
            return State<AnyPolicy, TestType>(small, {.budget = 6}, AnyPolicy::named(name), {.tokens = depth});
        };
        const State<AnyPolicy, TestType> without = with(0);
        const std::size_t one = bytes_of_one_entry(without);
        CAPTURE(name);
        const std::size_t bookkeeping = (sizeof(LaneCheckpoint) + 32) * without.lanes().size();
        const std::size_t seven = with(9).bytes() - with(2).bytes();
        CHECK(seven > 7 * one);
        CHECK(seven <= 7 * (one + bookkeeping));
        CHECK(with(1).bytes() > without.bytes() + one);
        CHECK(with(1).bytes() <= without.bytes() + 2 * (one + bookkeeping));
        State<AnyPolicy, TestType> used = with(5);
        steps(used, 0, 30);
        CHECK(used.bytes() == with(5).bytes());
    }
}

TEST_CASE("a depth beyond the memory is refused in a sentence") {
    CHECK_THROWS_AS(State<AnyPolicy>(small, {.budget = 6}, Tova{}, {.tokens = std::numeric_limits<std::size_t>::max()}),
                    std::invalid_argument);
}

}  // namespace rollback_limits_tests
