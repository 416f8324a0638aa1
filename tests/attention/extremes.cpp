#include "attention/attention.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/plain_attention.hpp"
#include "support/random.hpp"
#include "support/strided_rows.hpp"

namespace attention_tests {

TEMPLATE_LIST_TEST_CASE("attention over no rows is zero", "", EveryPair) {
    Room weights(3, 4, 4), out(3, 20, 20);
    const std::vector<float> queries(60, 1.0f);
    msrnn::attend(RowsView<typename TestType::Key>{nullptr, 20}, RowsView<typename TestType::Value>{nullptr, 20}, 0,
                  {.query_heads = 3, .head_dim = 20}, queries.data(), weights.data(), 4, out.data());
    for (std::size_t h = 0; h < 3; ++h)
        for (const float x : out.row(h)) CHECK(x == 0);
    CHECK(out.only_rows_are_written());
    CHECK(std::count(weights.memory.begin(), weights.memory.end(), untouched) ==
          static_cast<std::ptrdiff_t>(weights.memory.size()));
}

TEST_CASE("large logits do not overflow the softmax") {
    std::vector<float> keys(64, -100), values(64, 3), query(64, 100), weights(64), out(64);
    keys[0] = 100;
    keys[1] = 99;
    values[0] = 1;
    const RowsView<float> k{keys.data(), 1}, v{values.data(), 1};
    msrnn::attend(k, v, 64, {.head_dim = 1}, query.data(), weights.data(), 64, out.data());
    CHECK(close(out[0], 1.0, 1e-6, 0));
    CHECK(close(weights[0], 1.0, 1e-6, 0));
}

TEMPLATE_LIST_TEST_CASE("the softmax does not mind where the logits lie, however many rows there are", "", EveryPair) {
    Random random{18};
    for (const float logit : {-3000.0f, -300.0f, -90.0f, -20.0f, 20.0f, 90.0f, 300.0f, 3000.0f})
        for (std::size_t n = 1; n <= 21; ++n) {
            Strided<typename TestType::Key> keys(n, 2, 2);
            Strided<typename TestType::Value> values(n, 2, 2);
            values.fill(n, random, 3);
            for (std::size_t r = 0; r < n; ++r) keys.write(r, std::vector<float>{1, 0});
            Queries queries(3, 2, random);
            queries.scale = 1;
            for (std::size_t h = 0; h < 3; ++h) queries.numbers[1 + 2 * h] = logit;
            const Seen seen = attend(keys.view(), values.view(), n, queries, n);
            CAPTURE(logit, n, seen.weights.row(0)[0]);
            REQUIRE(is_plain_attention(seen, keys.view(), values.view(), n, queries));
        }
}

TEMPLATE_LIST_TEST_CASE("the largest logit may stand in any row", "", EveryPair) {
    Random random{24};
    for (std::size_t n = 1; n <= 37; ++n)
        for (std::size_t at = 0; at < n; ++at) {
            Strided<typename TestType::Key> keys(n, 2, 2);
            Strided<typename TestType::Value> values(n, 2, 2);
            values.fill(n, random, 3);
            for (std::size_t r = 0; r < n; ++r) keys.write(r, std::vector<float>{r == at ? 1.0f : 0.0f, 0.25f});
            Queries queries(2, 2, random);
            queries.scale = 1;
            for (std::size_t h = 0; h < 2; ++h) queries.numbers[1 + 2 * h] = 300;
            const Seen seen = attend(keys.view(), values.view(), n, queries, n);
            CAPTURE(n, at, seen.weights.row(0)[at]);
            REQUIRE(is_plain_attention(seen, keys.view(), values.view(), n, queries));
        }
}

TEMPLATE_LIST_TEST_CASE("a NaN or an infinity in a key spoils the queries of its KV head and no others", "",
                        EveryScalar) {
    for (const std::size_t n : {1u, 3u, 16u, 18u, 35u}) {
        const Seen clean = look_at_poison<TestType>(n, 0, 0);
        for (const float poison : {not_a_number, infinite})
            for (std::size_t at = 0; at < n; at += 1 + n / 5) {
                const Seen seen = look_at_poison<TestType>(n, poison, at);
                CAPTURE(n, poison, at);
                for (std::size_t h = 0; h < 3; ++h) {
                    REQUIRE(all_nan(seen.weights.row(h)));
                    REQUIRE(all_nan(seen.out.row(h)));
                }
                for (std::size_t h = 3; h < 6; ++h) REQUIRE(same_bits(seen, h, clean, h));
            }
    }
}

TEMPLATE_LIST_TEST_CASE("a logit of minus infinity has no weight, unless there is no other", "", EveryScalar) {
    if (Strided<TestType>::scaled) return;  // a row that holds an infinity is NaN there
    Random random{23};
    for (const std::size_t n : {1u, 2u, 3u, 16u, 18u, 35u})
        for (std::size_t at = 0; at < n; at += 1 + n / 5) {
            const std::size_t dim = 20;
            Strided<TestType> keys(n, dim, dim), values(n, dim, dim);
            keys.fill(n, random, 2);
            values.fill(n, random, 3);
            std::vector<float> row(dim, 0.5f);
            row[7] = -infinite;
            keys.write(at, row);
            Queries queries(3, dim, random);
            for (float& x : queries.numbers) x = std::fabs(x) + 0.1f;
            const Seen seen = attend(keys.view(), values.view(), n, queries, n);
            CAPTURE(n, at);
            if (n == 1) {
                CHECK(all_zero(seen.out.row(2)));
                CHECK(all_zero(seen.weights.row(2)));
            } else {
                CHECK(is_plain_attention(seen, keys.view(), values.view(), n, queries));
            }
        }
}

TEMPLATE_LIST_TEST_CASE("a NaN in a value reaches the outputs and not the weights", "", EveryScalar) {
    Random random{20};
    const std::size_t n = 19, dim = 20;
    Strided<TestType> keys(n, dim, dim), values(n, dim, dim);
    keys.fill(n, random, 1);
    values.fill(n, random, 1);
    const Queries queries(3, dim, random);
    const Seen clean = attend(keys.view(), values.view(), n, queries, n);
    std::vector<float> row(dim, 0.5f);
    row[7] = not_a_number;
    values.write(17, row);
    const Seen seen = attend(keys.view(), values.view(), n, queries, n);
    for (std::size_t h = 0; h < 3; ++h) {
        CHECK(same_bits(seen.weights.row(h), clean.weights.row(h)));
        CHECK(std::isnan(seen.out.row(h)[7]));
        CHECK(std::isnan(seen.out.row(h)[0]) == Strided<TestType>::scaled);
    }
}

TEST_CASE("an infinite logit of one query does not change the next query") {
    Random random{21};
    const std::size_t n = 9, dim = 8;
    Strided<float> keys(n, dim, dim), values(n, dim, dim);
    keys.fill(n, random, 2);
    values.fill(n, random, 3);
    Queries queries(7, dim, random);
    const Seen clean = attend(keys.view(), values.view(), n, queries, n);
    queries.numbers[1 + 2 * dim] = infinite;
    queries.numbers[1 + 5 * dim] = not_a_number;
    const Seen seen = attend(keys.view(), values.view(), n, queries, n);
    for (const std::size_t h : {0u, 1u, 3u, 4u, 6u}) CHECK(same_bits(seen, h, clean, h));
    CHECK(all_nan(seen.weights.row(2)));
    CHECK(all_nan(seen.weights.row(5)));
    CHECK(all_nan(seen.out.row(5)));
}

}  // namespace attention_tests
