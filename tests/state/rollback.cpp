#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/policies.hpp"
#include "support/same_record.hpp"
#include "support/tokens.hpp"
#include "support/undone.hpp"

namespace rollback_tests {

using namespace msrnn;
using namespace undone;

TEST_CASE("steps that are all undone change no bit of what follows, whatever was before") {
    constexpr std::size_t depth = 4, budget = 6;
    std::size_t compared = 0, policies = 0;
    const auto check = [&]<class P>(const P& policy) {
        ++policies;
        for (const int before : {0, 1, 5, 6, 7, 20}) {
            State<P> expected(small, {.budget = budget}, policy);
            steps(expected, 0, before);
            for (std::size_t tokens = 0; tokens <= depth; ++tokens) {
                State<P> state(small, {.budget = budget}, policy, {.tokens = depth});
                steps(state, 0, before);
                steps(state, before, before + static_cast<int>(tokens), 77);
                REQUIRE(state.rollback(tokens));
                CAPTURE(before, tokens);
                REQUIRE(difference(state, expected) == "");
                State<P> onward = expected;
                for (int t = before; t < before + 15; ++t) {
                    const Random random{500 + static_cast<std::uint64_t>(t)};
                    REQUIRE(same_bits(step(state, t, random), step(onward, t, random)));
                    REQUIRE(difference(state, onward) == "");
                    ++compared;
                }
            }
        }
    };
    for_every_policy(check);
    check(Tova{});
    CHECK(policies >= 10);
    CHECK(compared == policies * 6 * (depth + 1) * 15);
}

TEST_CASE("one slot that was written over by every token of a draft is what it was") {
    constexpr std::size_t depth = 5;
    State<AnyPolicy> state(small, {.budget = 6}, Tova{}, {.tokens = depth});
    steps(state, 0, 20);
    const State<AnyPolicy> before = state;
    const std::size_t victim = state.lane(0, 0).next();
    std::size_t at_once = 0;
    for (int t = 20; t < 25; ++t)
        for (std::size_t layer = 0; layer < small.layers; ++layer) {
            Random random{static_cast<std::uint64_t>(t)};
            Token token(small, random);
            for (std::size_t i = 0; i < token.k.size(); ++i) token.k[i] = 60;  // never attended to
            for (float& x : token.q) x = -1;
            state.step(layer, t, token.q, token.k, token.v, token.out);
            at_once += state.lane(layer, 0).position(state.lane(layer, 0).victims()[0]).value() == t;
        }
    REQUIRE(at_once == depth * small.layers);
    REQUIRE(state.lane(0, 0).next() == victim);
    REQUIRE(state.key(0, 0, Slot(victim))[0] == 60.0f);
    CHECK(state.rollback(depth));
    CHECK(difference(state, before) == "");
}

TEST_CASE("beyond what is reversible nothing is taken back and nothing changes") {
    for_every_policy([]<class P>(const P& policy) {
        State<P> state(small, {.budget = 6}, policy, {.tokens = 3});
        CHECK_FALSE(state.rollback(1));
        steps(state, 0, 2);
        CHECK(state.reversible() == 2);
        CHECK_FALSE(state.rollback(3));
        steps(state, 2, 30);
        const State<P> before = state;
        CHECK(state.reversible() == 3);
        CHECK_FALSE(state.rollback(4));
        CHECK_FALSE(state.rollback(std::numeric_limits<std::size_t>::max()));
        CHECK(difference(state, before) == "");
        CHECK(state.reversible() == 3);
        CHECK(state.rollback(2));
        CHECK(state.reversible() == 1);
        CHECK_FALSE(state.rollback(2));
        CHECK(state.rollback(1));
        CHECK_FALSE(state.rollback(1));
        CHECK(state.lane(1, 1).seen() == 27);
    });
}

TEST_CASE("a rollback that is refused does not change a half-done step") {
    State<AnyPolicy> state(small, {.budget = 6}, H2O{}, {.tokens = 2});
    steps(state, 0, 9);
    State<AnyPolicy> whole = state;
    Random random{3};
    Token token(small, random), other = token;
    state.attend(0, 0, token.q, token.k, token.v, token.out);
    CHECK_FALSE(state.rollback(3));
    CHECK_FALSE(state.between_steps());
    state.attend(0, 1, token.q, token.k, token.v, token.out);
    state.decide(0, 9);
    whole.step(0, 9, other.q, other.k, other.v, other.out);
    CHECK(same_bits(token.out, other.out));
    CHECK(difference(state, whole) == "");
}

TEST_CASE("a half-done step is given up, its rows with it, with and without whole ones before it") {
    for_every_policy([]<class P>(const P& policy) {
        State<P> state(small, {.budget = 6}, policy, {.tokens = 3});
        for (const int before : {0, 4, 30}) {
            state.reset();
            steps(state, 0, before);
            const State<P> start = state;
            for (std::size_t tokens = 0; tokens <= 3; ++tokens)
                for (std::size_t heads = 1; heads <= small.kv_heads; ++heads) {
                    steps(state, before, before + static_cast<int>(tokens), 40);
                    Random random{tokens};
                    Token token(small, random);
                    for (std::size_t h = small.kv_heads - heads; h < small.kv_heads; ++h)
                        state.attend(1, h, token.q, token.k, token.v, token.out);
                    CHECK_FALSE(state.between_steps());
                    REQUIRE(state.rollback(tokens));
                    CHECK(state.between_steps());
                    CAPTURE(before, tokens, heads);
                    REQUIRE(difference(state, start) == "");
                }
        }
    });
}

TEST_CASE("a head that attends twice before the decision is taken back to before the first time") {
    State<AnyPolicy> state(small, {.budget = 6}, Tova{}, {.tokens = 2});
    steps(state, 0, 12);
    const State<AnyPolicy> before = state;
    Random random{8};
    for (std::size_t layer = 0; layer < small.layers; ++layer) {
        Token first(small, random), second(small, random);
        for (std::size_t h = 0; h < small.kv_heads; ++h) state.attend(layer, h, first.q, first.k, first.v, first.out);
        for (std::size_t h = 0; h < small.kv_heads; ++h)
            state.attend(layer, h, second.q, second.k, second.v, second.out);
        state.decide(layer, 12);
    }
    CHECK(state.rollback(1));
    CHECK(difference(state, before) == "");
}

TEST_CASE("a fork carries a history of its own") {
    for_every_policy([]<class P>(const P& policy) {
        const auto fresh = [&](int to) {
            State<P> state(small, {.budget = 6}, policy, {.tokens = 4});
            steps(state, 0, to);
            return state;
        };
        State<P> left = fresh(20), right = left;
        CHECK(right.reversible() == 4);
        steps(left, 20, 26, 300);
        CHECK(left.rollback(3));
        CHECK(difference(right, fresh(20)) == "");

        CHECK(right.rollback(4));
        CHECK(difference(right, fresh(16)) == "");
        steps(right, 16, 30);

        State<P> expected = fresh(20);
        steps(expected, 20, 23, 300);
        CHECK(difference(left, expected) == "");
        CHECK(left.rollback(1));
        State<P> shorter = fresh(20);
        steps(shorter, 20, 22, 300);
        CHECK(difference(left, shorter) == "");

        left = right;
        CHECK(left.rollback(4));
        CHECK(difference(left, fresh(26)) == "");
        CHECK(difference(right, fresh(30)) == "");
        CHECK(right.reversible() == 4);
    });
}

}  // namespace rollback_tests
