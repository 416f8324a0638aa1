#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/thrown_by.hpp"

namespace messages_tests {

using namespace msrnn;

namespace {
/// Reads keys and wants one lane for a whole layer, whose tokens have a key per KV head.
struct KeysOfALayer {
    Scope scope = Scope::layer;
    void rate(const Keys&, Ratings) const {}
};

constexpr Shape good{.layers = 2, .query_heads = 6, .kv_heads = 2, .head_dim = 8};

Shape with(auto change) {
    Shape shape = good;
    change(shape);
    return shape;
}
}  // namespace

TEST_CASE("a shape that makes no sense is refused in a sentence") {
    CHECK(problem(good).empty());
    CHECK(problem(with([](Shape& s) { s.layers = 0; })) == "msrnn: layers is 0; give the model's own number");
    CHECK(problem(with([](Shape& s) { s.query_heads = 0; })) == "msrnn: query_heads is 0; give the model's own number");
    CHECK(problem(with([](Shape& s) { s.kv_heads = 0; })) == "msrnn: kv_heads is 0; give the model's own number");
    CHECK(problem(with([](Shape& s) { s.head_dim = 0; })) == "msrnn: head_dim is 0; give the model's own number");
    CHECK(problem(with([](Shape& s) { s.kv_heads = 4; })) ==
          "msrnn: query_heads 6 is not a multiple of kv_heads 4; every KV head serves equally many query heads");
    CHECK(problem(with([](Shape& s) { s.scale = INFINITY; })) ==
          "msrnn: scale is inf; give a finite number, or 0 for 1/sqrt(head_dim)");
}

TEST_CASE("a state throws the sentence, of its shape, its policy or its limits") {
    CHECK(thrown_by([] { State<Tova> state({}, {.budget = 8}); }) == problem(Shape{}));
    CHECK(thrown_by([] { State<Tova> state(good, {}); }) == problem(Tova{}, Limits{}));
    CHECK(thrown_by([] {
              State<SinkWindow> state(good, [](std::size_t layer, std::size_t) { return 9 - 5 * layer; });
          }) == problem(SinkWindow{}, {.budget = 4}));
    CHECK(thrown_by([] { State<KeysOfALayer> state(good, {.budget = 8}); }) ==
          "msrnn: this policy reads keys or values, and a layer has a row of them for each of its 2 KV heads; set its "
          "scope to Scope::kv_head");
}

TEST_CASE("sizes beyond the memory are refused before anything is allocated") {
    CHECK(thrown_by([] { State<Tova> state(good, {.budget = std::size_t{1} << 50}); }).find("is more than the") !=
          std::string::npos);
    CHECK(thrown_by([] {
              State<Tova> state(with([](Shape& s) { s.head_dim = std::size_t{1} << 60; }), {.budget = 8});
          }).find("do not fit the memory") != std::string::npos);
}

TEST_CASE("a refused budget of a state changes nothing") {
    State<AnyPolicy> state(good, {.budget = 8}, SinkWindow{.sinks = 3});
    const std::size_t bytes = state.bytes();
    CHECK(thrown_by([&] { state.set_budget(0, 0, 3); }).find("3 sinks") != std::string::npos);
    CHECK(thrown_by([&] { state.set_budget(0, 0, 0); }).find("budget is 0") != std::string::npos);
    CHECK(state.lane(0, 0).budget() == 8);
    CHECK(state.bytes() == bytes);
}

TEST_CASE("a layer that there is not is refused, and a state that was moved from has none") {
    const std::vector<float> q(48), k(16), v(16);
    std::vector<float> out(48);
    const auto every_call = [&](State<Tova>& state, std::size_t layer) {
        const std::string first = thrown_by([&] { state.step(layer, 0, q, k, v, out); });
        const auto turn = [](Slot, std::span<float>) {};
        CHECK(thrown_by([&] { state.step(layer, 0, q, k, v, out, turn); }) == first);
        CHECK(thrown_by([&] { state.attend(layer, 0, 0, q, k, v, out); }) == first);
        CHECK(thrown_by([&] { state.attend(layer, 0, q, k, v, out); }) == first);
        CHECK(thrown_by([&] { state.decide(layer, 0); }) == first);
        CHECK(thrown_by([&] { state.decide(layer, 0, [](std::span<Lane<Tova>>) {}); }) == first);
        CHECK(thrown_by([&] { state.prefill(layer, 0, q, k, v, out); }) == first);
        CHECK(thrown_by([&] { state.prefill(layer, 0, q, k, v, out, Prefill::one_shot(), Tova{}); }) == first);
        CHECK(thrown_by([&] { state.set_budget(layer, 0, 4); }) == first);
        CHECK(thrown_by([&] { state.evict(layer, 0, Slot(0)); }) == first);
        CHECK(thrown_by([&] { static_cast<void>(state.pin(layer, 0, Slot(0))); }) == first);
        CHECK(thrown_by([&] { state.unpin(layer, 0, Slot(0)); }) == first);
        CHECK(thrown_by([&] { static_cast<void>(state.lane(layer, 0)); }) == first);
        CHECK(thrown_by([&] { static_cast<void>(state.tokens(layer)); }) == first);
        CHECK(thrown_by([&] { state.share_out(layer + 1, [](std::span<Lane<Tova>* const>) {}); }) == first);
        return first;
    };
    State<Tova> state(good, {.budget = 8});
    CHECK(every_call(state, 2) == "msrnn: layer 2 of 2 layers; they count from 0");
    const State<Tova> taken = std::move(state);
    for (const std::size_t layer : {0u, 1u})
        CHECK(every_call(state, layer) == "msrnn: this state was moved from and has no layers; assign one to it first");
    state.reset();
    CHECK(state.rollback(0));
    CHECK_FALSE(state.rollback(1));
    state = taken;
    CHECK_NOTHROW(state.step(0, 0, q, k, v, out));
}

}  // namespace messages_tests
