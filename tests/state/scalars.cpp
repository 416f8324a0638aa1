#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <span>
#include <tuple>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/plain_attention.hpp"
#include "support/simple_policies.hpp"
#include "support/tokens.hpp"

using namespace msrnn;

// All policies in one type: each State<Policy, Scalar> costs seconds of compile time.
namespace {
using EveryScalar = std::tuple<float, Eigen::bfloat16, Eigen::half, std::int8_t>;
template <class S>
using AnyState = State<AnyPolicy, S>;

constexpr Shape small{.layers = 2, .query_heads = 6, .kv_heads = 2, .head_dim = 24};
constexpr Shape one_layer{.layers = 1, .query_heads = 6, .kv_heads = 2, .head_dim = 24};

template <class Check>
void for_known_policies(Check check) {
    for (const AnyPolicy& policy : simple_policies()) {
        INFO("policy " << policy.name());
        check(policy);
    }
}
bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// What a row becomes that is stored as S and read back.
template <class S>
std::vector<float> rounded(std::span<const float> row) {
    Rows<S> stored(1, row.size());
    stored.write(0, row);
    std::vector<float> back(row.size());
    stored.read(0, back);
    return back;
}
template <class S>
std::vector<float> read(const Rows<S>& rows, std::size_t row) {
    std::vector<float> numbers(rows[row].size());
    rows.read(row, numbers);
    return numbers;
}

/// The token of a position in a layer, the same whenever it is asked for.
Token token_at(const Shape& shape, std::size_t layer, std::int64_t position) {
    Random random{static_cast<std::uint64_t>(position) * 8 + layer};
    Token token(shape, random);
    const float loudness = 0.25f + 2 * random.unit();  // so that one scale is not as good as another
    for (float& x : token.v) x *= loudness;
    return token;
}
template <class S>
std::vector<float> step(AnyState<S>& state, std::int64_t position) {
    std::vector<float> outs;
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer) {
        Token token = token_at(state.shape(), layer, position);
        state.step(layer, position, token.q, token.k, token.v, token.out);
        outs.insert(outs.end(), token.out.begin(), token.out.end());
    }
    return outs;
}
template <class S>
std::vector<float> steps(AnyState<S>& state, std::int64_t from, std::int64_t to) {
    std::vector<float> outs;
    for (std::int64_t position = from; position < to; ++position) {
        const std::vector<float> out = step(state, position);
        outs.insert(outs.end(), out.begin(), out.end());
    }
    return outs;
}

template <class S>
bool rows_are_their_tokens(const AnyState<S>& state) {
    const std::size_t dim = state.shape().head_dim;
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer)
        for (std::size_t h = 0; h < state.shape().kv_heads; ++h) {
            const auto& lane = state.lane(layer, h);
            for (std::size_t s = 0; s < lane.extent(); ++s) {
                if (!lane.live(Slot(s))) continue;
                const Token token = token_at(state.shape(), layer, lane.position(Slot(s)).value());
                const auto& rows = state.rows(layer, h);
                if (read(rows.keys, s) != rounded<S>(std::span(token.k).subspan(h * dim, dim))) return false;
                if (read(rows.values, s) != rounded<S>(std::span(token.v).subspan(h * dim, dim))) return false;
            }
        }
    return true;
}

/// Everything a state holds of its tokens, by slot.
struct Held {
    std::int64_t position;
    float rating;
    std::vector<float> key, value;
    bool operator==(const Held&) const = default;
};
template <class S>
std::vector<Held> held(const AnyState<S>& state, std::size_t layer, std::size_t kv_head) {
    const auto& lane = state.lane(layer, kv_head);
    std::vector<Held> tokens;
    for (std::size_t s = 0; s < lane.extent(); ++s)
        if (lane.live(Slot(s)))
            tokens.push_back({lane.position(Slot(s)).value(), lane.rating(Slot(s)),
                              read(state.rows(layer, kv_head).keys, s), read(state.rows(layer, kv_head).values, s)});
    return tokens;
}
template <class S>
bool same_state(const AnyState<S>& a, const AnyState<S>& b) {
    for (std::size_t layer = 0; layer < a.shape().layers; ++layer)
        for (std::size_t h = 0; h < a.shape().kv_heads; ++h)
            if (held(a, layer, h) != held(b, layer, h)) return false;
    return true;
}
std::vector<std::int64_t> positions(const Lane<AnyPolicy>& lane) {
    std::vector<std::int64_t> kept;
    for (std::size_t s = 0; s < lane.extent(); ++s)
        if (lane.live(Slot(s))) kept.push_back(lane.position(Slot(s)).value());
    std::sort(kept.begin(), kept.end());
    return kept;
}

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

/// The tokens of positions [from, to) as one prompt, in the first layer.
template <class S>
std::vector<float> prefill(AnyState<S>& state, std::int64_t from, std::int64_t to, Prefill mode) {
    std::vector<float> q, k, v;
    for (std::int64_t t = from; t < to; ++t) {
        const Token token = token_at(state.shape(), 0, t);
        q.insert(q.end(), token.q.begin(), token.q.end());
        k.insert(k.end(), token.k.begin(), token.k.end());
        v.insert(v.end(), token.v.begin(), token.v.end());
    }
    std::vector<float> out(q.size());
    state.prefill(0, from, q, k, v, out, mode);
    return out;
}
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

TEMPLATE_LIST_TEST_CASE("a prompt's survivors keep rows and scales, for every scalar", "", EveryScalar) {
    for_known_policies([](const AnyPolicy& policy) {
        for (const Prefill mode : {Prefill::one_shot(), Prefill::chunked(17)}) {
            CAPTURE(mode.chunk);
            AnyState<TestType> state(one_layer, {.budget = 16}, policy);
            prefill(state, 0, 70, mode);
            REQUIRE(state.lane(0, 1).size() == 16);
            REQUIRE(rows_are_their_tokens(state));
            steps(state, 70, 100);
            REQUIRE(rows_are_their_tokens(state));
        }
    });
}

TEMPLATE_LIST_TEST_CASE("states of every scalar fork and begin anew", "", EveryScalar) {
    for_known_policies([](const AnyPolicy& policy) {
        AnyState<TestType> state(small, {.budget = 10}, policy);
        const std::vector<float> expected = steps(state, 0, 30);
        AnyState<TestType> fork = state, again = state;
        steps(fork, 100, 120);
        CHECK(rows_are_their_tokens(fork));
        CHECK(same_bits(steps(state, 30, 50), steps(again, 30, 50)));
        CHECK(rows_are_their_tokens(state));
        state.reset();
        CHECK(same_bits(steps(state, 0, 30), expected));
    });
}

TEMPLATE_LIST_TEST_CASE("rows and scales follow their tokens when budgets change and tokens are evicted by name", "",
                        EveryScalar) {
    for_known_policies([](const AnyPolicy& policy) {
        AnyState<TestType> state(small, {.budget = 20}, policy);
        steps(state, 0, 50);
        state.set_budget(1, 1, 11);
        CHECK(state.lane(1, 1).extent() == 11);
        CHECK(rows_are_their_tokens(state));
        steps(state, 50, 80);
        CHECK(rows_are_their_tokens(state));
        state.set_budget(1, 1, 70);
        steps(state, 80, 170);
        CHECK(state.lane(1, 1).size() == 70);
        CHECK(rows_are_their_tokens(state));
        for (std::size_t slot : {3u, 0u, 16u}) {
            while (!state.lane(0, 0).live(Slot(slot))) ++slot;
            state.evict(0, 0, Slot(slot));
            CHECK(rows_are_their_tokens(state));
        }
        CHECK(state.lane(0, 0).extent() == 17);
        steps(state, 170, 200);
        CHECK(state.lane(0, 0).size() == 20);
        CHECK(rows_are_their_tokens(state));
    });
}

TEMPLATE_LIST_TEST_CASE(
    "rows and scales follow their tokens through steps, prompts, budgets and evictions in any order", "", EveryScalar) {
    for_known_policies([](const AnyPolicy& policy) {
        Random random{41};
        AnyState<TestType> state(one_layer, {.budget = 20}, policy);
        std::int64_t position = 0;
        for (int operation = 0; operation < 60; ++operation) {
            const std::size_t dice = random.below(10), kv_head = random.below(2);
            const auto tokens = static_cast<std::int64_t>(1 + random.below(40));
            const auto& lane = state.lane(0, kv_head);
            CAPTURE(operation, dice, kv_head, tokens);
            if (dice < 4) steps(state, position, position + tokens);
            if (dice == 4) prefill(state, position, position + tokens, Prefill::one_shot());
            if (dice == 5) prefill(state, position, position + tokens, Prefill::chunked(1 + random.below(12)));
            if (dice < 6) position += tokens;
            if (dice == 6) state.set_budget(0, kv_head, 12 + random.below(30));
            if (dice == 7 && random.one_in(4)) state.set_budget(0, kv_head, unbounded);
            if (dice > 7 && lane.size() > 1) {
                std::size_t slot = random.below(lane.extent());
                while (!lane.live(Slot(slot))) slot = (slot + 1) % lane.extent();
                state.evict(0, kv_head, Slot(slot));
            }
            REQUIRE(rows_are_their_tokens(state));
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

TEMPLATE_LIST_TEST_CASE("bytes() counts rows at the size of their scalar, and a scale for each row of bytes", "",
                        EveryScalar) {
    const std::size_t numbers = 2 * small.layers * small.kv_heads * 101 * small.head_dim;
    const std::size_t scales = std::is_same_v<TestType, std::int8_t> ? 2 * small.layers * small.kv_heads * 101 : 0;
    const std::size_t row = std::is_same_v<TestType, float> ? 0 : small.head_dim;
    const AnyState<float> floats(small, {.budget = 100}, H2O{});
    const AnyState<TestType> state(small, {.budget = 100}, H2O{});
    const std::size_t others = floats.bytes() - numbers * sizeof(float);
    CHECK(state.bytes() == others + numbers * sizeof(TestType) + (scales + row) * sizeof(float));
}

TEMPLATE_LIST_TEST_CASE("a token that holds a NaN harms no other KV head", "", EveryScalar) {
    AnyState<TestType> state(one_layer, {.budget = 6}, Window{}), clean = state;
    const std::size_t half = one_layer.group() * one_layer.head_dim;
    for (std::int64_t t = 0; t < 20; ++t) {
        Token a = token_at(one_layer, 0, t), b = a;
        if (t == 8) b.k[3] = std::nanf("");
        clean.step(0, t, a.q, a.k, a.v, a.out);
        state.step(0, t, b.q, b.k, b.v, b.out);
        CAPTURE(t);
        CHECK(std::isnan(b.out[0]) == (t >= 8 && t < 8 + 7));
        CHECK(std::memcmp(&a.out[half], &b.out[half], half * sizeof(float)) == 0);
    }
}
