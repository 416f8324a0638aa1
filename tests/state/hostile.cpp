#include "state/hostile.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/tokens.hpp"

namespace hostile_tests {

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

}  // namespace hostile_tests
