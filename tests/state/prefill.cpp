#include "state/prefill.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/policies.hpp"

namespace prefill_tests {

TEST_CASE("prefill per token is the loop over steps, bit for bit, and so are chunks of one") {
    for_every_policy([]<class P>(const P& policy) {
        const Text text(70);
        State<P> looped(small, {.budget = 20}, policy), per_token = looped, chunks = looped;
        const std::vector<float> expected = steps(looped, text);
        CHECK(same_bits(prefill(per_token, text, Prefill::per_token()), expected));
        CHECK(same_bits(prefill(chunks, text, Prefill::chunked(1)), expected));
        CHECK(same_state(looped, per_token));
        CHECK(same_state(looped, chunks));
    });
}

TEST_CASE("a prompt of at most the budget is as in an unbounded state, bit for bit") {
    for_every_policy([]<class P>(const P& policy) {
        const Text text(20);
        for (const Prefill mode : {Prefill::one_shot(), Prefill::chunked(7), Prefill::per_token()}) {
            State<P> bounded(small, {.budget = 20}, policy), whole(small, {.budget = unbounded}, policy);
            CHECK(same_bits(prefill(bounded, text, mode), prefill(whole, text, mode)));
            CHECK(same_state(bounded, whole));
            CHECK(bounded.lane(0, 0).size() == 20);
        }
    });
}

TEST_CASE("without a bound every mode gives what the steps give, up to rounding") {
    for_every_policy([]<class P>(const P& policy) {
        const Text text(150);
        State<P> looped(small, {.budget = unbounded}, policy);
        const std::vector<float> expected = steps(looped, text);
        for (const Prefill mode : {Prefill::one_shot(), Prefill::chunked(13), Prefill::chunked(64)}) {
            State<P> state(small, {.budget = unbounded}, policy);
            REQUIRE(all_close(prefill(state, text, mode), expected, 1e-5, 1e-5));
            for (std::size_t layer = 0; layer < small.layers; ++layer)
                for (std::size_t h = 0; h < small.kv_heads; ++h) {
                    const auto tokens = held(state, layer, h), others = held(looped, layer, h);
                    REQUIRE(tokens.size() == 150);
                    for (std::size_t i = 0; i < tokens.size(); ++i) {
                        REQUIRE(tokens[i].key == others[i].key);
                        REQUIRE(tokens[i].value == others[i].value);
                        REQUIRE(close(tokens[i].rating, others[i].rating, 1e-5, 1e-5));
                    }
                }
        }
    });
}

TEST_CASE("a prompt's survivors keep their rows, and decoding goes on from them") {
    for_every_policy([]<class P>(const P& policy) {
        const Text text(100);
        for (const Prefill mode : {Prefill::one_shot(), Prefill::chunked(30)}) {
            State<P> state(small, {.budget = 16}, policy);
            prefill(state, text, mode);
            for (std::size_t layer = 0; layer < small.layers; ++layer)
                for (std::size_t h = 0; h < small.kv_heads; ++h) {
                    REQUIRE(state.lane(layer, h).size() == 16);
                    REQUIRE(state.lane(layer, h).extent() == 16);
                    REQUIRE(state.lane(layer, h).evictions() == 84);
                    for (const Held& token : held(state, layer, h)) {
                        const auto at =
                            (static_cast<std::size_t>(token.position) * small.kv_heads + h) * small.head_dim;
                        REQUIRE(token.key == text.k[at]);
                        REQUIRE(token.value == text.v[at]);
                    }
                }
            steps(state, Text(40));
            CHECK(state.lane(1, 1).size() == 16);
            CHECK(state.lane(1, 1).seen() == 140);
        }
    });
}

TEST_CASE("chunks never hold more than budget + chunk rows, and one shot no more than a step") {
    const Text text(200);
    const auto most = [&](std::size_t budget) { return State<H2O>(small, {.budget = budget}).bytes(); };
    for (const Prefill mode : {Prefill::chunked(10), Prefill::one_shot()}) {
        State<H2O> state(small, {.budget = 16});
        const std::size_t before = state.bytes();
        prefill(state, text, mode);
        const std::size_t victims = 2 * state.lane(0, 0).victims().size();
        CHECK(state.bytes() <= before + 2 * victims * (sizeof(Slot) + sizeof(Arrival) + sizeof(Position)));
        steps(state, Text(2));
        CHECK(state.bytes() == before);
        CHECK(state.bytes() <= most(16 + 10));
    }
}

TEST_CASE("TOVA in one shot keeps the best of the last query's row, per token another set") {
    // One dimension: the weight of a row rises with its key. Keys by position: 5 0 4 1 3 2 and a query of 1.
    const Shape one{.layers = 1, .query_heads = 1, .kv_heads = 1, .head_dim = 1};
    const std::vector<float> keys{5, 0, 4, 1, 3, 2};
    const std::vector<float> queries{1, 1, 1, -1, 1, 1};  // the query of position 3 looks at small keys
    const auto kept_by = [&](Prefill mode) {
        State<Tova> state(one, {.budget = 3});
        std::vector<float> out(6);
        state.prefill(0, 0, queries, keys, keys, out, mode);
        return positions(state, 0, 0);
    };
    CHECK(kept_by(Prefill::one_shot()) == std::vector<std::int64_t>{0, 2, 4});
    // Steps: position 3 drops 0 (key 5, disliked), 4 drops 1 (key 0), 5 drops 3 (key 1).
    CHECK(kept_by(Prefill::per_token()) == std::vector<std::int64_t>{2, 4, 5});
    // Chunks of two: {0,1}; {2,3} seen by 3 drops 0; {4,5} seen by 5 drops 1 and 3.
    CHECK(kept_by(Prefill::chunked(2)) == std::vector<std::int64_t>{2, 4, 5});
}

TEST_CASE("TOVA in one shot keeps the best of the last query's row, however many tokens attend together") {
    for (const std::size_t tokens : {31u, 32u, 33u, 64u, 65u, 97u, 129u}) {
        const Text text(tokens);
        State<Tova> whole(small, {.budget = 200}), bounded(small, {.budget = 9});
        steps(whole, text);
        prefill(bounded, text, Prefill::one_shot());
        for (std::size_t layer = 0; layer < small.layers; ++layer) {
            auto best = held(whole, layer, 0);
            std::sort(best.begin(), best.end(), [](const Held& a, const Held& b) { return a.rating > b.rating; });
            std::vector<std::int64_t> expected;
            for (std::size_t i = 0; i < 9; ++i) expected.push_back(best[i].position);
            std::sort(expected.begin(), expected.end());
            CAPTURE(tokens, layer);
            CHECK(positions(bounded, layer, 0) == expected);
        }
    }
}

TEST_CASE("H2O in one shot keeps the largest column sums outside its window") {
    // Queries of 0 look at all rows alike: column j of n gets 1/(j+1) + ... + 1/n. A loud query lifts position 3.
    const Shape one{.layers = 1, .query_heads = 1, .kv_heads = 1, .head_dim = 1};
    const std::vector<float> keys{0, 0, 0, 1, 0, 0, 0, 0};
    std::vector<float> queries(8, 0.0f), out(8);
    queries[5] = 20;
    State<H2O> state(one, {.budget = 4}, {.recent = 2});
    state.prefill(0, 0, queries, keys, keys, out);
    CHECK(positions(state, 0, 0) == std::vector<std::int64_t>{0, 3, 6, 7});
    const double rest = 1.0 / 7 + 1.0 / 8;
    const auto tokens = held(state, 0, 0);
    CHECK(close(tokens[0].rating, 1 + 1.0 / 2 + 1.0 / 3 + 1.0 / 4 + 1.0 / 5 + rest, 1e-5, 1e-5));
    CHECK(close(tokens[1].rating, 1.0 / 4 + 1.0 / 5 + 1 + rest, 1e-5, 1e-5));
}

TEST_CASE("a second prompt attends to what the first one left") {
    State<H2O> parts(small, {.budget = unbounded}), whole = parts;
    const Text text(60);
    const std::vector<float> expected = prefill(whole, text, Prefill::one_shot());
    const std::size_t queries = 25 * 48, rows = 25 * 16;
    std::vector<float> out(text.q.size());
    const auto from = [](const std::vector<float>& all, std::size_t at) { return std::span(all).subspan(at); };
    parts.prefill(0, 0, std::span(text.q).first(queries), std::span(text.k).first(rows), std::span(text.v).first(rows),
                  std::span(out).first(queries));
    parts.prefill(0, 25, from(text.q, queries), from(text.k, rows), from(text.v, rows),
                  std::span(out).subspan(queries));
    CHECK(all_close(out, std::span(expected).first(out.size()), 1e-5, 1e-5));
    CHECK(positions(parts, 0, 0) == positions(whole, 0, 0));
}

TEST_CASE("positions of a prompt are given one by one or from the first on") {
    const Text text(6);
    State<Window> from_ten(small, {.budget = 9}), each(small, {.budget = 9});
    std::vector<float> out(text.q.size());
    from_ten.prefill(0, 10, text.q, text.k, text.v, out);
    const std::vector<Position> given{3, 3, 9, 100, 2, 7};
    each.prefill(0, std::span<const Position>(given), text.q, text.k, text.v, out);
    CHECK(positions(from_ten, 0, 0) == std::vector<std::int64_t>{10, 11, 12, 13, 14, 15});
    CHECK(positions(each, 0, 0) == std::vector<std::int64_t>{3, 3, 9, 100, 2, 7});
}

TEST_CASE("an empty prompt changes nothing") {
    State<Tova> state(small, {.budget = 4});
    std::vector<float> none;
    state.prefill(0, 0, none, none, none, none);
    CHECK(state.lane(0, 0).seen() == 0);
}

}  // namespace prefill_tests
