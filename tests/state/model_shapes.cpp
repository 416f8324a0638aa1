#include <cstring>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/plain_model.hpp"
#include "support/sanitized.hpp"
#include "support/thrown_by.hpp"

namespace model_shapes_tests {

using namespace msrnn;
using plain_model::LastSeen;
using plain_model::Model;
using plain_model::Numbers;

namespace {

std::vector<Position> from(std::int64_t first, std::size_t count) {
    std::vector<Position> positions;
    for (std::size_t t = 0; t < count; ++t) positions.emplace_back(first + static_cast<std::int64_t>(t));
    return positions;
}

Shape mixed() {
    Shape shape{.layers = 4, .query_heads = 4, .kv_heads = 2, .head_dim = 16, .window = 9};
    shape.each = shape.list();
    shape.each[1] = {.query_heads = 2, .kv_heads = 2, .head_dim = 24, .value_dim = 16, .soft_cap = 1.5f};
    shape.each[2] = {.query_heads = 6,
                     .kv_heads = 1,
                     .head_dim = 8,
                     .value_dim = 20,
                     .scale = 0.5f,
                     .soft_cap = 3,
                     .window = 5,
                     .sinks = {0.5f, -1, 2, 0, 1, -3}};
    shape.each[3].window = 0;
    shape.each[3].sinks = {1, 2, 3, -1};
    return shape;
}

const std::vector<std::pair<std::string, Shape>>& shapes() {
    static const std::vector<std::pair<std::string, Shape>> all{
        {"soft cap (Gemma 2)",
         {.layers = 2, .query_heads = 4, .kv_heads = 2, .head_dim = 16, .scale = 0.3f, .soft_cap = 2}},
        {"sinks of each layer (gpt-oss)",
         {.layers = 2, .query_heads = 4, .kv_heads = 2, .head_dim = 8, .sinks = {1.5f, -0.5f, 0, 2, -1, 3, 0.25f, 1}}},
        {"sinks of all layers", {.layers = 2, .query_heads = 2, .kv_heads = 1, .head_dim = 8, .sinks = {1.5f, -0.5f}}},
        {"keys of 24 and values of 16 (MLA)",
         {.layers = 1, .query_heads = 4, .kv_heads = 2, .head_dim = 24, .value_dim = 16}},
        {"keys of 576 and values of 512 (MLA, absorbed)",
         {.layers = 1, .query_heads = 4, .kv_heads = 1, .head_dim = 576, .value_dim = 512}},
        {"values wider than keys", {.layers = 1, .query_heads = 2, .kv_heads = 2, .head_dim = 5, .value_dim = 12}},
        {"a window (Mistral)", {.layers = 2, .query_heads = 4, .kv_heads = 2, .head_dim = 16, .window = 8}},
        {"a window of one", {.layers = 1, .query_heads = 2, .kv_heads = 1, .head_dim = 16, .window = 1}},
        {"all of it, by layer", mixed()}};
    return all;
}

}  // namespace

TEMPLATE_TEST_CASE("steps and prompts of every shape are the attention of the model, rows kept or evicted", "",
                   MSRNN_EVERY_SCALAR) {
    for (const auto& [name, shape] : shapes())
        for (const std::size_t budget : {std::size_t{12}, unbounded})
            for (const Scope scope : {Scope::kv_head, Scope::layer}) {
                CAPTURE(name, budget, scope);
                Model<TestType> model(State<LastSeen, TestType>(shape, {.budget = budget}, {.scope = scope}));
                for (std::int64_t t = 0; t < 25; ++t) model.step(t);
                model.prefill(from(25, 30), Prefill::one_shot());
                for (std::int64_t t = 55; t < 60; ++t) model.step(t);
                if (budget == unbounded) {
                    model.prefill(from(60, 23), Prefill::chunked(7));
                    model.prefill(from(83, 20), Prefill::per_token());
                    for (std::int64_t t = 103; t < 108; ++t) model.step(t);
                }
                CHECK(model.worst_out() < 2e-5);
                CHECK(model.worst_rating() < 2e-5);
                REQUIRE(model.layers[0].tokens.size() > 59);
            }
}

TEMPLATE_TEST_CASE("a window goes by positions, whatever order they have", "", float, Eigen::bfloat16, std::int8_t) {
    const std::vector<Position> gaps{3, 4, 9, 10, 11, 30, 12, 13, 31, 14, 29, 32, 40, 41, 42, 43, -7, 44};
    std::vector<Position> more;
    for (const Position position : gaps) more.emplace_back(position.value() + 60);
    for (const Prefill mode : {Prefill::one_shot(), Prefill::chunked(5), Prefill::per_token()})
        for (const std::size_t budget : {std::size_t{60}, unbounded}) {
            CAPTURE(mode.chunk, budget);
            Shape shape = mixed();
            Model<TestType> model(State<LastSeen, TestType>(shape, {.budget = budget}));
            model.prefill(gaps, mode);
            model.prefill(more, mode);
            for (const std::int64_t position : {45, 120, 110, 46, -100, 125}) model.step(position);
            model.prefill(from(126, 12), mode);
            CHECK(model.worst_out() < 2e-5);
            CHECK(model.worst_rating() < 2e-5);
        }
}

TEST_CASE("a prompt longer than the window, in steps, chunks and one shot, is the sliding window of the model") {
    const Shape shape{.layers = 1, .query_heads = 2, .kv_heads = 1, .head_dim = 16, .window = 8};
    for (const Prefill mode : {Prefill::one_shot(), Prefill::chunked(8), Prefill::per_token()}) {
        Numbers text(shape.layer(0), 64, 3);
        State<Window> state(shape, {.budget = 7}), whole(shape, {.budget = unbounded});
        Numbers other = text;
        state.prefill(0, 0, text.q, text.k, text.v, text.out, mode);
        whole.prefill(0, 0, other.q, other.k, other.v, other.out, Prefill::one_shot());
        double worst = 0;
        for (std::size_t i = 0; i < text.out.size(); ++i)
            worst = std::max(worst, static_cast<double>(std::fabs(text.out[i] - other.out[i])));
        CHECK(worst < 1e-5);
        CHECK(worst == worst);
        CHECK(state.lane(0, 0).size() == 7);
    }
}

TEST_CASE("turned keys are capped, windowed and meet sinks like others") {
    Shape shape = mixed();
    State<LastSeen> turned(shape, {.budget = 10}), plain(shape, {.budget = 10});
    for (std::int64_t t = 0; t < 30; ++t)
        for (std::size_t layer = 0; layer < shape.layers; ++layer) {
            Numbers given(shape.each[layer], 1, static_cast<std::uint64_t>(t + 1)), other = given;
            for (float& x : other.k) x = -x;
            turned.step(layer, t, given.q, given.k, given.v, given.out, [](Slot, std::span<float> key) {
                for (float& x : key) x = -x;
            });
            plain.step(layer, t, other.q, other.k, other.v, other.out);
            REQUIRE(given.out == other.out);
        }
    CHECK(turned.lane(2, 0).evictions() == 20);
}

TEST_CASE("half steps of a layer with a window are given the position") {
    const Shape shape{.layers = 1, .query_heads = 4, .kv_heads = 2, .head_dim = 8, .window = 4};
    State<H2O> whole(shape, {.budget = 12}), halves = whole;
    const auto turn = [](Slot, std::span<float> key) { key[0] = -key[0]; };
    for (std::int64_t t = 0; t < 20; ++t) {
        Numbers given(shape.layer(0), 1, static_cast<std::uint64_t>(t + 1)), other = given;
        if (t % 2 == 0)
            whole.step(0, 3 * t, given.q, given.k, given.v, given.out);
        else
            whole.step(0, 3 * t, given.q, given.k, given.v, given.out, turn);
        for (std::size_t h = 0; h < 2; ++h)
            if (t % 2 == 0)
                halves.attend(0, h, 3 * t, other.q, other.k, other.v, other.out);
            else
                halves.attend(0, h, 3 * t, other.q, other.k, other.v, other.out, turn);
        halves.decide(0, 3 * t);
        REQUIRE(given.out == other.out);
    }
    Numbers given(shape.layer(0), 1, 1);
    CHECK(thrown_by([&] { halves.attend(0, 0, given.q, given.k, given.v, given.out); }) ==
          "msrnn: layer 0 has a window of 4 positions; give attend() the position of the token");
    CHECK(halves.between_steps());
}

TEST_CASE("the shape of a layer is what the shape of the model says of it") {
    Shape shape{.layers = 2,
                .query_heads = 2,
                .kv_heads = 1,
                .head_dim = 8,
                .value_dim = 4,
                .scale = 0.5f,
                .soft_cap = 3,
                .window = 7,
                .sinks = {1, 2, 3, 4}};
    LayerShape wanted{.query_heads = 2,
                      .kv_heads = 1,
                      .head_dim = 8,
                      .value_dim = 4,
                      .scale = 0.5f,
                      .soft_cap = 3,
                      .window = 7,
                      .sinks = {1, 2}};
    CHECK(shape.layer(0) == wanted);
    wanted.sinks = {3, 4};
    CHECK(shape.layer(1) == wanted);
    shape.sinks = {5, 6};
    wanted.sinks = {5, 6};
    CHECK(shape.layer(0) == wanted);
    CHECK(shape.layer(1) == wanted);
    shape.each = shape.list();
    shape.each[1].window = wanted.window = 9;
    shape.window = 1;
    CHECK(shape.layer(1) == wanted);
    CHECK(State<Tova>(shape, {.budget = 4}).layer(1).shape() == wanted);
}

TEST_CASE("what is wrong with a shape is said of the layer") {
    const Shape good{.layers = 2, .query_heads = 4, .kv_heads = 2, .head_dim = 8};
    const auto wrong = [&](auto change) {
        Shape shape = good;
        change(shape);
        return problem(shape);
    };
    CHECK(wrong([](Shape& s) { s.soft_cap = -1; }) == "msrnn: soft_cap is -1; give a positive number, or 0 for none");
    CHECK(wrong([](Shape& s) { s.soft_cap = NAN; }).find("msrnn: soft_cap is") == 0);
    CHECK(wrong([](Shape& s) {
              s.sinks = {1, 2, 3};
          }) ==
          "msrnn: sinks has 3 numbers; give one for each of the 4 query heads, for all layers or for each of the 2, or "
          "none");
    CHECK(wrong([](Shape& s) { s.sinks.resize(12); }).find("msrnn: sinks has 12 numbers") == 0);
    CHECK(wrong([](Shape& s) {
              s.sinks = {1, 2, INFINITY, 3};
          }) == "msrnn: a number of sinks is inf; give finite logits, or none");
    CHECK(wrong([](Shape& s) { s.sinks.resize(8); }).empty());
    CHECK(wrong([](Shape& s) { s.each.resize(3); }) ==
          "msrnn: each has 3 layers and layers is 2; describe every layer, or none");
    CHECK(wrong([](Shape& s) {
              s.each = s.list();
              s.each[1].head_dim = 0;
          }) == "msrnn: head_dim of layer 1 is 0; give the model's own number");
    CHECK(wrong([](Shape& s) {
              s.each = s.list();
              s.each[1].kv_heads = 3;
          }) ==
          "msrnn: query_heads 4 is not a multiple of kv_heads 3 of layer 1; every KV head serves equally many "
          "query heads");
    CHECK(wrong([](Shape& s) {
              s.each = s.list();
              s.each[0].sinks = {1};
          }) == "msrnn: sinks of layer 0 has 1 numbers; give one for each of the 4 query heads, or none");
    CHECK(wrong([](Shape& s) { s.value_dim = std::size_t{1} << 60; }).find("do not fit the memory") !=
          std::string::npos);
    CHECK(thrown_by([&] {
              State<Tova>({.layers = 1, .query_heads = 1, .kv_heads = 1, .head_dim = 1, .soft_cap = -2}, {.budget = 4});
          }) == "msrnn: soft_cap is -2; give a positive number, or 0 for none");
    const Shape narrow{.layers = 1, .query_heads = 2, .kv_heads = 1, .head_dim = 8, .value_dim = 4};
    State<Tova> state(narrow, {.budget = 4});
    std::vector<float> q(16), k(8), v(4), out(8), wide(16);
    state.step(0, 0, q, k, v, out);
    CHECK(thrown_by([&] { state.step(0, 1, q, k, k, out); }) ==
          "msrnn: v has 8 numbers; it is [kv_heads][value_dim], here 4");
    CHECK(thrown_by([&] { state.prefill(0, 1, q, k, v, wide); }) ==
          "msrnn: out has 16 numbers; it is [tokens][query_heads][value_dim], here 8");
}

}  // namespace model_shapes_tests
