#include <cstddef>
#include <cstdint>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <span>

#include "support/catch.hpp"
#include "support/policies.hpp"
#include "support/same_record.hpp"
#include "support/tokens.hpp"
#include "support/undone.hpp"

namespace rollback_prompts_tests {

using namespace msrnn;
using namespace undone;

TEST_CASE("a prompt token by token is steps, and can be undone") {
    for_every_policy([]<class P>(const P& policy) {
        State<P> state(small, {.budget = 6}, policy, {.tokens = 4});
        steps(state, 0, 10);
        const State<P> before = state;
        Random random{6};
        for (std::size_t layer = 0; layer < small.layers; ++layer) {
            Token prompt(
                Shape{.query_heads = 4 * small.query_heads, .kv_heads = 4 * small.kv_heads, .head_dim = small.head_dim},
                random);
            state.prefill(layer, 10, prompt.q, prompt.k, prompt.v, prompt.out, Prefill::per_token());
        }
        CHECK(state.lane(1, 0).seen() == 14);
        CHECK(state.reversible() == 4);
        CHECK(state.rollback(4));
        CHECK(difference(state, before) == "");
    });
}

TEST_CASE("a prompt in chunks is undone token by token: the state is that which took the others alone") {
    for_every_policy([]<class P>(const P& policy) {
        for (const Prefill mode : {Prefill::one_shot(), Prefill::chunked(2), Prefill::chunked(3)})
            for (std::size_t undone = 0; undone <= 5; ++undone)
                for (const int more : {0, 2}) {
                    CAPTURE(mode.chunk, undone, more);
                    State<P, std::int8_t> state(small, {.budget = 12}, policy, {.tokens = 8});
                    steps(state, 0, 20);
                    State<P, std::int8_t> expected = state;
                    const auto take = [&](State<P, std::int8_t>& one, std::size_t tokens) {
                        Random random{6};
                        for (std::size_t layer = 0; layer < small.layers; ++layer) {
                            Token text(Shape{.query_heads = 20, .kv_heads = 10, .head_dim = small.head_dim}, random);
                            one.prefill(layer, 20, std::span(text.q).first(tokens * 16),
                                        std::span(text.k).first(tokens * 8), std::span(text.v).first(tokens * 8),
                                        std::span(text.out).first(tokens * 16), mode);
                        }
                    };
                    take(state, 5);
                    CHECK(state.reversible() == 5);
                    const std::size_t with_prompt = state.bytes();
                    steps(state, 25, 25 + more, 700);
                    const State<P, std::int8_t> fork = state;
                    CHECK_FALSE(state.rollback(6 + static_cast<std::size_t>(more)));
                    CHECK(state.rollback(undone + static_cast<std::size_t>(more)));
                    take(expected, 5 - undone);
                    CHECK(difference(state, expected) == "");
                    CHECK(state.reversible() == expected.reversible());
                    if (undone == 0 && more == 0) CHECK(state.bytes() == with_prompt);
                    for (int t = 30; t < 34; ++t)
                        CHECK(same_bits(step(state, t, Random{static_cast<std::uint64_t>(t)}),
                                        step(expected, t, Random{static_cast<std::uint64_t>(t)})));
                    CHECK(difference(state, expected) == "");
                    CHECK(state.rollback(4));
                    state = fork;
                    CHECK(state.rollback(5 + static_cast<std::size_t>(more)));
                    CHECK(state.reversible() == 8);
                }
    });
}

TEST_CASE("what undoes a prompt is given back when it is out of reach") {
    State<AnyPolicy> state(small, {.budget = 6}, H2O{}, {.tokens = 3});
    steps(state, 0, 20);
    const std::size_t bytes = state.bytes();
    Random random{6};
    for (std::size_t layer = 0; layer < small.layers; ++layer) {
        Token prompt(Shape{.query_heads = 8, .kv_heads = 4, .head_dim = small.head_dim}, random);
        state.prefill(layer, 20, prompt.q, prompt.k, prompt.v, prompt.out);
    }
    CHECK(state.bytes() > bytes + bytes / 2);
    steps(state, 22, 24);
    CHECK(state.reversible() == 3);
    CHECK(state.bytes() > bytes + bytes / 2);
    steps(state, 24, 25);
    CHECK(state.reversible() == 3);
    CHECK(state.bytes() == bytes);
}

TEST_CASE("a pass of prompts that was cancelled between two layers is taken back") {
    State<AnyPolicy> state(small, {.budget = 6}, Tova{}, {.tokens = 4});
    steps(state, 0, 9);
    const State<AnyPolicy> before = state;
    Random random{6};
    Token prompt(Shape{.query_heads = 12, .kv_heads = 6, .head_dim = small.head_dim}, random);
    state.prefill(0, 9, prompt.q, prompt.k, prompt.v, prompt.out);
    CHECK_FALSE(state.between_steps());
    CHECK(state.realign());
    CHECK(state.between_steps());
    CHECK(difference(state, before) == "");
    CHECK(state.reversible() == 4);
}

}  // namespace rollback_prompts_tests
