#include "state/ordinary.hpp"

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/sanitized.hpp"
#include "support/thrown_by.hpp"

namespace ordinary_tests {

namespace {

/// Throws instead of its choice number `calm`.
struct Moody {
    static inline std::size_t calm = 1000;
    void observe(const Attention&, Ratings) const {}
    void rate(Ratings) const {
        if (calm-- == 0) throw std::runtime_error("rate() throws");
    }
};

}  // namespace

TEST_CASE("victims of a state are right after prompts, steps, smaller budgets and evictions by name") {
    const auto live = [](const auto& state) {
        std::set<std::int64_t> positions;
        for (const std::int64_t position : by_arrival::kept(state.lane(0, 0))) positions.insert(position);
        return positions;
    };
    const auto victims = [](const auto& state) {
        std::set<std::int64_t> positions;
        for (const Slot victim : state.lane(0, 0).victims())
            positions.insert(state.lane(0, 0).position(victim).value());
        return positions;
    };
    for (const std::size_t chunk : {std::size_t{30}, std::size_t{7}}) {
        State<Tova> state(small, {.budget = 8});
        std::set<std::int64_t> all;
        Text text(30, 2);
        state.prefill(0, 0, text.q, text.k, text.v, text.out, Prefill::chunked(chunk));
        if (chunk == 30) {
            for (std::int64_t t = 0; t < 30; ++t) all.insert(t);
            for (const std::int64_t t : live(state)) all.erase(t);
            CHECK(victims(state) == all);
        } else {
            CHECK(victims(state).size() == 2);  // of the last chunk
        }
        for (std::int64_t t = 30; t < 40; ++t) {
            auto gone = live(state);
            gone.insert(t);
            step(state, 0, t);
            for (const std::int64_t kept : live(state)) gone.erase(kept);
            CHECK(victims(state) == gone);
        }
        auto gone = live(state);
        state.set_budget(0, 0, 3);
        for (const std::int64_t kept : live(state)) gone.erase(kept);
        CHECK(victims(state) == gone);
        CHECK(gone.size() == 5);
        const std::int64_t named = state.lane(0, 0).position(Slot(1)).value();
        state.evict(0, 0, Slot(1));
        CHECK(victims(state) == std::set<std::int64_t>{named});
        step(state, 0, 41);
        CHECK(victims(state).empty());
    }
}

TEST_CASE("a pass that was cancelled is seen, not saved over, and taken back") {
    const Shape deep{.layers = 5, .query_heads = 2, .kv_heads = 1, .head_dim = 8};
    State<H2O> state(deep, {.budget = 6}, {}, {.tokens = 2}), whole = state;
    for (std::int64_t t = 0; t < 12; ++t)
        for (std::size_t layer = 0; layer < 5; ++layer) step(state, layer, t), step(whole, layer, t);
    CHECK(state.between_steps());
    for (std::size_t layer = 0; layer < 3; ++layer) step(state, layer, 12);
    CHECK_FALSE(state.between_steps());
    Text half(1, 5, deep);
    state.attend(3, 0, half.q, half.k, half.v, half.out);
    CHECK_FALSE(state.between_steps());
    CHECK(state.tokens(2) == 13);
    CHECK(state.tokens(3) == 12);
    REQUIRE(state.realign());
    CHECK(state.between_steps());
    for (std::size_t layer = 0; layer < 5; ++layer) CHECK(state.tokens(layer) == 12);
    for (std::int64_t t = 12; t < 30; ++t)
        for (std::size_t layer = 0; layer < 5; ++layer) {
            Text one(1, static_cast<std::uint64_t>(t), deep), same = one;
            state.step(layer, t, one.q, one.k, one.v, one.out);
            whole.step(layer, t, same.q, same.k, same.v, same.out);
            REQUIRE(one.out == same.out);
        }
    for (int t = 0; t < 3; ++t) step(state, 0, 30 + t);
    CHECK_FALSE(state.realign());  // only two of three steps can be undone
    CHECK(state.tokens(0) == 33);
    for (int t = 0; t < 3; ++t)
        for (std::size_t layer = 1; layer < 5; ++layer) step(state, layer, 30 + t);
    CHECK(state.between_steps());
}

TEST_CASE("a smaller budget gives memory back, in copies too, and two steps later all of it", MSRNN_LONG_TEST) {
    for (const std::size_t depth : {0u, 2u}) {
        State<H2O> state(small, {.budget = unbounded}, {}, {.tokens = depth});
        State<H2O> bounded(small, {.budget = 256}, {}, {.tokens = depth});
        Text text(4096, 1);
        for (std::size_t layer = 0; layer < 2; ++layer) {
            state.prefill(layer, 0, text.q, text.k, text.v, text.out);
            bounded.prefill(layer, 0, text.q, text.k, text.v, text.out);
        }
        const std::size_t much = state.bytes();
        for (std::size_t layer = 0; layer < 2; ++layer) state.set_budget(layer, 0, 256);
        const std::size_t victims = 2 * (4096 - 256) * (sizeof(Slot) + sizeof(Position) + sizeof(Arrival));
        CHECK(state.bytes() < much / 4);
        for (std::int64_t t = 5000; t < 5002; ++t)
            for (std::size_t layer = 0; layer < 2; ++layer) step(state, layer, t), step(bounded, layer, t);
        CHECK(state.bytes() <= bounded.bytes());
        CHECK(State<H2O>(state).bytes() == state.bytes());
        CHECK(much - state.bytes() > victims);
    }
}

TEST_CASE("a budget that is not used costs no memory") {
    State<H2O> large(small, {.budget = 100'000'000}, {}, {.tokens = 2}),
        unending(small, {.budget = unbounded}, {}, {.tokens = 2});
    CHECK(large.bytes() <= unending.bytes());
    for (std::int64_t t = 0; t < 300; ++t)
        for (std::size_t layer = 0; layer < 2; ++layer) {
            Text one(1, static_cast<std::uint64_t>(t)), same = one;
            large.step(layer, t, one.q, one.k, one.v, one.out);
            unending.step(layer, t, same.q, same.k, same.v, same.out);
            REQUIRE(one.out == same.out);
        }
    CHECK(large.bytes() <= unending.bytes());
    CHECK(large.lane(0, 0).capacity() == 100'000'001);
}

TEST_CASE("sizes that are wrong are refused in a sentence, whatever the build, and nothing has changed") {
    State<Tova> state(small, {.budget = 4});
    Text good(1), text(3);
    const std::vector<float> short_k(7), long_v(9), short_q(15);
    std::vector<float> short_out(15);
    CHECK(thrown_by([&] { state.step(0, 0, short_q, good.k, good.v, good.out); }) ==
          "msrnn: q has 15 numbers; it is [query_heads][head_dim], here 16");
    CHECK(thrown_by([&] { state.step(0, 0, good.q, short_k, good.v, good.out); }) ==
          "msrnn: k has 7 numbers; it is [kv_heads][head_dim], here 8");
    CHECK(thrown_by([&] { state.attend(0, 0, good.q, good.k, long_v, good.out); }) ==
          "msrnn: v has 9 numbers; it is [kv_heads][head_dim], here 8");
    CHECK(thrown_by([&] { state.step(0, 0, good.q, good.k, good.v, short_out); }) ==
          "msrnn: out has 15 numbers; it is [query_heads][head_dim], here 16");
    CHECK(thrown_by([&] { state.prefill(0, 0, text.q, short_k, text.v, text.out); }) ==
          "msrnn: k has 7 numbers; it is [tokens][kv_heads][head_dim], here 24");
    CHECK(thrown_by([&] { state.prefill(0, 0, text.q, text.k, text.v, short_out); }) ==
          "msrnn: out has 15 numbers; it is [tokens][query_heads][head_dim], here 48");
    CHECK(state.between_steps());
    CHECK(state.lane(0, 0).seen() == 0);
}

TEST_CASE("positions are a first one, a list or a vector; none for three tokens is refused") {
    State<Window> state(small, {.budget = 8});
    Text text(3);
    const auto positions = [&] { return by_arrival::kept(state.lane(0, 0)); };
    const std::vector<Position> listed{3, 9, 27}, none;
    state.prefill(0, listed, text.q, text.k, text.v, text.out);
    CHECK(positions() == std::vector<std::int64_t>{3, 9, 27});
    state.reset();
    state.prefill(0, {4, 8, -2}, text.q, text.k, text.v, text.out);
    CHECK(positions() == std::vector<std::int64_t>{4, 8, -2});
    state.reset();
    state.prefill(0, 7, text.q, text.k, text.v, text.out);
    CHECK(positions() == std::vector<std::int64_t>{7, 8, 9});
    for (const auto& wrong : {none, std::vector<Position>{1, 2}})
        CHECK(thrown_by([&] { state.prefill(0, wrong, text.q, text.k, text.v, text.out); }) ==
              "msrnn: " + std::to_string(wrong.size()) +
                  " positions for 3 tokens; give one for each, or the first alone");
    CHECK(thrown_by([&] { state.prefill(0, std::span<const Position>(), text.q, text.k, text.v, text.out); }) ==
          "msrnn: 0 positions for 3 tokens; give one for each, or the first alone");
    CHECK(state.lane(0, 0).size() == 3);
}

TEST_CASE("a budget callable may give any integer, and a negative one is refused") {
    CHECK(State<Tova>(small, [](std::size_t layer, std::size_t) { return layer == 0 ? 3 : 5; }).lane(1, 0).budget() ==
          5);
    CHECK(State<Tova>(small, [](std::size_t, std::size_t) { return short{7}; }).lane(1, 0).budget() == 7);
    CHECK(State<Tova>(small, [](std::size_t, std::size_t) { return unbounded; }).lane(1, 0).budget() == unbounded);
    CHECK(State<Tova>(small, [](int layer, int kv_head) { return 3 + layer + 0 * kv_head; }).lane(1, 0).budget() == 4);
    CHECK(thrown_by([] { State<Tova>(small, [](std::size_t, std::size_t) { return -1; }); }) ==
          "msrnn: budget is -1; give at least 1 slot, or msrnn::unbounded");
    CHECK(thrown_by([] {
              State<Tova>(small, [](std::size_t layer, std::size_t) -> int {
                  if (layer == 1) throw std::invalid_argument("the callable's own");
                  return 4;
              });
          }) == "the callable's own");
}

TEST_CASE("layers that are several tokens ahead are taken back by all of them") {
    const Shape deep{.layers = 3, .query_heads = 2, .kv_heads = 1, .head_dim = 8};
    State<H2O> state(deep, {.budget = 6}, {}, {.tokens = 4}), whole = state;
    for (std::int64_t t = 0; t < 12; ++t)
        for (std::size_t layer = 0; layer < 3; ++layer) step(state, layer, t), step(whole, layer, t);
    for (std::int64_t t = 12; t < 15; ++t) step(state, 0, t);
    step(state, 1, 12);
    REQUIRE(state.realign());
    for (std::size_t layer = 0; layer < 3; ++layer) {
        CHECK(state.tokens(layer) == 12);
        CHECK(by_arrival::kept(state.lane(layer, 0)) == by_arrival::kept(whole.lane(layer, 0)));
    }
}

TEST_CASE("a turn that throws does not change the state") {
    const Shape flat{.layers = 1, .query_heads = 2, .kv_heads = 1, .head_dim = 8};
    State<H2O> state(flat, {.budget = 4}, {}, {.tokens = 3}), calm = state;
    const auto same = [&](std::int64_t t) {
        Text one(1, static_cast<std::uint64_t>(t)), other = one;
        state.step(0, t, one.q, one.k, one.v, one.out);
        calm.step(0, t, other.q, other.k, other.v, other.out);
        REQUIRE(one.out == other.out);
    };
    for (std::int64_t t = 0; t < 9; ++t) same(t);
    Text lost(1, 100);
    CHECK_THROWS_AS(state.step(0, 9, lost.q, lost.k, lost.v, lost.out,
                               [](Slot slot, std::span<float>) {
                                   if (slot == 3) throw std::runtime_error("the engine cannot turn a key");
                               }),
                    std::runtime_error);
    CHECK(state.between_steps());
    CHECK(state.reversible() == 3);
    // The overwritten row belongs to a token that rollback restores.
    REQUIRE(state.rollback(1));
    REQUIRE(calm.rollback(1));
    for (std::int64_t t = 8; t < 20; ++t) same(t);
}

TEST_CASE("a prompt whose q or v has another size is refused") {
    State<Tova> state(small, {.budget = 4});
    Text text(3);
    std::vector<float> long_q(49), long_out(49), short_v(23);
    CHECK(thrown_by([&] { state.prefill(0, 0, long_q, text.k, text.v, long_out); }) ==
          "msrnn: q has 49 numbers; it is [tokens][query_heads][head_dim], here 48");
    CHECK(thrown_by([&] { state.prefill(0, 0, text.q, text.k, short_v, text.out); }) ==
          "msrnn: v has 23 numbers; it is [tokens][kv_heads][head_dim], here 24");
    CHECK(state.lane(0, 0).seen() == 0);
}

TEST_CASE("a prompt in chunks that throws at its second choice does not change the rows") {
    const Shape flat{.layers = 1, .query_heads = 2, .kv_heads = 1, .head_dim = 8};
    State<Moody> state(flat, {.budget = 4}), calm = state;
    for (std::int64_t t = 0; t < 4; ++t) step(state, 0, t), step(calm, 0, t);  // no eviction yet, so no vacancy
    Text text(12);
    Moody::calm = 1;
    CHECK_THROWS_AS(state.prefill(0, 4, text.q, text.k, text.v, text.out, Prefill::chunked(4)), std::runtime_error);
    Moody::calm = 1000;
    for (std::int64_t t = 4; t < 12; ++t) {
        Text one(1, static_cast<std::uint64_t>(t)), same = one;
        state.step(0, t, one.q, one.k, one.v, one.out);
        calm.step(0, t, same.q, same.k, same.v, same.out);
        REQUIRE(one.out == same.out);
    }
}

}  // namespace ordinary_tests
