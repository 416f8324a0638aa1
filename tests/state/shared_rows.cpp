#include <algorithm>
#include <msrnn/msrnn.hpp>
#include <string>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/plain_model.hpp"
#include "support/same_record.hpp"
#include "support/sharing_layers.hpp"
#include "support/thrown_by.hpp"

namespace shared_rows_tests {

using namespace msrnn;
using plain_model::Numbers;
using plain_model::Token;
using sharing::given_to, sharing::owner_of, sharing::pass, sharing::same, sharing::step;

TEMPLATE_TEST_CASE("layers that read others' rows attend to them, and a decision weighs what all of them saw", "",
                   float, Eigen::bfloat16, std::int8_t) {
    const Shape shape = sharing::shape();
    constexpr std::size_t budget = 9;
    State<H2O, TestType> state(shape, {.budget = budget});
    std::vector<std::vector<Token>> tokens(2);  // of the layers with rows
    std::vector<Lane<H2O>> lanes;               // [layers with rows][KV heads], told by this test
    for (std::size_t i = 0; i < 4; ++i) lanes.emplace_back(budget);
    double worst_out = 0, worst_rating = 0;
    for (std::int64_t t = 0; t < 40; ++t) {
        std::vector<std::vector<double>> sums(4);  // of each lane, by its slots
        std::vector<std::size_t> heads(4);
        for (std::size_t layer = 0; layer < shape.layers; ++layer) {
            const LayerShape& own = shape.each[layer];
            const std::size_t owner = owner_of(own, layer), group = own.query_heads / own.kv_heads;
            Numbers given = given_to(shape, layer, t);
            state.step(layer, t, given.q, given.k, given.v, given.out);
            if (owner == layer) {
                tokens[owner].push_back(plain_model::token<TestType>(own, t, given.k.data(), given.v.data()));
                for (std::size_t h = 0; h < 2; ++h) {
                    lanes[2 * owner + h].append(t);
                    sums[2 * owner + h].assign(lanes[2 * owner + h].extent(), 0);
                }
            }
            for (std::size_t head = 0; head < own.query_heads; ++head) {
                const std::size_t lane = 2 * owner + head / group;
                std::vector<const Token*> sees;
                for (std::size_t slot = 0; slot < lanes[lane].extent(); ++slot)
                    sees.push_back(&tokens[owner][static_cast<std::size_t>(lanes[lane].position(Slot(slot)).value())]);
                const auto want = plain_model::attend(own, head, t, given.q.data() + head * 8, sees);
                for (std::size_t d = 0; d < 6; ++d)
                    worst_out =
                        std::max(worst_out, std::fabs(want.out[d] - static_cast<double>(given.out[head * 6 + d])));
                for (std::size_t slot = 0; slot < sees.size(); ++slot) sums[lane][slot] += want.weights[slot];
                ++heads[lane];
            }
            const bool decided = layer == (owner == 0 ? 4u : 3u);  // the last that reads these rows
            CHECK(state.lane(owner, 0).seen() == static_cast<Arrival>(t + decided));
        }
        for (std::size_t i = 0; i < 4; ++i) {
            const std::vector<float> seen(sums[i].begin(), sums[i].end());
            lanes[i].observe(Attention{.weights = seen.data(),
                                       .query_heads = heads[i],
                                       .slots = seen.size(),
                                       .stride = seen.size(),
                                       .rows = 1});
            lanes[i].evict();
            const Lane<H2O>& own = state.lane(i / 2, i % 2);
            REQUIRE(by_arrival::kept(own) == by_arrival::kept(lanes[i]));
            for (std::size_t slot = 0; slot < own.extent(); ++slot)
                if (own.live(Slot(slot)))
                    worst_rating =
                        std::max(worst_rating,
                                 std::fabs(static_cast<double>(own.rating(Slot(slot)) - lanes[i].rating(Slot(slot)))));
        }
    }
    CHECK(worst_out < 2e-4);
    CHECK(worst_rating < 1e-3);
    CHECK(state.lane(0, 0).evictions() == 31);
    CHECK(&state.lane(4, 1) == &state.lane(0, 1));
    CHECK(state.lanes().size() == 4);
    CHECK(state.rows().size() == 4);
}

TEST_CASE("layers that share rows take a token in order, or are refused and nothing changes") {
    State<H2O> state(sharing::shape(), {.budget = 9});
    for (std::int64_t t = 0; t < 12; ++t) pass(state, t);
    const State<H2O> before = state;
    const auto said = [&](std::size_t layer) { return thrown_by([&] { step(state, layer, 12); }); };
    CHECK(said(2) ==
          "msrnn: layer 2 reads the rows of layer 0, which waits for a token of its own; step the layers in order");
    step(state, 0, 12);
    CHECK_FALSE(state.between_steps());
    CHECK(said(4) == "msrnn: layer 4 reads the rows of layer 0, which waits for layer 2; step the layers in order");
    CHECK(said(0) ==
          "msrnn: layer 0 waits for layer 2, which reads its rows; let that attend, or give the token up with "
          "rollback(0)");
    Numbers wrong(state.shape().each[2], 1, 5);
    CHECK(thrown_by([&] { state.step(2, 12, wrong.q, wrong.k, wrong.v, wrong.out); }) ==
          "msrnn: k has 16 numbers; it is empty where a layer reads the keys of another, here 0");
    step(state, 2, 12);
    CHECK(said(2).find("which waits for layer 4") != std::string::npos);
    CHECK(state.rollback(0));
    CHECK(same(state, before));
    State<H2O> other = before;
    CHECK(same_bits(pass(state, 12), pass(other, 12)));
    CHECK(same(state, other));
}

TEST_CASE("a pass that was cancelled among layers that share rows is put right, whole passes are undone") {
    for (std::size_t done = 0; done <= 5; ++done) {
        CAPTURE(done);
        State<Tova, std::int8_t> state(sharing::shape(), {.budget = 9}, {}, {.tokens = 4});
        for (std::int64_t t = 0; t < 14; ++t) pass(state, t);
        State<Tova, std::int8_t> before = state;
        for (std::size_t layer = 0; layer < done; ++layer) step(state, layer, 14, 900);
        CHECK(state.between_steps() == (done == 0 || done == 5));
        CHECK(state.realign());
        if (done == 5) CHECK(state.rollback(1));
        CHECK(state.rollback(2));
        CHECK(before.rollback(2));
        for (std::size_t layer = 0; layer < 2; ++layer)
            CHECK(same_record(state.lane(layer, 0).record(), before.lane(layer, 0).record()));
        CHECK(same_bits(pass(state, 14), pass(before, 14)));
        CHECK(same_record(state.lane(0, 1).record(), before.lane(0, 1).record()));
    }
}

TEST_CASE("half steps and turned keys of layers that share rows are those of whole steps") {
    State<H2O> whole(sharing::shape(), {.budget = 9}), halves = whole;
    const auto turn = [](Slot, std::span<float> key) { key[0] = -key[0]; };
    for (std::int64_t t = 0; t < 20; ++t)
        for (std::size_t layer = 0; layer < 5; ++layer) {
            Numbers given = given_to(whole.shape(), layer, t), other = given;
            if (t % 2 == 0)
                whole.step(layer, t, given.q, given.k, given.v, given.out);
            else
                whole.step(layer, t, given.q, given.k, given.v, given.out, turn);
            for (std::size_t h = 0; h < 2; ++h)
                if (t % 2 == 0)
                    halves.attend(layer, h, t, other.q, other.k, other.v, other.out);
                else
                    halves.attend(layer, h, t, other.q, other.k, other.v, other.out, turn);
            halves.decide(layer, t);
            REQUIRE(same_bits(given.out, other.out));
        }
    CHECK(same(whole, halves));
}

TEST_CASE("what is wrong with layers that share rows is said") {
    const auto wrong = [&](auto change) {
        Shape shape = sharing::shape();
        change(shape);
        return problem(shape);
    };
    CHECK(wrong([](Shape&) {}).empty());
    CHECK(wrong([](Shape& s) { s.each[2].reads = 2; }) ==
          "msrnn: layer 2 reads the rows of layer 2; give an earlier layer");
    CHECK(wrong([](Shape& s) { s.each[4].reads = 3; }) ==
          "msrnn: layer 4 reads the rows of layer 3, which reads those of layer 1; give the layer that stores them");
    CHECK(wrong([](Shape& s) { s.each[2].head_dim = 16; }) ==
          "msrnn: layer 2 reads the rows of layer 0 and differs from it in kv_heads, head_dim or value_dim; give those "
          "of the rows");
    CHECK(thrown_by([] {
              LayerCache<Tova>({.query_heads = 2, .kv_heads = 2, .head_dim = 8, .reads = 0}, {.budget = 4});
          }) == "msrnn: this layer reads the rows of layer 0; only a State has both");
}

}  // namespace shared_rows_tests
