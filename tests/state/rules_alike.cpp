#include <Eigen/Core>
#include <cstddef>
#include <cstdint>
#include <msrnn/any_policy.hpp>
#include <msrnn/budget/head_pattern.hpp>
#include <msrnn/budget/pyramid.hpp>
#include <msrnn/msrnn.hpp>
#include <span>
#include <stdexcept>
#include <vector>

#include "support/catch.hpp"
#include "support/plain_model.hpp"
#include "support/random.hpp"
#include "support/same_record.hpp"

namespace rules_alike_tests {

using namespace msrnn;
using plain_model::Numbers;

namespace {

/// Layer 1 has a window, layer 2 reads the rows of layer 0, layer 3 has other widths.
Shape mixed() {
    Shape shape{.layers = 4, .query_heads = 4, .kv_heads = 2, .head_dim = 8};
    shape.each = shape.list();
    shape.each[1].window = 9;
    shape.each[2].reads = 0;
    shape.each[3].head_dim = 6;
    shape.each[3].value_dim = 10;
    return shape;
}
template <class S>
std::vector<float> pass(S& state, std::uint64_t t) {
    std::vector<float> outs;
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer) {
        Numbers numbers(state.shape().layer(layer), 1, 37 * t + layer + 1);
        if (state.shape().layer(layer).reads != no_layer) numbers.k.clear(), numbers.v.clear();
        state.step(layer, t, numbers.q, numbers.k, numbers.v, numbers.out);
        outs.insert(outs.end(), numbers.out.begin(), numbers.out.end());
    }
    return outs;
}

}  // namespace

TEMPLATE_TEST_CASE("budgets that a rule shares out do what budgets do that are set one by one", "", float,
                   Eigen::bfloat16, std::int8_t) {
    for (const std::size_t slack : {0u, 3u})
        for (const AnyPolicy& policy : {AnyPolicy(H2O{.recent = 3}), AnyPolicy(Tova{})}) {
            State<AnyPolicy, TestType> shared(mixed(), {.budget = 12, .slack = slack}, policy), singly = shared;
            Random random{61};
            for (std::uint64_t t = 0; t < 150; ++t) {
                REQUIRE(pass(shared, t) == pass(singly, t));
                if (!random.one_in(3)) continue;
                std::vector<std::size_t> budgets;
                for (std::size_t i = 0; i < shared.lanes().size(); ++i) budgets.push_back(4 + random.below(30));
                shared.share_out([&](std::span<Lane<AnyPolicy>* const> lanes) {
                    REQUIRE(lanes.size() == budgets.size());
                    for (std::size_t i = 0; i < lanes.size(); ++i) lanes[i]->set_budget(budgets[i]);
                });
                auto next = budgets.begin();
                for (const std::size_t layer : {0u, 1u, 3u})
                    for (std::size_t head = 0; head < singly.lanes(layer).size(); ++head)
                        singly.set_budget(layer, head, *next++);
                REQUIRE(next == budgets.end());
                auto other = singly.lanes().begin();
                for (const Lane<AnyPolicy>& lane : shared.lanes()) {
                    REQUIRE(same_record(lane.record(), other->record()));
                    REQUIRE(lane.capacity() == (*other++).capacity());
                }
            }
        }
}

TEST_CASE("a rule over layers waits for layers that read the rows of others") {
    State<H2O> state(mixed(), {.budget = 12, .slack = 1});
    const auto nothing = [](auto) {};
    for (std::uint64_t t = 0; t < 20; ++t) {
        for (std::size_t layer = 0; layer < 4; ++layer) {
            Numbers numbers(state.shape().layer(layer), 1, 37 * t + layer + 1);
            if (layer == 2) numbers.k.clear(), numbers.v.clear();
            state.step(layer, t, numbers.q, numbers.k, numbers.v, numbers.out);
            if (layer < 3) CHECK_THROWS_AS(state.share_out(nothing), std::invalid_argument);
        }
        state.share_out(nothing);
    }
}

TEST_CASE("patterns and pyramids give the budgets of a state") {
    const Shape shape{.layers = 2, .query_heads = 4, .kv_heads = 2, .head_dim = 4};
    const auto pattern = budget::read_head_pattern("0.9\t0.1\n0.2\t0.8\n");
    State<Protect<SinkWindow>> state(shape, budget::DuoAttention(pattern, 0.5, 12), {.scope = Scope::kv_head});
    const State<H2O> falling(shape, budget::Pyramid{.tokens = 100, .mean = 40, .window = 4, .beta = 4, .layers = 2});
    CHECK(falling.lane(0, 1).budget() == 70);
    CHECK(falling.lane(1, 0).budget() == 10);
    for (std::uint64_t t = 0; t < 50; ++t) pass(state, t);
    CHECK(state.lane(0, 0).size() == 50);
    CHECK(state.lane(0, 1).size() == 12);
    CHECK(state.lane(1, 0).size() == 12);
    CHECK(state.lane(1, 1).size() == 50);
}

}  // namespace rules_alike_tests
