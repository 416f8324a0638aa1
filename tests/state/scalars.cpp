#include "state/scalars.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <msrnn/any_policy.hpp>
#include <span>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/plain_attention.hpp"
#include "support/tokens.hpp"

namespace scalars_tests {

namespace {

/// One layer of an engine that keeps its rows as floats which S can store, and asks lanes where to put them.
template <class S>
class Engine {
public:
    Engine(const Shape& shape, std::size_t budget, const AnyPolicy& policy)
        : shape_(shape),
          lane_heads_(scope_of(policy) == Scope::layer ? shape.kv_heads : 1),
          keys_(shape.kv_heads, std::vector<std::vector<float>>(budget + 1)),
          values_(keys_) {
        for (std::size_t i = 0; i < shape.kv_heads / lane_heads_; ++i)
            lanes_.emplace_back(Limits{.budget = budget}, policy, LaneId{0, i});
    }
    std::vector<double> step(std::int64_t position, const Token& token) {
        std::vector<double> out;
        for (std::size_t i = 0; i < lanes_.size(); ++i) {
            Lane<AnyPolicy>& lane = lanes_[i];
            const Slot slot = lane.append(position);
            std::vector<float> weights;
            for (std::size_t h = i * lane_heads_; h < (i + 1) * lane_heads_; ++h) {
                keys_[h][slot] = rounded<S>(std::span(token.k).subspan(h * dim(), dim()));
                values_[h][slot] = rounded<S>(std::span(token.v).subspan(h * dim(), dim()));
                for (std::size_t g = 0; g < shape_.group(); ++g) {
                    const float* query = token.q.data() + (h * shape_.group() + g) * dim();
                    const auto seen = plain_attention(
                        query, dim(), lane.extent(), 1 / std::sqrt(static_cast<double>(dim())),
                        [&](std::size_t row) { return keys_[h][row].data(); },
                        [&](std::size_t row) { return values_[h][row].data(); });
                    for (const double w : seen.weights) weights.push_back(static_cast<float>(w));
                    out.insert(out.end(), seen.out.begin(), seen.out.end());
                }
            }
            lane.observe(weights);
            lane.evict(Keys([&](Slot s) { return std::span<const float>(keys_[i * lane_heads_][s]); }));
        }
        return out;
    }
    const Lane<AnyPolicy>& lane(std::size_t kv_head) const { return lanes_[kv_head / lane_heads_]; }

private:
    std::size_t dim() const { return shape_.head_dim; }

    Shape shape_;
    std::size_t lane_heads_;
    std::vector<std::vector<std::vector<float>>> keys_, values_;
    std::vector<Lane<AnyPolicy>> lanes_;
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("a step is plain attention over the rows as they are stored, and both doors keep the same", "",
                        EveryScalar) {
    for_known_policies([](const AnyPolicy& policy) {
        AnyState<TestType> state(one_layer, {.budget = 12}, policy);
        Engine<TestType> engine(one_layer, 12, policy);
        for (std::int64_t t = 0; t < 120; ++t) {
            CAPTURE(t);
            const std::vector<float> out = step(state, 3 * t);
            REQUIRE(all_close(out, engine.step(3 * t, token_at(one_layer, 0, 3 * t)), 1e-5, 1e-5));
            REQUIRE(rows_are_their_tokens(state));
            for (std::size_t h = 0; h < one_layer.kv_heads; ++h)
                REQUIRE(positions(state.lane(0, h)) == positions(engine.lane(h)));
        }
        CHECK(state.lane(0, 1).evictions() == 108);
    });
}

TEMPLATE_LIST_TEST_CASE("a policy is shown the keys as they are stored, not as they were given", "", EveryScalar) {
    AnyState<TestType> state(one_layer, {.budget = 40}, KeyNorm{});
    steps(state, 0, 41);
    std::size_t rounding_shows = 0;
    for (std::size_t h = 0; h < one_layer.kv_heads; ++h)
        for (std::size_t s = 0; s < 41; ++s) {
            if (!state.lane(0, h).live(Slot(s))) continue;
            const auto norm = [](std::span<const float> row) {
                double squares = 0;
                for (const float x : row) squares += static_cast<double>(x) * static_cast<double>(x);
                return std::sqrt(squares);
            };
            const double rating = static_cast<double>(state.lane(0, h).rating(Slot(s)));
            const Token token = token_at(one_layer, 0, state.lane(0, h).position(Slot(s)).value());
            REQUIRE(close(rating, -norm(read(state.rows(0, h).keys, s)), 0, 1e-6));
            rounding_shows += !close(rating, -norm(std::span(token.k).subspan(h * 24, 24)), 0, 1e-5);
        }
    CHECK((rounding_shows > 20) == !std::is_same_v<TestType, float>);
}

TEMPLATE_LIST_TEST_CASE("until the budget is reached rows of every scalar are as without a bound, bit for bit", "",
                        EveryScalar) {
    for_known_policies([](const AnyPolicy& policy) {
        AnyState<TestType> bounded(small, {.budget = 90}, policy), whole(small, {.budget = unbounded}, policy);
        CHECK(same_bits(steps(bounded, 0, 91), steps(whole, 0, 91)));
        CHECK(rows_are_their_tokens(whole));
        CHECK(whole.lane(1, 1).size() == 91);
        CHECK(!same_bits(step(bounded, 91), step(whole, 91)));
    });
}

TEMPLATE_LIST_TEST_CASE("prefill per token is the loop over steps for every scalar, bit for bit", "", EveryScalar) {
    for_known_policies([](const AnyPolicy& policy) {
        AnyState<TestType> looped(one_layer, {.budget = 20}, policy), per_token = looped;
        CHECK(same_bits(prefill(per_token, 0, 50, Prefill::per_token()), steps(looped, 0, 50)));
        CHECK(same_state(looped, per_token));
    });
}

TEMPLATE_LIST_TEST_CASE("without a bound every mode gives what the steps give, for every scalar", "", EveryScalar) {
    for_known_policies([](const AnyPolicy& policy) {
        AnyState<TestType> looped(one_layer, {.budget = unbounded}, policy);
        const std::vector<float> expected = steps(looped, 0, 100);
        for (const Prefill mode : {Prefill::one_shot(), Prefill::chunked(13), Prefill::chunked(64)}) {
            CAPTURE(mode.chunk);
            AnyState<TestType> state(one_layer, {.budget = unbounded}, policy);
            REQUIRE(all_close(prefill(state, 0, 100, mode), expected, 1e-5, 1e-5));
            REQUIRE(rows_are_their_tokens(state));
            for (std::size_t h = 0; h < one_layer.kv_heads; ++h) {
                const auto tokens = held(state, 0, h), others = held(looped, 0, h);
                REQUIRE(tokens.size() == 100);
                for (std::size_t i = 0; i < tokens.size(); ++i) {
                    REQUIRE(tokens[i].position == others[i].position);
                    REQUIRE(close(tokens[i].rating, others[i].rating, 1e-5, 1e-5));
                }
            }
            AnyState<TestType> again = looped;
            REQUIRE(all_close(steps(state, 100, 120), steps(again, 100, 120), 1e-5, 1e-5));
        }
    });
}

TEMPLATE_LIST_TEST_CASE("a turned step sees turned copies of the stored keys, which stay", "", EveryScalar) {
    for_known_policies([](const AnyPolicy& policy) {
        const std::size_t dim = one_layer.head_dim, group = one_layer.group();
        AnyState<TestType> state(one_layer, {.budget = 9}, policy);
        const auto turn = [](Slot slot, std::span<float> key) {
            for (float& x : key) x *= slot % 2 == 0 ? 0.5f : -1.0f;
        };
        for (std::int64_t t = 0; t < 40; ++t) {
            Token token = token_at(one_layer, 0, t);
            const std::size_t n = state.lane(0, 0).size() + 1;
            state.step(0, t, token.q, token.k, token.v, token.out, turn);
            CAPTURE(t);
            REQUIRE(rows_are_their_tokens(state));
            for (std::size_t h = 0; h < one_layer.query_heads; ++h) {
                std::vector<std::vector<float>> keys, values;
                for (std::size_t s = 0; s < n; ++s) {
                    keys.push_back(read(state.rows(0, h / group).keys, s));
                    values.push_back(read(state.rows(0, h / group).values, s));
                    turn(Slot(s), keys.back());
                }
                const auto expected = plain_attention(
                    token.q.data() + h * dim, dim, n, 1 / std::sqrt(static_cast<double>(dim)),
                    [&](std::size_t row) { return keys[row].data(); },
                    [&](std::size_t row) { return values[row].data(); });
                REQUIRE(all_close(std::span(token.out).subspan(h * dim, dim), expected.out, 1e-5, 1e-5));
            }
        }
        CHECK(state.lane(0, 1).evictions() == 31);
    });
}

TEMPLATE_LIST_TEST_CASE("turned steps and others take turns, and turning nothing changes nothing but rounding", "",
                        EveryScalar) {
    AnyState<TestType> plain(one_layer, {.budget = 9}, H2O{}), turned = plain;
    for (std::int64_t t = 0; t < 60; ++t) {
        Token a = token_at(one_layer, 0, t), b = a;
        plain.step(0, t, a.q, a.k, a.v, a.out);
        if (t % 3 == 0)
            turned.step(0, t, b.q, b.k, b.v, b.out);
        else
            turned.step(0, t, b.q, b.k, b.v, b.out, [](Slot, std::span<float>) {});
        REQUIRE(all_close(b.out, a.out, 1e-5, 1e-5));
        REQUIRE(positions(plain.lane(0, 1)) == positions(turned.lane(0, 1)));
    }
}

TEST_CASE("a state of our own types of 16 bits does what one of Eigen's does, bit for bit") {
    const auto outputs = []<class Scalar>(Scalar) {
        AnyState<Scalar> state(small, {.budget = 20}, H2O{});
        std::vector<float> all = steps(state, 0, 30);
        for (const float x : prefill(state, 30, 60, Prefill::chunked(9))) all.push_back(x);
        return all;
    };
    CHECK(same_bits(outputs(msrnn::Bfloat16()), outputs(Eigen::bfloat16())));
    CHECK(same_bits(outputs(msrnn::Half()), outputs(Eigen::half())));
}

}  // namespace scalars_tests
