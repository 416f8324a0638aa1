#include <array>
#include <cstring>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/plain_model.hpp"
#include "support/same_record.hpp"
#include "support/thrown_by.hpp"

namespace layers_tests {

using namespace msrnn;
using plain_model::Numbers;

namespace {

/// As Gemma 3: windows, and every third layer sees everything. Heads and widths differ too.
Shape layered() {
    Shape shape{.layers = 6, .query_heads = 4, .kv_heads = 2, .head_dim = 8, .window = 8};
    shape.each = shape.list();
    for (const std::size_t global : {2u, 5u})
        shape.each[global] = {.query_heads = 6, .kv_heads = 3, .head_dim = 16, .value_dim = 4, .soft_cap = 4};
    return shape;
}
bool global(std::size_t layer) { return layer % 3 == 2; }
AnyPolicy policy_of(std::size_t layer) {
    if (layer == 2) return Tova{.scope = Scope::layer};
    if (layer == 5) return H2O{};
    return Window{};
}
std::size_t budget_of(std::size_t layer, std::size_t kv_head) { return global(layer) ? 20 + kv_head : 7; }

template <class S>
std::string difference(const LayerCache<AnyPolicy, S>& a, const LayerCache<AnyPolicy, S>& b) {
    if (a.lanes().size() != b.lanes().size()) return "lanes()";
    for (std::size_t i = 0; i < a.lanes().size(); ++i)
        if (!same_record(a.lanes()[i].record(), b.lanes()[i].record())) return "record()";
    for (std::size_t h = 0; h < a.rows().size(); ++h)
        for (std::size_t slot = 0; slot < a.lane(h).extent(); ++slot) {
            if (!a.lane(h).live(Slot(slot))) continue;
            if (!same_bits(a.rows()[h].keys[slot], b.rows()[h].keys[slot])) return "keys";
            if (!same_bits(a.rows()[h].values[slot], b.rows()[h].values[slot])) return "values";
        }
    if (a.tokens() != b.tokens() || a.reversible() != b.reversible()) return "tokens()";
    return {};
}

template <class Taker>
void pass(Taker take, std::int64_t t, std::size_t tokens = 1) {
    const Shape shape = layered();
    for (std::size_t layer = 0; layer < shape.layers; ++layer) {
        Numbers given(shape.each[layer], tokens, static_cast<std::uint64_t>(31 * t) + layer + 1);
        take(layer, t, given);
    }
}

}  // namespace

TEMPLATE_TEST_CASE("a state of layers that differ in shape, budget and policy is a row of layers on their own", "",
                   float, Eigen::bfloat16, std::int8_t) {
    const Shape shape = layered();
    State<AnyPolicy, TestType> state(shape, budget_of, policy_of, {.tokens = 4});
    Workspace work;
    std::vector<LayerCache<AnyPolicy, TestType>> layers;
    for (std::size_t i = 0; i < shape.layers; ++i)
        layers.emplace_back(shape.each[i], policy_of(i), Rollback{4}, i,
                            [i](std::size_t lane) { return Limits{.budget = budget_of(i, lane)}; });
    const auto alike = [&] {
        for (std::size_t i = 0; i < layers.size(); ++i) REQUIRE(difference(state.layer(i), layers[i]) == "");
    };
    const auto step = [&](std::size_t i, std::int64_t t, Numbers& given) {
        Numbers other = given;
        state.step(i, t, given.q, given.k, given.v, given.out);
        layers[i].step(t, other.q, other.k, other.v, other.out, work);
        REQUIRE(same_bits(given.out, other.out));
    };
    const auto prompt = [&](std::size_t i, std::int64_t t, Numbers& given) {
        Numbers other = given;
        state.prefill(i, t, given.q, given.k, given.v, given.out, Prefill::chunked(5));
        layers[i].prefill(t, other.q, other.k, other.v, other.out, work, Prefill::chunked(5));
        REQUIRE(same_bits(given.out, other.out));
    };
    for (std::int64_t t = 0; t < 30; ++t) pass(step, t);
    alike();
    pass(prompt, 30, 12);
    alike();
    pass(prompt, 42, 4);
    alike();
    pass(step, 46);
    CHECK(state.rollback(3));
    for (auto& layer : layers) CHECK(layer.rollback(3, work));
    alike();
    state.set_budget(2, 1, 9);
    layers[2].set_budget(1, 9, work);
    CHECK(state.pin(5, 2, Slot(3)) == layers[5].pin(2, Slot(3)));
    alike();
    for (std::int64_t t = 44; t < 60; ++t) pass(step, t);
    alike();

    CHECK(state.lanes(0).size() == 1);
    CHECK(state.lanes(2).size() == 1);
    CHECK(state.lanes(5).size() == 3);
    CHECK(state.lanes().size() == 4 + 1 + 3);
    CHECK(state.rows().size() == 4 * 2 + 2 * 3);
    CHECK(&state.lanes()[2] == &state.lane(2, 0));
    CHECK(&state.rows()[13] == &state.rows(5, 2));
    CHECK(state.lane(0, 1).size() == 7);
    CHECK(state.lane(2, 1).size() == 9);
    CHECK(state.lane(5, 2).size() == 22);
    CHECK(state.lane(0, 0).protection().recent == facts_of(Window{}, {}, 7).protection.recent);
    CHECK(state.lane(5, 0).protection().recent == facts_of(H2O{}, {}, 20).protection.recent);
}

TEST_CASE("layers that differ are recorded, restored, copied and reordered") {
    State<AnyPolicy> state(layered(), budget_of, policy_of, {.tokens = 4}), other = state;
    const auto into = [](State<AnyPolicy>& one) {
        return [&one](std::size_t i, std::int64_t t, Numbers& given) {
            one.step(i, t, given.q, given.k, given.v, given.out);
        };
    };
    for (std::int64_t t = 0; t < 30; ++t) pass(into(state), t);
    for (std::int64_t t = 50; t < 60; ++t) pass(into(other), t);
    const auto alike = [&](const State<AnyPolicy>& a, const State<AnyPolicy>& b) {
        for (std::size_t i = 0; i < a.shape().layers; ++i) REQUIRE(difference(a.layer(i), b.layer(i)) == "");
    };
    std::vector<State<AnyPolicy>> beams{state, other, state};
    reorder(beams, std::array<std::size_t, 3>{1, 0, 1});
    alike(beams[0], other);
    alike(beams[1], state);
    alike(beams[2], other);

    std::vector<LaneRecord> records;
    for (const auto& lane : state.lanes()) records.push_back(lane.record());
    CHECK(other.problem(records).empty());
    std::vector<HeadRows<float>> room = other.room_for(records);
    REQUIRE(room.size() == state.rows().size());
    std::size_t h = 0;
    for (const HeadRows<float>& rows : state.rows()) {
        REQUIRE(room[h].keys[0].size() == rows.keys[0].size());
        REQUIRE(room[h].values[0].size() == rows.values[0].size());
        room[h++] = rows;
    }
    other.restore(records, std::move(room));
    State<AnyPolicy> fresh = state;
    for (std::size_t layer = 0; layer < 6; ++layer) fresh.unpin(layer, 0, Slot(0));  // forgets the steps
    alike(other, fresh);
    for (std::int64_t t = 30; t < 40; ++t) {
        pass(into(other), t);
        pass(into(fresh), t);
    }
    alike(other, fresh);
}

TEST_CASE("what a layer's policy or budget does not fit is refused, whichever layer it is") {
    const Shape shape = layered();
    CHECK(thrown_by([&] {
              State<AnyPolicy>(shape, {.budget = 3}, [](std::size_t layer) -> AnyPolicy {
                  if (layer == 4) return SinkWindow{.sinks = 4};
                  return Window{};
              });
          }) == problem(SinkWindow{.sinks = 4}, {.budget = 3}));
    CHECK(thrown_by([&] { LayerCache<Tova>({.query_heads = 3, .kv_heads = 2, .head_dim = 8}, {.budget = 4}); }) ==
          "msrnn: query_heads 3 is not a multiple of kv_heads 2; every KV head serves equally many query heads");
    CHECK(thrown_by([&] { LayerCache<Tova>({.query_heads = 2, .kv_heads = 2, .head_dim = 8}, {.budget = 0}); }) ==
          problem(Tova{}, Limits{.budget = 0}));
    State<Tova> one(shape, {.budget = 8}, [](std::size_t layer) { return Tova{.scope = Scope(layer % 2)}; });
    CHECK(one.lanes(0).size() == 1);
    CHECK(one.lanes(1).size() == 2);
}

}  // namespace layers_tests
