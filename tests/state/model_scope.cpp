#include <algorithm>
#include <cmath>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <string>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/plain_model.hpp"
#include "support/same_record.hpp"
#include "support/thrown_by.hpp"

namespace model_scope_tests {

using namespace msrnn;
using plain_model::Numbers;
using plain_model::Token;

namespace {

/// Layers that differ in heads, widths and window.
Shape layers() {
    Shape shape{.layers = 3, .query_heads = 4, .kv_heads = 2, .head_dim = 8};
    shape.each = shape.list();
    shape.each[1] = {.query_heads = 3, .kv_heads = 1, .head_dim = 6, .value_dim = 10, .sinks = {1, 0, -1}};
    shape.each[2].window = 7;
    return shape;
}
template <class P>
AnyPolicy for_all(P policy) {
    AnyPolicy any(policy);
    any.scope = Scope::model;
    return any;
}
template <class S>
std::vector<float> step(S& state, std::size_t layer, std::int64_t t) {
    Numbers given(state.shape().layer(layer), 1, static_cast<std::uint64_t>(31 * t) + layer);
    state.step(layer, t, given.q, given.k, given.v, given.out);
    return given.out;
}
template <class S>
std::vector<float> pass(S& state, std::int64_t t) {
    std::vector<float> outs;
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer) {
        const std::vector<float> out = step(state, layer, t);
        outs.insert(outs.end(), out.begin(), out.end());
    }
    return outs;
}
template <class P, class S>
bool same(const State<P, S>& a, const State<P, S>& b) {
    auto other = b.lanes().begin();
    for (const auto& lane : a.lanes())
        if (!same_record(lane.record(), (*other++).record())) return false;
    for (std::size_t layer = 0; layer < a.shape().layers; ++layer)
        for (std::size_t h = 0; h < a.shape().layer(layer).kv_heads; ++h)
            for (const LaneToken& token : a.lane(layer, h).tokens())
                if (!same_bits(a.rows(layer, h).keys[token.slot], b.rows(layer, h).keys[token.slot])) return false;
    return a.between_steps() == b.between_steps() && a.tokens(2) == b.tokens(2);
}
template <class S>
void check_alike(const S& state) {
    for (const auto& lane : state.lanes()) REQUIRE(by_arrival::kept(lane) == by_arrival::kept(state.lane(0, 0)));
}

/// Throws out of one layer's choice, when it is told to.
struct Moody {
    static constexpr const char* name = "moody";
    static constexpr Scope scope = Scope::model;
    int* calls = nullptr;  // 0: throws
    void observe(const Attention& seen, Ratings rating) const {
        if ((*calls)-- == 0) throw std::runtime_error("moody");
        seen.sum_into(rating.rating, 1);
    }
};

}  // namespace

TEMPLATE_TEST_CASE("with one decision for the model, every layer keeps what one lane keeps that sees all their weights",
                   "", float, Eigen::half) {
    const Shape shape = layers();
    constexpr std::size_t budget = 9;
    for (const AnyPolicy& policy : {for_all(Tova{}), for_all(H2O{}), for_all(DecayedAttention{.recent = 2}),
                                    for_all(SinkWindow{.sinks = 2}), for_all(RandomEviction{.seed = 5})}) {
        CAPTURE(policy.name());
        State<AnyPolicy, TestType> state(shape, {.budget = budget}, policy);
        Lane<AnyPolicy> lane(budget, policy);
        std::vector<std::vector<Token>> tokens(shape.layers);
        Parts parts;
        double worst = 0;
        for (std::int64_t t = 0; t < 50; ++t) {
            lane.append(t);
            parts.start(lane.extent());
            for (std::size_t layer = 0; layer < shape.layers; ++layer) {
                const LayerShape& own = shape.each[layer];
                Numbers given(own, 1, static_cast<std::uint64_t>(31 * t) + layer);
                state.step(layer, t, given.q, given.k, given.v, given.out);
                CHECK(state.lane(layer, 0).seen() == static_cast<Arrival>(layer == 2 ? t + 1 : t));
                tokens[layer].push_back(plain_model::token<TestType>(own, t, given.k.data(), given.v.data()));
                std::vector<const Token*> sees;
                for (std::size_t slot = 0; slot < lane.extent(); ++slot)
                    sees.push_back(&tokens[layer][static_cast<std::size_t>(lane.position(Slot(slot)).value())]);
                for (std::size_t head = 0; head < own.query_heads; ++head) {
                    const auto want = plain_model::attend(own, head, t, given.q.data() + head * own.head_dim, sees);
                    for (std::size_t d = 0; d < want.out.size(); ++d)
                        worst = std::max(
                            worst, std::fabs(want.out[d] - static_cast<double>(given.out[head * want.out.size() + d])));
                    const std::vector<float> weights(want.weights.begin(), want.weights.end());
                    parts.add({.weights = weights.data(), .query_heads = 1, .slots = sees.size(), .stride = 1});
                }
            }
            lane.observe(parts.whole());
            lane.evict();
            check_alike(state);
            REQUIRE(by_arrival::kept(state.lane(1, 0)) == by_arrival::kept(lane));
        }
        CHECK(worst < 2e-4);
        CHECK(state.lane(2, 1).evictions() == 41);
    }
}

TEST_CASE("the layers of a model with one decision take a token in order, or are refused and nothing changes") {
    State<Tova> state(layers(), {.budget = 6}, {.scope = Scope::model});
    for (std::int64_t t = 0; t < 9; ++t) pass(state, t);
    const State<Tova> before = state;
    CHECK(
        thrown_by([&] { step(state, 1, 9); }) ==
        "msrnn: all layers decide as one, and layer 1 is given the token before layer 0; step the layers in order, or "
        "give the token up with rollback(0)");
    step(state, 0, 9);
    CHECK_FALSE(state.between_steps());
    CHECK(thrown_by([&] { step(state, 0, 9); }).find("layer 0 is given the token before layer 1;") !=
          std::string::npos);
    CHECK(thrown_by([&] { step(state, 2, 9); }).find("layer 2 is given the token before layer 1;") !=
          std::string::npos);
    step(state, 1, 9);
    REQUIRE(state.rollback(0));
    CHECK(same(state, before));
    CHECK(pass(state, 9) == [&] {
        State<Tova> other = before;
        return pass(other, 9);
    }());
    check_alike(state);
}

TEST_CASE("what one decision for the model cannot have is refused in a sentence") {
    AnyPolicy keys{KeyNorm{}};
    keys.scope = Scope::model;
    CHECK(problem(Shape{.layers = 2, .query_heads = 2, .kv_heads = 1, .head_dim = 4}, Limits{.budget = 4}, keys) ==
          "msrnn: scope is model, and this policy reads keys, values, queries or single heads, which each layer has of "
          "its own; set Scope::layer or Scope::kv_head");
    Shape shares = layers();
    shares.each[2].reads = 0;
    CHECK(thrown_by([&] { State<Tova>(shares, {.budget = 4}, {.scope = Scope::model}); }) ==
          "msrnn: scope is model, and layer 2 reads the rows of layer 0; set Scope::layer or Scope::kv_head");
    CHECK(thrown_by([&] {
              State<Tova>(layers(), {.budget = 4},
                          [](std::size_t layer) { return Tova{.scope = layer == 1 ? Scope::model : Scope::layer}; });
          }) == "msrnn: scope is model in some layers only; set it in all, or in none");

    State<Tova> state(layers(), {.budget = 6}, {.scope = Scope::model});
    Numbers given(state.shape().layer(0), 2, 1);
    const std::vector<Position> two{0, 1};
    CHECK(thrown_by([&] {
              state.prefill(0, two, given.q, given.k, given.v, given.out);
          }).find("give a prompt token by token, to step()") != std::string::npos);
    CHECK(thrown_by([&] {
              state.decide(0, 0, [](std::span<Lane<Tova>>) {});
          }).find("takes neither weights from outside nor a rule") != std::string::npos);
}

TEST_CASE(
    "a hook that throws in any layer of one decision leaves every layer as it was, and the token can come again") {
    for (const std::size_t rollback : {std::size_t{0}, std::size_t{3}})
        for (int at = 0; at < 3; ++at) {
            int calls = 1 << 20;
            State<Moody> state(layers(), {.budget = 6}, Moody{&calls}, {.tokens = rollback});
            for (std::int64_t t = 0; t < 12; ++t) pass(state, t);
            State<Moody> twin = state;
            step(state, 0, 12), step(state, 1, 12);
            calls = at;
            CHECK(thrown_by([&] { step(state, 2, 12); }).find("moody") != std::string::npos);
            calls = 1 << 20;
            step(state, 2, 12);
            pass(twin, 12);
            REQUIRE(same(state, twin));
            pass(state, 13), pass(twin, 13);
            REQUIRE(same(state, twin));
            if (rollback == 0) continue;
            REQUIRE(state.rollback(2));
            REQUIRE(twin.rollback(2));
            REQUIRE(same(state, twin));
        }
}

TEST_CASE("rollback, budgets, pins and records hold for all layers of one decision at once") {
    State<Tova> state(layers(), {.budget = 8}, {.scope = Scope::model}, {.tokens = 4});
    for (std::int64_t t = 0; t < 20; ++t) pass(state, t);
    const State<Tova> before = state;
    for (std::int64_t t = 20; t < 24; ++t) pass(state, t);
    REQUIRE(state.rollback(4));
    CHECK(same(state, before));

    state.set_budget(1, 0, 5);
    for (const auto& lane : state.lanes()) CHECK(lane.budget() == 5);
    check_alike(state);
    const Slot first = state.lane(0, 0).tokens().begin().operator*().slot;
    REQUIRE(state.pin(2, 1, first));
    for (const auto& lane : state.lanes()) CHECK(lane.pinned(first));
    for (std::int64_t t = 20; t < 40; ++t) pass(state, t);
    check_alike(state);
    for (const auto& lane : state.lanes()) CHECK(lane.pinned(first));
    state.unpin(0, 0, first);
    state.evict(1, 0, first);
    check_alike(state);
    CHECK(state.lane(2, 0).size() == 4);

    std::vector<LaneRecord> records;
    for (const auto& lane : state.lanes()) records.push_back(lane.record());
    CHECK(state.problem(records).empty());
    records[1].positions[0] = Position(1000);
    CHECK(
        state.problem(records) ==
        "msrnn: all layers decide as one, and the record of layer 1 holds other tokens than that of layer 0; give the "
        "records of one state");
    state.reset();
    CHECK(state.lane(2, 1).size() == 0);
    pass(state, 0);
    CHECK(state.lane(2, 1).size() == 1);
}

}  // namespace model_scope_tests
