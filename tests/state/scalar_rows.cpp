#include "state/scalars.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <msrnn/any_policy.hpp>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/tokens.hpp"

namespace scalars_tests {

TEMPLATE_LIST_TEST_CASE("a prompt's survivors keep rows and scales, for every scalar", "", EveryScalar) {
    for_known_policies([](const AnyPolicy& policy) {
        for (const Prefill mode : {Prefill::one_shot(), Prefill::chunked(17)}) {
            CAPTURE(mode.chunk);
            AnyState<TestType> state(one_layer, {.budget = 16}, policy);
            prefill(state, 0, 70, mode);
            REQUIRE(state.lane(0, 1).size() == 16);
            REQUIRE(rows_are_their_tokens(state));
            steps(state, 70, 100);
            REQUIRE(rows_are_their_tokens(state));
        }
    });
}

TEMPLATE_LIST_TEST_CASE("states of every scalar fork and begin anew", "", EveryScalar) {
    for_known_policies([](const AnyPolicy& policy) {
        AnyState<TestType> state(small, {.budget = 10}, policy);
        const std::vector<float> expected = steps(state, 0, 30);
        AnyState<TestType> fork = state, again = state;
        steps(fork, 100, 120);
        CHECK(rows_are_their_tokens(fork));
        CHECK(same_bits(steps(state, 30, 50), steps(again, 30, 50)));
        CHECK(rows_are_their_tokens(state));
        state.reset();
        CHECK(same_bits(steps(state, 0, 30), expected));
    });
}

TEMPLATE_LIST_TEST_CASE("rows and scales follow their tokens when budgets change and tokens are evicted by name", "",
                        EveryScalar) {
    for_known_policies([](const AnyPolicy& policy) {
        AnyState<TestType> state(small, {.budget = 20}, policy);
        steps(state, 0, 50);
        state.set_budget(1, 1, 11);
        CHECK(state.lane(1, 1).extent() == 11);
        CHECK(rows_are_their_tokens(state));
        steps(state, 50, 80);
        CHECK(rows_are_their_tokens(state));
        state.set_budget(1, 1, 70);
        steps(state, 80, 170);
        CHECK(state.lane(1, 1).size() == 70);
        CHECK(rows_are_their_tokens(state));
        for (std::size_t slot : {3u, 0u, 16u}) {
            while (!state.lane(0, 0).live(Slot(slot))) ++slot;
            state.evict(0, 0, Slot(slot));
            CHECK(rows_are_their_tokens(state));
        }
        CHECK(state.lane(0, 0).extent() == 17);
        steps(state, 170, 200);
        CHECK(state.lane(0, 0).size() == 20);
        CHECK(rows_are_their_tokens(state));
    });
}

TEMPLATE_LIST_TEST_CASE(
    "rows and scales follow their tokens through steps, prompts, budgets and evictions in any order", "", EveryScalar) {
    for_known_policies([](const AnyPolicy& policy) {
        Random random{41};
        AnyState<TestType> state(one_layer, {.budget = 20}, policy);
        std::int64_t position = 0;
        for (int operation = 0; operation < 60; ++operation) {
            const std::size_t dice = random.below(10), kv_head = random.below(2);
            const auto tokens = static_cast<std::int64_t>(1 + random.below(40));
            const auto& lane = state.lane(0, kv_head);
            CAPTURE(operation, dice, kv_head, tokens);
            if (dice < 4) steps(state, position, position + tokens);
            if (dice == 4) prefill(state, position, position + tokens, Prefill::one_shot());
            if (dice == 5) prefill(state, position, position + tokens, Prefill::chunked(1 + random.below(12)));
            if (dice < 6) position += tokens;
            if (dice == 6) state.set_budget(0, kv_head, 12 + random.below(30));
            if (dice == 7 && random.one_in(4)) state.set_budget(0, kv_head, unbounded);
            if (dice > 7 && lane.size() > 1) {
                std::size_t slot = random.below(lane.extent());
                while (!lane.live(Slot(slot))) slot = (slot + 1) % lane.extent();
                state.evict(0, kv_head, Slot(slot));
            }
            REQUIRE(rows_are_their_tokens(state));
        }
    });
}

TEMPLATE_LIST_TEST_CASE("bytes() counts rows at the size of their scalar, and a scale for each row of bytes", "",
                        EveryScalar) {
    const std::size_t numbers = 2 * small.layers * small.kv_heads * 101 * small.head_dim;
    const std::size_t scales = std::is_same_v<TestType, std::int8_t> ? 2 * small.layers * small.kv_heads * 101 : 0;
    const std::size_t row = std::is_same_v<TestType, float> ? 0 : small.head_dim;
    const AnyState<float> floats(small, {.budget = 100}, H2O{});
    const AnyState<TestType> state(small, {.budget = 100}, H2O{});
    const std::size_t others = floats.bytes() - numbers * sizeof(float);
    CHECK(state.bytes() == others + numbers * sizeof(TestType) + (scales + row) * sizeof(float));
}

TEMPLATE_LIST_TEST_CASE("a token that holds a NaN harms no other KV head", "", EveryScalar) {
    AnyState<TestType> state(one_layer, {.budget = 6}, Window{}), clean = state;
    const std::size_t half = one_layer.group() * one_layer.head_dim;
    for (std::int64_t t = 0; t < 20; ++t) {
        Token a = token_at(one_layer, 0, t), b = a;
        if (t == 8) b.k[3] = std::nanf("");
        clean.step(0, t, a.q, a.k, a.v, a.out);
        state.step(0, t, b.q, b.k, b.v, b.out);
        CAPTURE(t);
        CHECK(std::isnan(b.out[0]) == (t >= 8 && t < 8 + 7));
        CHECK(std::memcmp(&a.out[half], &b.out[half], half * sizeof(float)) == 0);
    }
}

}  // namespace scalars_tests
