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
#include "support/sharing_layers.hpp"
#include "support/thrown_by.hpp"

namespace shared_prompts_tests {

using namespace msrnn;
using plain_model::Numbers;
using plain_model::Token;
using sharing::given_to, sharing::owner_of, sharing::pass, sharing::prompt, sharing::prompts, sharing::same;

namespace {

double distance(const std::vector<float>& a, const std::vector<float>& b) {
    REQUIRE(a.size() == b.size());
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (const double off = std::fabs(static_cast<double>(a[i] - b[i])); !(off <= worst)) worst = off;
    return worst;
}
/// Ratings, by slot; nothing where slots hold other tokens.
std::vector<float> ratings(const Lane<AnyPolicy>& lane) {
    std::vector<float> all;
    for (const LaneToken token : lane.tokens()) all.push_back(lane.rating(token.slot));
    return all;
}

/// The layers with rows in double, and lanes that this test tells what all their readers saw.
struct Plain {
    Shape shape = sharing::shape();
    std::vector<std::vector<Token>> tokens{2};  // of layers 0 and 1
    std::vector<Lane<AnyPolicy>> lanes;         // [layer][KV head], or [layer]
    double worst_out = 0;

    Plain(std::size_t budget, const AnyPolicy& policy, std::size_t of_layer) {
        for (std::size_t i = 0; i < 2 * of_layer; ++i)
            lanes.emplace_back(Limits{.budget = budget, .capacity = 100}, policy);
    }
    /// A prompt of so many tokens from this position on; the state has taken it.
    template <class Scalar>
    void take(std::int64_t first, std::size_t count, std::vector<Numbers>& given) {
        const std::size_t of_layer = lanes.size() / 2;
        for (std::size_t owner = 0; owner < 2; ++owner)
            for (std::size_t t = 0; t < count; ++t)
                tokens[owner].push_back(plain_model::token<Scalar>(shape.each[owner],
                                                                   first + static_cast<std::int64_t>(t),
                                                                   &given[owner].k[t * 16], &given[owner].v[t * 12]));
        for (Lane<AnyPolicy>& lane : lanes) lane.prompt(count);
        for (std::size_t t = 0; t < count; ++t) {
            const std::int64_t position = first + static_cast<std::int64_t>(t);
            std::vector<std::vector<float>> sums;
            std::vector<std::size_t> heads(lanes.size());
            for (Lane<AnyPolicy>& lane : lanes) {
                lane.append(position);
                sums.emplace_back(lane.extent());
            }
            for (std::size_t layer = 0; layer < shape.layers; ++layer)
                for (std::size_t head = 0; head < shape.each[layer].query_heads; ++head) {
                    const LayerShape& own = shape.each[layer];
                    const std::size_t owner = owner_of(own, layer),
                                      lane = owner * of_layer + (of_layer == 1 ? 0 : head / own.group());
                    std::vector<const Token*> sees;
                    for (std::size_t slot = 0; slot < lanes[lane].extent(); ++slot)
                        sees.push_back(
                            &tokens[owner][static_cast<std::size_t>(lanes[lane].position(Slot(slot)).value())]);
                    const std::size_t row = t * own.query_heads + head;
                    const auto want = plain_model::attend(own, head, position, &given[layer].q[row * 8], sees);
                    for (std::size_t d = 0; d < 6; ++d)
                        if (const double off =
                                std::fabs(want.out[d] - static_cast<double>(given[layer].out[row * 6 + d]));
                            !(off <= worst_out))
                            worst_out = off;
                    for (std::size_t slot = 0; slot < sees.size(); ++slot)
                        sums[lane][slot] += static_cast<float>(want.weights[slot]);
                    ++heads[lane];
                }
            for (std::size_t i = 0; i < lanes.size(); ++i)
                lanes[i].observe(Attention{.weights = sums[i].data(),
                                           .query_heads = heads[i],
                                           .slots = sums[i].size(),
                                           .stride = sums[i].size(),
                                           .rows = 1});
        }
        for (Lane<AnyPolicy>& lane : lanes) {
            lane.evict();
            lane.compact([](Move) {});
        }
    }
};

}  // namespace

TEMPLATE_TEST_CASE("prompts of layers that share rows: all of them attend, and one choice weighs what all saw", "",
                   float, Eigen::bfloat16, std::int8_t) {
    for (const char* name : {"h2o", "tova", "tova-head"}) {
        const AnyPolicy policy = AnyPolicy::named(name);
        State<AnyPolicy, TestType> state(sharing::shape(), {.budget = 9}, policy);
        Plain plain(9, policy, state.lanes(0).size());
        std::int64_t first = 0;
        for (const std::size_t count : {5u, 3u, 17u, 1u, 12u}) {
            CAPTURE(name, first);
            std::vector<Numbers> given;
            for (std::size_t layer = 0; layer < 5; ++layer) {
                given.push_back(given_to(state.shape(), layer, first, count, 0));
                Numbers& one = given.back();
                state.prefill(layer, first, one.q, one.k, one.v, one.out);
                CHECK(state.between_steps() == (layer == 4));
                CHECK(state.tokens(0) == static_cast<std::size_t>(first) + (layer == 4 ? count : 0));
            }
            plain.take<TestType>(first, count, given);
            for (std::size_t i = 0; i < plain.lanes.size(); ++i) {
                const std::size_t of_layer = plain.lanes.size() / 2;
                const Lane<AnyPolicy>& own = state.lanes(i / of_layer)[i % of_layer];
                REQUIRE(by_arrival::kept(own) == by_arrival::kept(plain.lanes[i]));
                if (count == 1u) continue;  // slots of survivors differ where one token was evicted
                for (const LaneToken token : own.tokens())
                    for (const LaneToken other : plain.lanes[i].tokens())
                        if (token.arrival == other.arrival)
                            CHECK(std::fabs(own.rating(token.slot) - plain.lanes[i].rating(other.slot)) < 1e-3f);
            }
            first += static_cast<std::int64_t>(count);
        }
        CHECK(plain.worst_out < 2e-4);
        CHECK(state.lanes(0)[0].evictions() == 38 - 9);
    }
}

TEST_CASE("where nothing is evicted, prompts of layers that share rows give what steps give") {
    for (const char* name : {"h2o", "tova", "window"}) {
        CAPTURE(name);
        State<AnyPolicy> state(sharing::shape(), {.budget = 60}, AnyPolicy::named(name)), steps = state;
        std::int64_t first = 0;
        for (const std::size_t count : {4u, 20u, 7u}) {
            std::vector<std::vector<float>> outs(5);
            for (std::size_t t = 0; t < count; ++t)
                for (std::size_t layer = 0; layer < 5; ++layer) {
                    const auto out = sharing::step(steps, layer, first + static_cast<std::int64_t>(t));
                    outs[layer].insert(outs[layer].end(), out.begin(), out.end());
                }
            for (std::size_t layer = 0; layer < 5; ++layer)
                CHECK(distance(prompt(state, layer, first, count), outs[layer]) < 2e-5);
            first += static_cast<std::int64_t>(count);
        }
        for (std::size_t layer = 0; layer < 2; ++layer)
            for (std::size_t h = 0; h < 2; ++h)
                CHECK(distance(ratings(state.lane(layer, h)), ratings(steps.lane(layer, h))) < 1e-4);
        for (std::int64_t t = first; t < 90; ++t) CHECK(distance(pass(state, t), pass(steps, t)) < 2e-5);
        CHECK(state.lane(0, 0).evictions() == 30);
    }
}

TEST_CASE("a prompt of layers that share rows is given to all of them, or given up and nothing has changed") {
    State<H2O> state(sharing::shape(), {.budget = 9});
    for (std::int64_t t = 0; t < 12; ++t) pass(state, t);
    const State<H2O> before = state;
    const auto said = [&](std::size_t layer, std::size_t tokens) {
        return thrown_by([&] { prompt(state, layer, 12, tokens); });
    };
    CHECK(said(2, 6) ==
          "msrnn: layer 2 reads the rows of layer 0, which waits for a token of its own; step the layers in order");
    prompt(state, 0, 12, 6);
    CHECK(state.bytes() > before.bytes());
    CHECK(said(4, 6) == "msrnn: layer 4 reads the rows of layer 0, which waits for layer 2; step the layers in order");
    CHECK(said(0, 6) ==
          "msrnn: layer 0 waits for layer 2, which reads its rows; let that attend, or give the token up with "
          "rollback(0)");
    CHECK(said(2, 5) ==
          "msrnn: layer 2 is given a prompt of 5 tokens, and layer 0, whose rows it reads, has taken a prompt of 6; "
          "give both the same");
    CHECK(thrown_by([&] { sharing::step(state, 2, 12); }) ==
          "msrnn: layer 2 is given a token, and layer 0, whose rows it reads, has taken a prompt of 6; give both the "
          "same");
    Numbers six = given_to(state.shape(), 2, 12, 6, 0), wrong(state.shape().each[2], 6, 5);
    CHECK(thrown_by([&] { state.prefill(2, 13, six.q, six.k, six.v, six.out); }) ==
          "msrnn: token 0 of a prompt is at position 13, and at 12 in the layer whose rows are read; give both layers "
          "the same");
    CHECK(thrown_by([&] { state.prefill(2, 12, six.q, wrong.k, wrong.v, six.out); }) ==
          "msrnn: k has 96 numbers; it is empty where a layer reads the keys of another, here 0");
    prompt(state, 2, 12, 6);
    const State<H2O> fork = state;
    CHECK(state.rollback(0));
    CHECK(same(state, before));
    CHECK(state.bytes() == before.bytes());
    sharing::step(state, 0, 12);
    CHECK(said(2, 3) ==
          "msrnn: layer 2 is given a prompt of 3 tokens, and layer 0, whose rows it reads, has taken a step; give both "
          "the same");
    CHECK(state.realign());
    CHECK(same(state, before));

    prompts(state, 12, 6);
    State<H2O> other = fork;
    prompt(other, 4, 12, 6);
    for (const std::size_t layer : {1u, 3u}) prompt(other, layer, 12, 6);
    CHECK(same(state, other));
    CHECK(same_bits(pass(state, 18), pass(other, 18)));
}

TEST_CASE("what prompts of layers that share rows cannot be is said") {
    State<H2O> state(sharing::shape(), {.budget = 9});
    Numbers six = given_to(state.shape(), 0, 0, 6, 0), none(state.shape().each[0], 0, 1);
    const auto said = [&](Prefill mode) {
        return thrown_by([&] { state.prefill(0, 0, six.q, six.k, six.v, six.out, mode); });
    };
    CHECK(said(Prefill::chunked(5)) ==
          "msrnn: layer 0 shares its rows with another, and a prompt of 6 tokens in chunks of 5 would decide before "
          "both have attended; give all layers one chunk, then the next");
    CHECK(said(Prefill::per_token()).find("in chunks of 1 would") != std::string::npos);
    CHECK(said(Prefill::chunked(0)).find("in chunks of 0 would") != std::string::npos);
    CHECK(thrown_by(
              [&] { state.prefill(0, 0, six.q, six.k, six.v, six.out, Prefill::one_shot(), SnapKV{.window = 2}); }) ==
          "msrnn: layer 0 shares its rows with another, and a selector sees the weights of one layer; give the prompt "
          "without one");
    CHECK(thrown_by([&] { state.prefill(0, 0, six.q, six.q, six.v, six.out); }).find("msrnn: k has 192") == 0);
    for (const std::size_t layer : {0u, 1u, 2u}) state.prefill(layer, 0, none.q, none.k, none.v, none.out);
    CHECK(state.between_steps());
    CHECK(state.tokens(0) == 0);
    CHECK(said(Prefill::chunked(6)) == "nothing was thrown");
}

TEST_CASE("prompts of layers that share rows are undone token by token") {
    for (const char* name : {"h2o", "tova"})
        for (std::size_t undone = 0; undone <= 5; ++undone) {
            CAPTURE(name, undone);
            State<AnyPolicy> state(sharing::shape(), {.budget = 9}, AnyPolicy::named(name), {.tokens = 6});
            for (std::int64_t t = 0; t < 14; ++t) pass(state, t);
            State<AnyPolicy> expected = state;
            prompts(state, 14, 5);
            CHECK(state.reversible() == 5);
            pass(state, 19);
            CHECK(state.rollback(1 + undone));
            if (undone < 5) prompts(expected, 14, 5 - undone);
            CHECK(same(state, expected));
            CHECK(same_bits(pass(state, 30), pass(expected, 30)));
            CHECK(same(state, expected));
        }
    State<H2O> state(sharing::shape(), {.budget = 9}, {}, {.tokens = 4});
    prompts(state, 0, 5);
    CHECK(state.reversible() == 0);
}

namespace {
bool throws = false;
struct Throwing : H2O {
    void observe(const Attention& seen, Ratings rating) const {
        if (throws) throw std::string("a hook");
        H2O::observe(seen, rating);
    }
};
}  // namespace

TEST_CASE("where a hook throws at the end of prompts of layers that share rows, the last layer can attend again") {
    for (const std::size_t depth : {0u, 8u}) {
        State<Throwing> state(sharing::shape(), {.budget = 9}, {}, {.tokens = depth});
        for (std::int64_t t = 0; t < 4; ++t) pass(state, t);
        State<Throwing> other = state;
        for (std::size_t layer = 0; layer < 4; ++layer) prompt(state, layer, 4, 7);
        const State<Throwing> before = state;
        throws = true;
        CHECK_THROWS_AS(prompt(state, 4, 4, 7), std::string);
        throws = false;
        CHECK(same(state, before));
        prompt(state, 4, 4, 7);
        prompts(other, 4, 7);
        CHECK(same(state, other));
    }
}

}  // namespace shared_prompts_tests
