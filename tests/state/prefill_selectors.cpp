#include "state/prefill.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace prefill_tests {

TEST_CASE("another policy may choose, and the state's own has seen the prompt all the same") {
    const Text text(120);
    State<H2O> state(small, {.budget = 40});
    State<H2O> whole(small, {.budget = unbounded});
    prefill(state, text, Prefill::one_shot(), SnapKV{.window = 8});
    prefill(whole, text, Prefill::one_shot());
    for (std::size_t h = 0; h < small.kv_heads; ++h) {
        REQUIRE(state.lane(1, h).size() == 40);
        const auto all = held(whole, 1, h);
        for (const Held& token : held(state, 1, h)) {
            const Held& seen = all.at(static_cast<std::size_t>(token.position));
            REQUIRE(token.rating > 0);
            REQUIRE(token.rating == seen.rating);
            REQUIRE(token.key == seen.key);
        }
        for (std::int64_t recent = 112; recent < 120; ++recent) {
            const auto kept = positions(state, 1, h);
            REQUIRE(std::count(kept.begin(), kept.end(), recent) == 1);
        }
    }
    steps(state, Text(30));
    CHECK(state.lane(0, 0).size() == 40);
}

TEST_CASE("a selector at work in chunks drops by its own ratings each time") {
    const Text text(90);
    State<Window> state(small, {.budget = 20});
    State<Tova> expected(small, {.budget = 20});
    prefill(state, text, Prefill::chunked(25), Tova{});
    prefill(expected, text, Prefill::chunked(25));
    for (std::size_t layer = 0; layer < small.layers; ++layer)
        CHECK(positions(state, layer, 0) == positions(expected, layer, 0));
}

TEST_CASE("a prompt within the budget of a selector is kept whole") {
    const Text text(40);
    State<Tova> state(small, {.budget = 40}, {.scope = Scope::kv_head});
    prefill(state, text, Prefill::one_shot(), SnapKV{});
    CHECK(state.lane(0, 1).size() == 40);
    CHECK(state.lane(0, 1).evictions() == 0);
}

TEST_CASE("a prefill that cannot be is refused in a sentence, and nothing changes") {
    State<H2O> state(small, {.budget = 16});
    const Text text(40);
    const auto said = [&](Prefill mode, const auto&... selector) -> std::string {
        try {
            std::vector<float> out(text.q.size());
            state.prefill(0, 0, text.q, text.k, text.v, out, mode, selector...);
        } catch (const std::invalid_argument& error) {
            return error.what();
        }
        return "";
    };
    CHECK(said(Prefill::chunked(0)) == "msrnn: a prefill in chunks of 0 tokens; give at least 1");
    CHECK(said(Prefill::one_shot(), SnapKV{}) ==
          "msrnn: budget 16 is smaller than what is protected (sinks 0, recent 32, pinned 0); give a larger budget or "
          "protect less");
    CHECK(said(Prefill::one_shot(), SnapKV{.window = 4, .kernel = 4}) ==
          "msrnn: kernel is 4; it must be odd, so that a token is the middle of its neighbours");
    CHECK(said(Prefill::one_shot(), Tova{}) ==
          "msrnn: the selector and the state's policy differ in scope; set both to layer or both to kv_head");
    CHECK(state.lane(0, 0).seen() == 0);
    steps(state, Text(3));
    CHECK(said(Prefill::one_shot(), SnapKV{.window = 17}) ==
          "msrnn: budget 16 is smaller than what is protected (sinks 0, recent 17, pinned 0); give a larger budget or "
          "protect less");
    CHECK(state.lane(0, 0).seen() == 3);
}

}  // namespace prefill_tests
