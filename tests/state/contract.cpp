#include <algorithm>
#include <cstring>
#include <msrnn/msrnn.hpp>
#include <thread>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/plain_attention.hpp"
#include "support/policies.hpp"
#include "support/tokens.hpp"

namespace contract_tests {

using namespace msrnn;

namespace {
constexpr Shape small{.layers = 2, .query_heads = 6, .kv_heads = 2, .head_dim = 8};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}
template <class P>
std::vector<float> step(State<P>& state, int position, std::uint64_t seed) {
    Random random{seed};
    std::vector<float> outs;
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer) {
        Token token(state.shape(), random);
        state.step(layer, position, token.q, token.k, token.v, token.out);
        outs.insert(outs.end(), token.out.begin(), token.out.end());
    }
    return outs;
}
}  // namespace

TEST_CASE("until the budget is reached the outputs are those of an unbounded state, bit for bit") {
    for_every_policy([]<class P>(const P& policy) {
        State<P> bounded(small, {.budget = 40}, policy);
        State<P> whole(small, {.budget = unbounded}, policy);
        for (int t = 0; t <= 40; ++t)
            REQUIRE(same_bits(step(bounded, t, static_cast<std::uint64_t>(t)),
                              step(whole, t, static_cast<std::uint64_t>(t))));
        std::size_t different = 0;
        for (int t = 41; t < 60; ++t)
            different += !same_bits(step(bounded, t, static_cast<std::uint64_t>(t)),
                                    step(whole, t, static_cast<std::uint64_t>(t)));
        CHECK(different == 19);
        CHECK(whole.lane(1, 1).size() == 60);
    });
}

TEST_CASE("a step is its two halves, whatever the order of the heads and on whatever threads") {
    for_every_policy([]<class P>(const P& policy) {
        State<P> whole(small, {.budget = 10}, policy), halves = whole, threads = whole;
        Random random{5};
        for (int t = 0; t < 60; ++t)
            for (std::size_t layer = 0; layer < small.layers; ++layer) {
                Token a(small, random);
                Token b = a, c = a;
                whole.step(layer, t, a.q, a.k, a.v, a.out);
                halves.attend(layer, 1, b.q, b.k, b.v, b.out);
                halves.attend(layer, 0, b.q, b.k, b.v, b.out);
                halves.decide(layer, t);
                std::thread other([&] { threads.attend(layer, 1, c.q, c.k, c.v, c.out); });
                threads.attend(layer, 0, c.q, c.k, c.v, c.out);
                other.join();
                threads.decide(layer, t);
                REQUIRE(same_bits(a.out, b.out));
                REQUIRE(same_bits(a.out, c.out));
            }
        CHECK(whole.lane(1, 1).evictions() == 50);
    });
}

TEST_CASE("a copy forks the sequence") {
    for_every_policy([]<class P>(const P& policy) {
        State<P> state(small, {.budget = 10}, policy);
        for (int t = 0; t < 30; ++t) step(state, t, static_cast<std::uint64_t>(t));
        State<P> fork = state, again = state;
        for (int t = 30; t < 50; ++t) step(fork, t, 7);
        for (int t = 30; t < 50; ++t) {
            const auto seed = static_cast<std::uint64_t>(t);
            REQUIRE(same_bits(step(state, t, seed), step(again, t, seed)));
        }
    });
}

TEST_CASE("after reset a state is as new") {
    for_every_policy([]<class P>(const P& policy) {
        State<P> used(small, {.budget = 10}, policy), fresh = used;
        for (int t = 0; t < 30; ++t) step(used, t, 3);
        used.reset();
        for (int t = 0; t < 30; ++t) {
            const auto seed = static_cast<std::uint64_t>(t);
            REQUIRE(same_bits(step(used, t, seed), step(fresh, t, seed)));
        }
    });
}

TEST_CASE("rows follow their tokens when the budget shrinks and grows") {
    for_every_policy([]<class P>(const P& policy) {
        State<P> state(small, {.budget = 20}, policy);
        // The first number of a key and a value is its position.
        const auto come = [&](int position) {
            Random random{static_cast<std::uint64_t>(position)};
            for (std::size_t layer = 0; layer < small.layers; ++layer) {
                Token token(small, random);
                for (std::size_t h = 0; h < small.kv_heads; ++h)
                    token.k[h * small.head_dim] = token.v[h * small.head_dim] = 0.001f * static_cast<float>(position);
                state.step(layer, position, token.q, token.k, token.v, token.out);
            }
        };
        const auto rows_are_theirs = [&] {
            for (std::size_t layer = 0; layer < small.layers; ++layer)
                for (std::size_t h = 0; h < small.kv_heads; ++h) {
                    const auto& lane = state.lane(layer, h);
                    for (std::size_t s = 0; s < lane.extent(); ++s) {
                        if (!lane.live(Slot(s))) continue;
                        const float expected = 0.001f * static_cast<float>(lane.position(Slot(s)).value());
                        if (state.key(layer, h, Slot(s))[0] != expected) return false;
                        if (state.value(layer, h, Slot(s))[0] != expected) return false;
                    }
                }
            return true;
        };
        int position = 0;
        while (position < 50) come(position++);
        CHECK(rows_are_theirs());

        state.set_budget(1, 1, 11);
        CHECK(state.lane(1, 1).size() == 11);
        CHECK(state.lane(1, 1).extent() == 11);
        CHECK(state.lane(0, 0).size() == 20);
        CHECK(rows_are_theirs());
        while (position < 80) come(position++);
        CHECK(rows_are_theirs());

        state.set_budget(1, 1, 70);
        while (position < 200) come(position++);
        CHECK(state.lane(1, 1).size() == 70);
        CHECK(rows_are_theirs());

        state.evict(0, 0, by_arrival::slots(state.lane(0, 0))[3]);
        state.evict(0, 0, by_arrival::slots(state.lane(0, 0))[0]);
        CHECK(state.lane(0, 0).size() == 18);
        CHECK(state.lane(0, 0).extent() == 18);
        CHECK(rows_are_theirs());
        while (position < 230) come(position++);
        CHECK(state.lane(0, 0).size() == 20);
        CHECK(rows_are_theirs());
    });
}

TEST_CASE("a lane of a layer drops the same token in every KV head, a lane of a KV head its own") {
    State<Tova> layer(small, {.budget = 8});
    State<H2O> head(small, {.budget = 8});
    CHECK(layer.lanes(1).size() == 1);
    CHECK(head.lanes(1).size() == 2);
    CHECK(&layer.lane(0, 0) == &layer.lane(0, 1));
    CHECK(&head.lane(0, 0) != &head.lane(0, 1));
    std::size_t different = 0;
    for (int t = 0; t < 100; ++t) {
        step(layer, t, static_cast<std::uint64_t>(t));
        step(head, t, static_cast<std::uint64_t>(t));
        if (t >= 8) different += head.lane(0, 0).victims()[0] != head.lane(0, 1).victims()[0];
    }
    CHECK(different > 0);
}

TEST_CASE("budgets may differ by layer and head") {
    State<H2O> state(small, [](std::size_t layer, std::size_t kv_head) { return 4 + 10 * layer + kv_head; });
    for (int t = 0; t < 50; ++t) step(state, t, static_cast<std::uint64_t>(t));
    CHECK(state.lane(0, 0).size() == 4);
    CHECK(state.lane(0, 1).size() == 5);
    CHECK(state.lane(1, 0).size() == 14);
    CHECK(state.lane(1, 1).size() == 15);
}

TEST_CASE("pinned tokens stay in a state") {
    State<Window> state(small, {.budget = 5});
    for (int t = 0; t < 5; ++t) step(state, t, 1);
    REQUIRE(state.pin(0, 1, Slot(2)));
    for (int t = 5; t < 50; ++t) step(state, t, 1);
    CHECK(state.lane(0, 0).live(Slot(2)));
    CHECK(state.lane(0, 0).position(Slot(2)).value() == 2);
    CHECK_FALSE(state.lane(1, 0).position(Slot(2)).value() == 2);
    state.unpin(0, 1, Slot(2));
    step(state, 50, 1);
    CHECK_FALSE(state.lane(0, 0).live(Slot(2)));
}

TEST_CASE("the scale of the logits is a setting, one over the root of head_dim unless given") {
    Shape given = small;
    given.scale = 0.5f;
    State<Window> root(small, {.budget = 9}), half(given, {.budget = 9});
    Random random{3};
    std::vector<Token> tokens;
    for (int t = 0; t < 6; ++t) tokens.emplace_back(small, random);
    for (int t = 0; t < 6; ++t) {
        Token& token = tokens[static_cast<std::size_t>(t)];
        const auto expect = [&](double scale) {
            return plain_attention(
                       token.q.data(), 8, static_cast<std::size_t>(t) + 1, scale,
                       [&](std::size_t row) { return tokens[row].k.data(); },
                       [&](std::size_t row) { return tokens[row].v.data(); })
                .out;
        };
        root.step(0, t, token.q, token.k, token.v, token.out);
        REQUIRE(all_close(std::span(token.out).first(8), expect(1 / std::sqrt(8.0)), 1e-5, 1e-5));
        half.step(0, t, token.q, token.k, token.v, token.out);
        REQUIRE(all_close(std::span(token.out).first(8), expect(0.5), 1e-5, 1e-5));
    }
}

TEST_CASE("inputs may be Eigen vectors, maps, columns and fixed vectors over the caller's memory") {
    State<Tova> state({.layers = 1, .query_heads = 2, .kv_heads = 1, .head_dim = 4}, {.budget = 3});
    State<Tova> spans = state;
    Eigen::MatrixXf q = Eigen::MatrixXf::Random(8, 10), out(8, 10);
    Eigen::Matrix<float, 4, Eigen::Dynamic> k = Eigen::Matrix<float, 4, Eigen::Dynamic>::Random(4, 10);
    for (Eigen::Index t = 0; t < 10; ++t) {
        const Eigen::VectorXf key = k.col(t);
        const Eigen::Vector4f value = 2 * key;
        Eigen::Map<Eigen::VectorXf> into(out.col(t).data(), 8);
        state.step(0, t, q.col(t), key, value, into);
        std::vector<float> expected(8);
        spans.step(0, t, std::span<const float>(q.col(t).data(), 8), std::span<const float>(key.data(), 4),
                   std::span<const float>(value.data(), 4), expected);
        REQUIRE(std::memcmp(expected.data(), out.col(t).data(), sizeof(float) * 8) == 0);
    }
}

TEST_CASE("bytes count rows, bookkeeping and weights, and follow the budget") {
    const State<Tova> state(small, {.budget = 31});
    const std::size_t rows = 2 * 2 * 2 * 32 * 8 * sizeof(float);  // K and V, layers, KV heads, budget + 1, head_dim
    const std::size_t weights = 6 * 32 * sizeof(float);
    const std::size_t lanes = 2 * state.lane(0, 0).bytes();
    CHECK(state.bytes() == rows + weights + lanes);
    CHECK(State<Tova>(small, {.budget = 62}).bytes() > state.bytes() * 19 / 10);

    State<Tova> whole(small, {.budget = unbounded});
    const std::size_t before = whole.bytes();
    for (int t = 0; t < 200; ++t) step(whole, t, 1);
    CHECK(whole.bytes() > 3 * before);
}

TEST_CASE("blocks of rows begin at a cache line, copies included") {
    State<H2O> state({.layers = 2, .query_heads = 2, .kv_heads = 2, .head_dim = 3}, {.budget = 5});
    const State<H2O> copy = state;
    for (const auto* one : {&std::as_const(state), &copy})
        for (std::size_t layer = 0; layer < 2; ++layer)
            for (std::size_t h = 0; h < 2; ++h) {
                CHECK(reinterpret_cast<std::uintptr_t>(one->key(layer, h, Slot(0)).data()) % 64 == 0);
                CHECK(reinterpret_cast<std::uintptr_t>(one->value(layer, h, Slot(0)).data()) % 64 == 0);
            }
}

}  // namespace contract_tests
