#include "state/hostile.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <msrnn/any_policy.hpp>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/simple_policies.hpp"
#include "support/thrown_by.hpp"
#include "support/tokens.hpp"

namespace hostile_tests {

namespace {

/// Reads keys and wants one lane for a whole layer, whose tokens have a key per KV head.
struct KeysOfALayer {
    Scope scope = Scope::layer;
    void rate(const Keys&, Ratings) const {}
};

}  // namespace

TEST_CASE("a budget of one serves every policy, or the constructor says the sentence of problem()") {
    for (const AnyPolicy& policy : simple_policies()) {
        CAPTURE(policy.name());
        const std::string wrong = problem(small, {.budget = 1}, Any(policy));
        CHECK(wrong.empty() == (policy.name() != "sink-window"));
        if (!wrong.empty()) {
            CHECK(thrown_by([&] { State<Any> state(small, {.budget = 1}, policy); }) == wrong);
            continue;
        }
        Text text{State<Any>(small, {.budget = 1}, policy)};
        for (int t = 0; t < 1000; ++t) {
            const std::vector<std::size_t> over[] = {text.live(0), text.live(1)};
            text.come(text.next());
            REQUIRE(text.attended(0, over[0]));
            REQUIRE(text.attended(1, over[1]));
        }
        CHECK(text.whole());
        CHECK(text.state.lane(0, 0).size() == 1);
        CHECK(text.state.lane(0, 1).evictions() == 999);
    }
}

TEST_CASE("positions may be any 64-bit number: neither outputs nor decisions ask for them") {
    constexpr auto lowest = std::numeric_limits<std::int64_t>::min(),
                   highest = std::numeric_limits<std::int64_t>::max();
    for (const Any& policy : policies()) {
        State<Any> tidy(small, {.budget = budget}, policy), wild = tidy;
        Random random{5};
        for (int t = 0; t < 60; ++t) {
            Token a(small, random), b = a;
            const Position position =
                random.one_of({lowest, highest, std::int64_t{-1}, std::int64_t{0}, std::int64_t{3}});
            tidy.step(0, t, a.q, a.k, a.v, a.out);
            wild.step(0, position, b.q, b.k, b.v, b.out);
            REQUIRE(std::memcmp(a.out.data(), b.out.data(), a.out.size() * sizeof(float)) == 0);
            REQUIRE(std::ranges::equal(tidy.lane(0, 1).victims(), wild.lane(0, 1).victims()));
        }
    }
}

TEST_CASE("the positions of a prompt reach either end of 64 bits, and count on from the other") {
    constexpr auto lowest = std::numeric_limits<std::int64_t>::min(),
                   highest = std::numeric_limits<std::int64_t>::max();
    Random random{6};
    Token prompt(Shape{.query_heads = 4 * 4, .kv_heads = 4 * 2, .head_dim = 4}, random);
    const auto positions_from = [&](std::int64_t first, Prefill mode) {
        State<Any> state(small, {.budget = budget}, Any(Window{}));
        state.prefill(0, first, prompt.q, prompt.k, prompt.v, prompt.out, mode);
        std::vector<std::int64_t> positions;
        for (std::size_t slot = 0; slot < 4; ++slot) positions.push_back(state.lane(0, 0).position(Slot(slot)).value());
        return positions;
    };
    using Listed = std::vector<std::int64_t>;
    for (const Prefill mode : {Prefill::one_shot(), Prefill::per_token()}) {
        CHECK(positions_from(-2, mode) == Listed{-2, -1, 0, 1});
        CHECK(positions_from(lowest, mode) == Listed{lowest, lowest + 1, lowest + 2, lowest + 3});
        CHECK(positions_from(highest - 3, mode) == Listed{highest - 3, highest - 2, highest - 1, highest});
        CHECK(positions_from(highest - 1, mode) == Listed{highest - 1, highest, lowest, lowest + 1});
    }
}

TEST_CASE("of shapes and limits that no memory holds problem() says what the constructor throws") {
    constexpr std::size_t huge = std::size_t{1} << 40;
    std::size_t refused = 0;
    const auto refuses = [&](const Shape& shape, Limits limits) {
        const std::string wrong = problem(shape, limits, Any(Tova{}));
        CAPTURE(shape.layers, shape.query_heads, shape.kv_heads, shape.head_dim, limits.budget, limits.capacity);
        CHECK_FALSE(wrong.empty());
        CHECK(thrown_by([&] { State<Any> state(shape, limits, Any(Tova{})); }) == wrong);
        ++refused;
    };
    refuses({.layers = most, .query_heads = 2, .kv_heads = 2, .head_dim = 2}, {.budget = 8});
    refuses({.layers = most / 2 + 1, .query_heads = 2, .kv_heads = 2, .head_dim = 2},
            {.budget = 8});  // the product is 0
    refuses({.layers = 2, .query_heads = most, .kv_heads = most, .head_dim = 2}, {.budget = 8});
    refuses({.layers = 2, .query_heads = 2, .kv_heads = 2, .head_dim = most}, {.budget = 8});
    refuses({.layers = 2, .query_heads = 2, .kv_heads = 2, .head_dim = most / 8 + 1}, {.budget = 8});
    refuses({.layers = huge, .query_heads = huge, .kv_heads = huge, .head_dim = 1}, {.budget = 8});
    refuses({.layers = huge, .query_heads = 1, .kv_heads = 1, .head_dim = huge}, {.budget = 8});
    refuses(small, {.budget = most - 1});
    refuses(small, {.budget = huge});
    refuses(small, {.budget = unbounded, .capacity = most});
    refuses(small, {.budget = 8, .capacity = huge});
    refuses({.layers = 1000, .query_heads = 1000, .kv_heads = 1, .head_dim = 1000}, {.budget = (1u << 30) - 3});
    refuses(small, {.budget = 8, .capacity = 8});
    refuses({.layers = 1, .query_heads = 4, .kv_heads = 2, .head_dim = 0}, {.budget = 8});
    refuses({.layers = 0, .query_heads = 4, .kv_heads = 2, .head_dim = 4}, {.budget = 8});
    CHECK(refused == 15);
}

TEST_CASE("limits are refused before memory for the layers is asked for") {
    const Shape shape{.layers = std::size_t{1} << 45, .query_heads = 1, .kv_heads = 1, .head_dim = 1};
    CHECK(thrown_by([&] { State<Any> state(shape, {.budget = 0}, Any(Tova{})); }) ==
          problem(shape, Limits{.budget = 0}, Any(Tova{})));
}

TEST_CASE("problem() says why a selector does not fit; prefill throws the same and changes nothing") {
    State<Any> empty(small, {.budget = 8}, Any(H2O{})), of_layers(small, {.budget = 8}, Any(Tova{}));
    State<Any> used = empty;
    Random random{8};
    Token token(small, random);
    used.step(0, 0, token.q, token.k, token.v, token.out);
    std::size_t refused = 0;
    const auto refuses = [&](State<Any>& state, const auto& selector, const std::string& part) {
        const Arrival seen = state.lane(0, 0).seen();
        const std::string wrong = state.problem(0, selector);
        CHECK(wrong.find(part) != std::string::npos);
        std::vector<float> out(token.out.size(), 7.0f);
        const auto prefill = [&] {
            state.prefill(0, 5, token.q, token.k, token.v, out, Prefill::one_shot(), selector);
        };
        CHECK(thrown_by(prefill) == wrong);
        CHECK(std::ranges::count(out, 7.0f) == static_cast<std::ptrdiff_t>(out.size()));
        CHECK(state.lane(0, 0).seen() == seen);
        ++refused;
    };
    refuses(empty, SnapKV{}, "budget 8 is smaller");
    refuses(empty, SnapKV{.window = 4, .kernel = 2}, "kernel is 2");
    refuses(empty, SnapKV{.window = 0}, "window is 0");
    refuses(empty, Any(Tova{}), "differ in scope");
    refuses(empty, KeysOfALayer{}, "reads keys or values");
    refuses(of_layers, SnapKV{.window = 4}, "differ in scope");
    refuses(of_layers, Any(H2O{}), "differ in scope");
    refuses(used, SnapKV{}, "budget 8 is smaller");
    CHECK(refused == 8);
    CHECK(empty.problem(0, SnapKV{.window = 4}).empty());
    CHECK(thrown_by([&] {
              empty.prefill(0, 5, token.q, token.k, token.v, token.out, Prefill::chunked(0), SnapKV{.window = 4});
          }) == "msrnn: a prefill in chunks of 0 tokens; give at least 1");
    CHECK(empty.lane(0, 0).seen() == 0);
}

TEST_CASE("a prompt without tokens changes nothing, in any mode and with a selector") {
    State<Any> state(small, {.budget = 8}, Any(H2O{}));
    std::vector<float> none;
    for (const Prefill mode : {Prefill::per_token(), Prefill::one_shot(), Prefill::chunked(3)}) {
        state.prefill(0, 0, none, none, none, none, mode);
        state.prefill(0, 0, none, none, none, none, mode, SnapKV{.window = 4});
    }
    CHECK(state.lane(0, 0).seen() == 0);
    CHECK(state.lane(0, 0).extent() == 0);
}

}  // namespace hostile_tests
