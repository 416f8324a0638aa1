#include <cmath>
#include <map>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <span>
#include <stdexcept>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/random.hpp"
#include "support/same_record.hpp"
#include "support/tokens.hpp"

namespace choices_tests {

using namespace msrnn;

namespace {

constexpr std::size_t dim = 8;
const Shape shape{.layers = 1, .query_heads = 2, .kv_heads = 2, .head_dim = dim};

Token token_at(int t) {
    Random random{static_cast<std::uint64_t>(t) + 1};
    return {shape, random};
}

/// What attention over the live tokens of a lane gives, in double, from rows that are kept by arrival.
struct Plain {
    std::map<Arrival, Token> rows = {};

    template <class L>
    std::vector<double> out(const L& lane, std::size_t head, const Token& now) {
        rows.emplace(lane.seen(), now);
        std::vector<const Token*> live{&now};
        for (const LaneToken& token : lane.tokens()) live.push_back(&rows.at(token.arrival));
        double sum = 0;
        std::vector<double> out(dim, 0);
        for (const Token* row : live) {
            double logit = 0;
            for (std::size_t d = 0; d < dim; ++d)
                logit += static_cast<double>(now.q[head * dim + d]) * static_cast<double>(row->k[head * dim + d]);
            const double e = std::exp(logit / std::sqrt(static_cast<double>(dim)));
            sum += e;
            for (std::size_t d = 0; d < dim; ++d) out[d] += e * static_cast<double>(row->v[head * dim + d]);
        }
        for (double& x : out) x /= sum;
        return out;
    }
};

/// Steps that are compared with the plain loop.
template <class P, class S, class Decide>
void steps(State<P, S>& state, std::vector<Plain>& plain, int from, int to, double tolerance, Decide decide) {
    for (int t = from; t < to; ++t) {
        Token now = token_at(t);
        std::vector<std::vector<double>> expected;
        for (std::size_t h = 0; h < shape.kv_heads; ++h) expected.push_back(plain[h].out(state.lane(0, h), h, now));
        for (std::size_t h = 0; h < shape.kv_heads; ++h) state.attend(0, h, now.q, now.k, now.v, now.out);
        decide(t);
        for (std::size_t h = 0; h < shape.kv_heads; ++h)
            for (std::size_t d = 0; d < dim; ++d)
                REQUIRE(close(static_cast<double>(now.out[h * dim + d]), expected[h][d], tolerance, 0));
    }
}

}  // namespace

TEMPLATE_TEST_CASE("a state with slack evicts several tokens at once and attends to the others", "", float,
                   Eigen::bfloat16) {
    State<AnyPolicy, TestType> state(shape, {.budget = 8, .slack = 3}, H2O{});
    std::vector<Plain> plain(2);
    std::size_t choices = 0;
    steps(state, plain, 0, 60, std::is_same_v<TestType, float> ? 1e-5 : 0.1, [&](int t) {
        state.decide(0, t);
        for (std::size_t h = 0; h < 2; ++h) {
            const std::size_t evicted = state.lane(0, h).victims().size();
            CHECK((evicted == 0 || evicted == 4));
            CHECK(state.lane(0, h).size() <= 11);
            choices += evicted != 0;
        }
    });
    CHECK(choices == 2 * 13);
}

TEST_CASE("steps that evicted several tokens are undone bit for bit") {
    const Limits limits{.budget = 6, .slack = 2};
    State<H2O> state(shape, limits, {}, {.tokens = 9}), before = state;
    const auto step = [](State<H2O>& one, int t) {
        Token now = token_at(t);
        one.step(0, t, now.q, now.k, now.v, now.out);
        return now.out;
    };
    for (int t = 0; t < 40; ++t) {
        step(state, t);
        if (t < 31) step(before, t);
    }
    REQUIRE(state.reversible() == 9);
    REQUIRE(state.rollback(9));
    for (std::size_t h = 0; h < 2; ++h) CHECK(same_record(state.lane(0, h).record(), before.lane(0, h).record()));
    for (int t = 31; t < 60; ++t) REQUIRE(step(state, t + 100) == step(before, t + 100));
}

TEST_CASE("weights from outside decide, and their number is checked") {
    State<Tova> state({.layers = 1, .query_heads = 2, .kv_heads = 2, .head_dim = dim}, {.budget = 5});
    Lane<Tova> beside(5);
    Random random{3};
    for (int t = 0; t < 40; ++t) {
        Token now = token_at(t);
        for (std::size_t h = 0; h < 2; ++h) state.attend(0, h, now.q, now.k, now.v, now.out);
        beside.append(t);
        std::vector<float> weights(4 * beside.extent());  // of two ranks with two query heads each
        for (float& weight : weights) weight = random.unit();
        Parts parts;
        parts.start(beside.extent());
        parts.add({.weights = weights.data(), .query_heads = 4, .slots = beside.extent(), .stride = beside.extent()});
        const Attention seen = parts.whole();
        if (t == 20) CHECK_THROWS_AS(state.decide(0, t, std::vector<Attention>{seen, seen}), std::invalid_argument);
        state.decide(0, t, std::span(&seen, 1));
        beside.observe(seen);
        beside.evict();
        REQUIRE(same_record(state.lane(0, 0).record(), beside.record()));
    }
}

TEST_CASE("a rule shares out the budgets of a layer between seeing and evicting") {
    State<H2O> state(shape, {.budget = 8, .capacity = 20}, {.recent = 2});
    std::vector<Plain> plain(2);
    int called = 0;
    const auto rule = [&](std::span<Lane<H2O>> lanes) {
        ++called;
        const std::size_t first = called % 2 == 0 ? 12 : 4;
        lanes[0].set_budget(first);
        lanes[1].set_budget(16 - first);
    };
    steps(state, plain, 0, 60, 1e-5, [&](int t) {
        state.decide(0, t, rule);
        CHECK(state.lane(0, 0).size() + state.lane(0, 1).size() <= 16);
        CHECK(state.lane(0, 0).size() <= state.lane(0, 0).budget());
    });
    CHECK(called > 20);
    CHECK(state.lane(0, 0).budget() + state.lane(0, 1).budget() == 16);
}

TEST_CASE("a rule that throws leaves the state as it was, and the half step stands") {
    State<H2O> state(shape, {.budget = 4, .capacity = 9}, {.recent = 1}), twin = state;
    for (int t = 0; t < 12; ++t) {
        Token now = token_at(t);
        for (State<H2O>* one : {&state, &twin})
            for (std::size_t h = 0; h < 2; ++h) one->attend(0, h, now.q, now.k, now.v, now.out);
        const LaneRecord before = state.lane(0, 1).record();
        const auto throws = [](std::span<Lane<H2O>> lanes) {
            lanes[0].set_budget(7);
            throw std::runtime_error("a rule");
        };
        if (t >= 4) {
            CHECK_THROWS_AS(state.decide(0, t, throws), std::runtime_error);
            CHECK(same_record(state.lane(0, 1).record(), before));
            CHECK(state.lane(0, 0).budget() == 4);
        }
        state.decide(0, t);
        twin.decide(0, t);
        for (std::size_t h = 0; h < 2; ++h) REQUIRE(same_record(state.lane(0, h).record(), twin.lane(0, h).record()));
    }
}

}  // namespace choices_tests
