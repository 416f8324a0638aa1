// Here a broken precondition is let through, as in a release build. The policies are this file's own types, so that no
// other file compiles the same states with assertions.
#undef MSRNN_ASSERT
#define MSRNN_ASSERT(condition, why) static_cast<void>(0)

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/plain_attention.hpp"
#include "support/simple_policies.hpp"
#include "support/thrown_by.hpp"
#include "support/tokens.hpp"

using namespace msrnn;

namespace {

struct Any : AnyPolicy {
    Any() = default;
    Any(const AnyPolicy& policy) : AnyPolicy(policy) {}
};
/// Reads keys and wants one lane for a whole layer, whose tokens have a key per KV head.
struct KeysOfALayer {
    Scope scope = Scope::layer;
    void rate(const Keys&, Ratings) const {}
};

constexpr Shape small{.layers = 1, .query_heads = 4, .kv_heads = 2, .head_dim = 4};
constexpr std::size_t budget = 6, most = std::numeric_limits<std::size_t>::max();
constexpr float infinity = std::numeric_limits<float>::infinity();
const float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// The policies that have a name, with fewer sinks than usual.
std::vector<Any> policies() {
    std::vector<Any> all;
    for (const AnyPolicy& policy : simple_policies())
        all.push_back(policy.name() == "sink-window" ? Any(SinkWindow{.sinks = 2}) : Any(policy));
    return all;
}

/// A state, and every token appended to it: queries and keys are positive, so a key of minus infinity is a logit of
/// it.
struct Text {
    State<Any> state;
    std::vector<Token> tokens = {};
    Random random{11};
    std::size_t rejected[2] = {};  // of each KV head, the newest tokens evicted by name, which count as never appended

    Token next() {
        Token token(small, random);
        for (auto* numbers : {&token.q, &token.k})
            for (float& x : *numbers) x = 0.1f + std::fabs(x);
        return token;
    }
    const Token& come(Token token) {
        state.step(0, tokens.size(), token.q, token.k, token.v, token.out);
        tokens.push_back(token);
        return tokens.back();
    }
    bool holds(std::size_t head, std::size_t position) const {
        const Lane<Any>& lane = state.lane(0, head);
        for (std::size_t slot = 0; slot < lane.extent(); ++slot)
            if (lane.live(Slot(slot)) && lane.position(Slot(slot)) == Position(position)) return true;
        return false;
    }
    /// The rows of a head lie where the lane says, and a lane like it could go on from what it records.
    bool whole() const {
        for (std::size_t h = 0; h < small.kv_heads; ++h) {
            const Lane<Any>& lane = state.lane(0, h);
            if (lane.size() > budget || lane.seen() + rejected[h] != tokens.size()) return false;
            if (!lane.problem(lane.record(), lane.capacity()).empty()) return false;
            for (std::size_t slot = 0; slot < lane.extent(); ++slot) {
                if (!lane.live(Slot(slot))) continue;
                const Token& token = tokens[static_cast<std::size_t>(lane.position(Slot(slot)).value())];
                const auto key = state.key(0, h, Slot(slot)), value = state.value(0, h, Slot(slot));
                if (std::memcmp(key.data(), &token.k[h * 4], 16) != 0) return false;
                if (std::memcmp(value.data(), &token.v[h * 4], 16) != 0) return false;
            }
        }
        return true;
    }
    /// The rows of a head that the next token attends to, itself not among them.
    std::vector<std::size_t> live(std::size_t head) const {
        std::vector<std::size_t> positions;
        const Lane<Any>& lane = state.lane(0, head);
        for (std::size_t slot = 0; slot < lane.extent(); ++slot)
            if (lane.live(Slot(slot))) positions.push_back(static_cast<std::size_t>(lane.position(Slot(slot)).value()));
        return positions;
    }
    /// Whether the newest output of a KV head is plain attention over these tokens and the newest one.
    bool attended(std::size_t head, std::vector<std::size_t> over) const {
        over.push_back(tokens.size() - 1);
        const Token& newest = tokens.back();
        for (std::size_t q = 2 * head; q < 2 * head + 2; ++q) {
            const auto expected = plain_attention(
                &newest.q[q * 4], 4, over.size(), 0.5, [&](std::size_t row) { return &tokens[over[row]].k[head * 4]; },
                [&](std::size_t row) { return &tokens[over[row]].v[head * 4]; });
            if (!all_close(std::span(newest.out).subspan(q * 4, 4), expected.out, 1e-5, 1e-5)) return false;
        }
        return true;
    }
};

std::size_t nans(std::span<const float> numbers) {
    return static_cast<std::size_t>(std::ranges::count_if(numbers, [](float x) { return std::isnan(x); }));
}
std::size_t nans_of_head(const Token& token, std::size_t head) {
    return nans(std::span(token.out).subspan(head * 8, 8));
}

}  // namespace

TEST_CASE("a NaN key makes outputs NaN until its token is evicted, and then the state is as any other") {
    for (const float poison : {not_a_number, infinity})
        for (const Any& policy : policies()) {
            CAPTURE(policy.name(), poison);
            Text text{State<Any>(small, {.budget = budget}, policy)};
            while (text.tokens.size() < 10) text.come(text.next());
            Token token = text.next();
            token.k[1] = poison;
            std::size_t left = 0;
            for (std::size_t t = 10; t < 10 + 300; ++t) {
                const std::vector<std::size_t> over[] = {text.live(0), text.live(1)};
                const bool spoilt = t == 10 || text.holds(0, 10);
                const Token& came = text.come(token);
                REQUIRE(nans_of_head(came, 0) == (spoilt ? 8 : 0));
                REQUIRE(nans_of_head(came, 1) == 0);
                if (!spoilt) REQUIRE(text.attended(0, over[0]));
                REQUIRE(text.attended(1, over[1]));
                REQUIRE(text.whole());
                if (left == 0 && !text.holds(0, 10)) left = t;
                if (left != 0 && t >= left + 2 * budget) break;
                token = text.next();
            }
            REQUIRE(left != 0);
            if (policy.name() != "random") CHECK(left <= 10 + budget);
            if (policy.name() == "key-norm") CHECK(left == 10 + budget / 2);
            for (std::size_t h = 0; h < small.kv_heads; ++h)
                for (std::size_t slot = 0; slot < text.state.lane(0, h).extent(); ++slot)
                    if (text.state.lane(0, h).live(Slot(slot)))
                        CHECK(std::isfinite(text.state.lane(0, h).rating(Slot(slot))));
        }
}

TEST_CASE("a sink whose key is NaN spoils its head until it is evicted by name") {
    Text text{State<Any>(small, {.budget = budget}, Any(SinkWindow{.sinks = 2}))};
    Token token = text.next();
    token.k[0] = not_a_number;
    text.come(token);
    while (text.tokens.size() < 60) {
        REQUIRE(nans_of_head(text.come(text.next()), 0) == 8);
        REQUIRE(text.whole());
    }
    REQUIRE(text.state.lane(0, 0).position(Slot(0)).value() == 0);
    text.state.evict(0, 0, Slot(0));
    const auto over = text.live(0);
    text.come(text.next());
    CHECK(text.attended(0, over));
}

TEST_CASE("a key at minus infinity has no weight, and what rates by attention drops it first") {
    for (const Any& policy : policies()) {
        CAPTURE(policy.name());
        Text text{State<Any>(small, {.budget = budget}, policy)};
        while (text.tokens.size() < 10) text.come(text.next());
        Token token = text.next();
        for (float& x : token.k) x = -infinity;
        const std::vector<std::size_t> before[] = {text.live(0), text.live(1)};
        const Token& came = text.come(token);
        REQUIRE(nans(came.out) == 0);
        if (policy.name().starts_with("tova")) CHECK_FALSE(text.holds(0, 10));
        for (int t = 0; t < 40; ++t) {
            const Token& next = text.come(text.next());
            REQUIRE(nans(next.out) == 0);
            REQUIRE(text.whole());
        }
        const auto over = text.live(1);
        text.come(text.next());
        if (!text.holds(1, 10)) CHECK(text.attended(1, over));
    }
}

TEST_CASE("values that are NaN or infinite change no decision") {
    for (const float poison : {not_a_number, infinity, -infinity})
        for (const Any& policy : policies()) {
            CAPTURE(policy.name(), poison);
            Text text{State<Any>(small, {.budget = budget}, policy)}, clean = text;
            std::size_t spoilt = 0;
            for (std::size_t t = 0; t < 60; ++t) {
                Token token = text.next();
                clean.come(token);
                if (t == 20) token.v[2] = poison;
                const bool held = t == 20 || text.holds(0, 20);
                const Token& came = text.come(token);
                std::size_t finite = 0;
                for (const float x : came.out) finite += std::isfinite(x);
                REQUIRE(finite == (held ? 14 : 16));  // one number of two query heads
                spoilt += held;
                REQUIRE(text.live(0) == clean.live(0));
                REQUIRE(text.live(1) == clean.live(1));
                REQUIRE(text.whole());
            }
            CHECK(spoilt > 0);
        }
}

TEST_CASE("a NaN query makes its own output and the present ratings NaN; these tokens are then evicted first") {
    for (const Any& policy : policies()) {
        CAPTURE(policy.name());
        Text text{State<Any>(small, {.budget = budget}, policy)};
        while (text.tokens.size() < 10) text.come(text.next());
        Token token = text.next();
        std::ranges::fill(token.q, not_a_number);
        CHECK(nans(text.come(token).out) == 16);
        for (std::size_t t = 11; t < 40; ++t) {
            const auto over = text.live(0);
            REQUIRE(nans(text.come(text.next()).out) == 0);
            REQUIRE(text.attended(0, over));
            REQUIRE(text.whole());
        }
        CHECK(nans(text.state.lane(0, 0).ratings()) == 0);
    }
}

TEST_CASE("a budget of one serves every policy, or the constructor says the sentence of problem()") {
    for (const AnyPolicy& policy : simple_policies()) {
        CAPTURE(policy.name());
        const std::string wrong = problem(small, {.budget = 1}, Any(policy));
        CHECK(wrong.empty() == (policy.name() != "sink-window"));
        if (!wrong.empty()) {
            CHECK(thrown_by([&] { State<Any> state(small, {.budget = 1}, policy); }) == wrong);
            continue;
        }
        Text text{State<Any>(small, {.budget = 1}, policy)};
        for (int t = 0; t < 1000; ++t) {
            const std::vector<std::size_t> over[] = {text.live(0), text.live(1)};
            text.come(text.next());
            REQUIRE(text.attended(0, over[0]));
            REQUIRE(text.attended(1, over[1]));
        }
        CHECK(text.whole());
        CHECK(text.state.lane(0, 0).size() == 1);
        CHECK(text.state.lane(0, 1).evictions() == 999);
    }
}

TEST_CASE("a state emptied by name goes on from nothing") {
    for (const Any& policy : policies()) {
        CAPTURE(policy.name());
        Text text{State<Any>(small, {.budget = budget}, policy)};
        for (int round = 0; round < 3; ++round) {
            for (int t = 0; t < 9; ++t) text.come(text.next());
            for (std::size_t h = 0; h < small.kv_heads; ++h)
                while (text.state.lane(0, h).size() > 0)
                    text.state.evict(0, h, Slot(text.random.below(text.state.lane(0, h).size())));
            for (std::size_t h = 0; h < small.kv_heads; ++h)
                text.rejected[h] = text.tokens.size() - text.state.lane(0, h).seen();
            for (int t = 0; t < 20; ++t) {
                const std::vector<std::size_t> over[] = {text.live(0), text.live(1)};
                REQUIRE(over[0].size() == std::min<std::size_t>(static_cast<std::size_t>(t), budget));
                text.come(text.next());
                REQUIRE(text.attended(0, over[0]));
                REQUIRE(text.attended(1, over[1]));
            }
            CHECK(text.whole());
        }
    }
}

TEST_CASE("positions may be any 64-bit number: neither outputs nor decisions ask for them") {
    constexpr auto lowest = std::numeric_limits<std::int64_t>::min(),
                   highest = std::numeric_limits<std::int64_t>::max();
    for (const Any& policy : policies()) {
        State<Any> tidy(small, {.budget = budget}, policy), wild = tidy;
        Random random{5};
        for (int t = 0; t < 60; ++t) {
            Token a(small, random), b = a;
            const Position position =
                random.one_of({lowest, highest, std::int64_t{-1}, std::int64_t{0}, std::int64_t{3}});
            tidy.step(0, t, a.q, a.k, a.v, a.out);
            wild.step(0, position, b.q, b.k, b.v, b.out);
            REQUIRE(std::memcmp(a.out.data(), b.out.data(), a.out.size() * sizeof(float)) == 0);
            REQUIRE(std::ranges::equal(tidy.lane(0, 1).victims(), wild.lane(0, 1).victims()));
        }
    }
}

TEST_CASE("the positions of a prompt reach either end of 64 bits, and count on from the other") {
    constexpr auto lowest = std::numeric_limits<std::int64_t>::min(),
                   highest = std::numeric_limits<std::int64_t>::max();
    Random random{6};
    Token prompt(Shape{.query_heads = 4 * 4, .kv_heads = 4 * 2, .head_dim = 4}, random);
    const auto positions_from = [&](std::int64_t first, Prefill mode) {
        State<Any> state(small, {.budget = budget}, Any(Window{}));
        state.prefill(0, first, prompt.q, prompt.k, prompt.v, prompt.out, mode);
        std::vector<std::int64_t> positions;
        for (std::size_t slot = 0; slot < 4; ++slot) positions.push_back(state.lane(0, 0).position(Slot(slot)).value());
        return positions;
    };
    using Listed = std::vector<std::int64_t>;
    for (const Prefill mode : {Prefill::one_shot(), Prefill::per_token()}) {
        CHECK(positions_from(-2, mode) == Listed{-2, -1, 0, 1});
        CHECK(positions_from(lowest, mode) == Listed{lowest, lowest + 1, lowest + 2, lowest + 3});
        CHECK(positions_from(highest - 3, mode) == Listed{highest - 3, highest - 2, highest - 1, highest});
        CHECK(positions_from(highest - 1, mode) == Listed{highest - 1, highest, lowest, lowest + 1});
    }
}

TEST_CASE("of shapes and limits that no memory holds problem() says what the constructor throws") {
    constexpr std::size_t huge = std::size_t{1} << 40;
    std::size_t refused = 0;
    const auto refuses = [&](const Shape& shape, Limits limits) {
        const std::string wrong = problem(shape, limits, Any(Tova{}));
        CAPTURE(shape.layers, shape.query_heads, shape.kv_heads, shape.head_dim, limits.budget, limits.capacity);
        CHECK_FALSE(wrong.empty());
        CHECK(thrown_by([&] { State<Any> state(shape, limits, Any(Tova{})); }) == wrong);
        ++refused;
    };
    refuses({.layers = most, .query_heads = 2, .kv_heads = 2, .head_dim = 2}, {.budget = 8});
    refuses({.layers = most / 2 + 1, .query_heads = 2, .kv_heads = 2, .head_dim = 2},
            {.budget = 8});  // the product is 0
    refuses({.layers = 2, .query_heads = most, .kv_heads = most, .head_dim = 2}, {.budget = 8});
    refuses({.layers = 2, .query_heads = 2, .kv_heads = 2, .head_dim = most}, {.budget = 8});
    refuses({.layers = 2, .query_heads = 2, .kv_heads = 2, .head_dim = most / 8 + 1}, {.budget = 8});
    refuses({.layers = huge, .query_heads = huge, .kv_heads = huge, .head_dim = 1}, {.budget = 8});
    refuses({.layers = huge, .query_heads = 1, .kv_heads = 1, .head_dim = huge}, {.budget = 8});
    refuses(small, {.budget = most - 1});
    refuses(small, {.budget = huge});
    refuses(small, {.budget = unbounded, .capacity = most});
    refuses(small, {.budget = 8, .capacity = huge});
    refuses({.layers = 1000, .query_heads = 1000, .kv_heads = 1, .head_dim = 1000}, {.budget = (1u << 30) - 3});
    refuses(small, {.budget = 8, .capacity = 8});
    refuses({.layers = 1, .query_heads = 4, .kv_heads = 2, .head_dim = 0}, {.budget = 8});
    refuses({.layers = 0, .query_heads = 4, .kv_heads = 2, .head_dim = 4}, {.budget = 8});
    CHECK(refused == 15);
}

TEST_CASE("limits are refused before memory for the layers is asked for") {
    const Shape shape{.layers = std::size_t{1} << 45, .query_heads = 1, .kv_heads = 1, .head_dim = 1};
    CHECK(thrown_by([&] { State<Any> state(shape, {.budget = 0}, Any(Tova{})); }) ==
          problem(shape, Limits{.budget = 0}, Any(Tova{})));
}

TEST_CASE("problem() says why a selector does not fit; prefill throws the same and changes nothing") {
    State<Any> empty(small, {.budget = 8}, Any(H2O{})), of_layers(small, {.budget = 8}, Any(Tova{}));
    State<Any> used = empty;
    Random random{8};
    Token token(small, random);
    used.step(0, 0, token.q, token.k, token.v, token.out);
    std::size_t refused = 0;
    const auto refuses = [&](State<Any>& state, const auto& selector, const std::string& part) {
        const Arrival seen = state.lane(0, 0).seen();
        const std::string wrong = state.problem(0, selector);
        CHECK(wrong.find(part) != std::string::npos);
        std::vector<float> out(token.out.size(), 7.0f);
        const auto prefill = [&] {
            state.prefill(0, 5, token.q, token.k, token.v, out, Prefill::one_shot(), selector);
        };
        CHECK(thrown_by(prefill) == wrong);
        CHECK(std::ranges::count(out, 7.0f) == static_cast<std::ptrdiff_t>(out.size()));
        CHECK(state.lane(0, 0).seen() == seen);
        ++refused;
    };
    refuses(empty, SnapKV{}, "budget 8 is smaller");
    refuses(empty, SnapKV{.window = 4, .kernel = 2}, "kernel is 2");
    refuses(empty, SnapKV{.window = 0}, "window is 0");
    refuses(empty, Any(Tova{}), "differ in scope");
    refuses(empty, KeysOfALayer{}, "reads keys or values");
    refuses(of_layers, SnapKV{.window = 4}, "differ in scope");
    refuses(of_layers, Any(H2O{}), "differ in scope");
    refuses(used, SnapKV{}, "budget 8 is smaller");
    CHECK(refused == 8);
    CHECK(empty.problem(0, SnapKV{.window = 4}).empty());
    CHECK(thrown_by([&] {
              empty.prefill(0, 5, token.q, token.k, token.v, token.out, Prefill::chunked(0), SnapKV{.window = 4});
          }) == "msrnn: a prefill in chunks of 0 tokens; give at least 1");
    CHECK(empty.lane(0, 0).seen() == 0);
}

TEST_CASE("a prompt without tokens changes nothing, in any mode and with a selector") {
    State<Any> state(small, {.budget = 8}, Any(H2O{}));
    std::vector<float> none;
    for (const Prefill mode : {Prefill::per_token(), Prefill::one_shot(), Prefill::chunked(3)}) {
        state.prefill(0, 0, none, none, none, none, mode);
        state.prefill(0, 0, none, none, none, none, mode, SnapKV{.window = 4});
    }
    CHECK(state.lane(0, 0).seen() == 0);
    CHECK(state.lane(0, 0).extent() == 0);
}

TEST_CASE("layers of different length do not disturb one another") {
    const Shape two{.layers = 2, .query_heads = 4, .kv_heads = 2, .head_dim = 4};
    for (const Any& policy : policies()) {
        if (policy.name() == "random") continue;  // draws by the number of the layer
        State<Any> both(two, {.budget = budget}, policy), alone(small, {.budget = budget}, policy);
        Random random{9};
        for (int t = 0; t < 80; ++t) {
            Token a(small, random), b = a, other(small, random);
            if (t % 3 == 0) both.step(1, t, other.q, other.k, other.v, other.out);
            both.step(0, t, a.q, a.k, a.v, a.out);
            alone.step(0, t, b.q, b.k, b.v, b.out);
            REQUIRE(std::memcmp(a.out.data(), b.out.data(), a.out.size() * sizeof(float)) == 0);
        }
        CHECK(both.lane(1, 0).seen() == 27);
        CHECK(both.lane(0, 0).evictions() == alone.lane(0, 0).evictions());
    }
}
