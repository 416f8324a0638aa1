#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <msrnn/attention/attend.hpp>
#include <span>
#include <tuple>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/plain_attention.hpp"
#include "support/random.hpp"
#include "support/strided_rows.hpp"

using msrnn::HeadsView;
using msrnn::RowsView;

namespace {
struct Seen {
    Room weights, out;
};
struct Queries {
    std::size_t heads, dim;
    float scale;
    std::vector<float> numbers;

    Queries(std::size_t query_heads, std::size_t head_dim, Random& random)
        : heads(query_heads),
          dim(head_dim),
          scale(1.5f / std::sqrt(static_cast<float>(head_dim))),
          numbers(1 + query_heads * head_dim) {
        for (float& x : numbers) x = 4 * random.unit() - 2;
    }
    const float* data() const { return numbers.data() + 1; }
    const float* head(std::size_t h) const { return data() + h * dim; }
    msrnn::AttentionSettings settings() const { return settings_for(heads); }
    msrnn::AttentionSettings settings_for(std::size_t group) const {
        return {.query_heads = group, .head_dim = dim, .scale = scale};
    }
};

template <class K, class V>
Seen attend(RowsView<K> keys, RowsView<V> values, std::size_t n, const Queries& q, std::size_t weight_stride,
            const K* next = nullptr) {
    Seen seen{Room(q.heads, n, weight_stride), Room(q.heads, q.dim, q.dim)};
    msrnn::attend(keys, values, n, q.settings(), q.data(), seen.weights.data(), weight_stride, seen.out.data(), next);
    return seen;
}

/// Whether weights and outputs are those of plain loops in double over the rows as they are read back.
template <class K, class V>
bool is_plain_attention(const Seen& seen, RowsView<K> keys, RowsView<V> values, std::size_t n, const Queries& q,
                        double relative = 2e-5) {
    relative *= allowance<K, V>;
    const std::vector<float> k = read(keys, n, q.dim), v = read(values, n, q.dim);
    for (std::size_t h = 0; h < q.heads; ++h) {
        const auto expected = plain_attention(
            q.head(h), q.dim, n, static_cast<double>(q.scale), [&](std::size_t row) { return &k[row * q.dim]; },
            [&](std::size_t row) { return &v[row * q.dim]; });
        if (!all_close(seen.weights.row(h), expected.weights, 1e-8, relative)) return false;
        if (!all_close(seen.out.row(h), expected.out, relative / 10, relative)) return false;
    }
    return true;
}

using ::same_bits;
bool same_bits(const Seen& a, std::size_t head, const Seen& b, std::size_t other) {
    return same_bits(a.weights.row(head), b.weights.row(other)) && same_bits(a.out.row(head), b.out.row(other));
}
bool same_bits(const Seen& a, const Seen& b) {
    for (std::size_t h = 0; h < a.out.rows; ++h)
        if (!same_bits(a, h, b, h)) return false;
    return a.out.rows == b.out.rows;
}
/// Two KV heads with three positive queries each; key `at` of the first holds `poison`, unless that is 0.
template <class S>
Seen look_at_poison(std::size_t n, float poison, std::size_t at) {
    const std::size_t kv_heads = 2, group = 3, dim = 20;
    Random random{19};
    Strided<S> keys(kv_heads * n, dim, dim), values(kv_heads * n, dim, dim);
    keys.fill(kv_heads * n, random, 2);
    values.fill(kv_heads * n, random, 3);
    if (poison != 0) {
        std::vector<float> row(dim, 0.5f);
        row[at % dim] = poison;
        keys.write(at, row);
    }
    Queries queries(kv_heads * group, dim, random);
    for (float& x : queries.numbers) x = std::fabs(x) + 0.1f;
    const auto heads_of = [&](const Strided<S>& rows) {
        return HeadsView<S>{rows.memory.data(), dim, n * dim, rows.view().scales, 1, n};
    };
    Seen seen{Room(kv_heads * group, n, n), Room(kv_heads * group, dim, dim)};
    msrnn::attend(heads_of(keys), heads_of(values), kv_heads, n, queries.settings_for(group), queries.data(),
                  seen.weights.data(), n, seen.out.data());
    return seen;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("the kernel agrees with plain loops in double, for every scalar, shape and stride", "",
                        EveryPair) {
    using Key = typename TestType::Key;
    using Value = typename TestType::Value;
    constexpr std::size_t head_counts[] = {1, 2, 3, 4, 5, 7, 8, 12, 33, 40};
    Random random{11};
    std::size_t turn = 0;
    for (const std::size_t dim : {1u, 3u, 8u, 16u, 24u, 40u, 64u, 80u, 128u, 129u, 192u, 576u}) {
        ++turn;  // ten lengths, ten head counts: other pairs for every head_dim
        for (const std::size_t n : {1u, 2u, 3u, 4u, 5u, 15u, 16u, 17u, 64u, 257u}) {
            const std::size_t heads = head_counts[turn++ % std::size(head_counts)];
            const std::size_t weight_stride = n + random.below(7);
            Strided<Key> keys(n, dim, dim + random.below(5));
            Strided<Value> values(n, dim, dim + random.below(5));
            keys.fill(n, random, 2);
            values.fill(n, random, 3);
            const Queries queries(heads, dim, random);
            const Seen seen = attend(keys.view(), values.view(), n, queries, weight_stride);
            CAPTURE(dim, n, heads, keys.stride, values.stride, weight_stride);
            REQUIRE(is_plain_attention(seen, keys.view(), values.view(), n, queries));
            REQUIRE(seen.weights.only_rows_are_written());
            REQUIRE(seen.out.only_rows_are_written());
        }
    }
}

TEST_CASE("every number of query heads agrees with plain loops") {
    Random random{12};
    for (std::size_t heads = 1; heads <= 70; ++heads)
        for (const std::size_t dim : {5u, 80u}) {
            const std::size_t n = 18 + heads % 5;
            Strided<float> keys(n, dim, dim), values(n, dim, dim);
            keys.fill(n, random, 2);
            values.fill(n, random, 3);
            const Queries queries(heads, dim, random);
            CAPTURE(heads, dim, n);
            const Seen seen = attend(keys.view(), values.view(), n, queries, n);
            REQUIRE(is_plain_attention(seen, keys.view(), values.view(), n, queries));
            REQUIRE(seen.out.only_rows_are_written());
        }
}

TEMPLATE_LIST_TEST_CASE("a head_dim beyond the kernel's own memory is attended to all the same", "", EveryPair) {
    Random random{13};
    for (const std::size_t dim : {4096u, 4097u, 4112u}) {
        const std::size_t n = 5;
        Strided<typename TestType::Key> keys(n, dim, dim);
        Strided<typename TestType::Value> values(n, dim, dim);
        keys.fill(n, random, 2);
        values.fill(n, random, 3);
        const Queries queries(3, dim, random);
        CAPTURE(dim);
        const Seen seen = attend(keys.view(), values.view(), n, queries, n);
        CHECK(is_plain_attention(seen, keys.view(), values.view(), n, queries, 1e-4));
        CHECK(seen.out.only_rows_are_written());
    }
}

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

TEST_CASE("scales may lie apart") {
    Random random{14};
    for (const std::size_t n : {1u, 3u, 16u, 33u}) {
        Strided<std::int8_t> keys(n, 24, 24, 5), values(n, 24, 30, 2);
        keys.fill(n, random, 2);
        values.fill(n, random, 3);
        const Queries queries(5, 24, random);
        CAPTURE(n);
        const Seen seen = attend(keys.view(), values.view(), n, queries, n);
        CHECK(is_plain_attention(seen, keys.view(), values.view(), n, queries));
    }
}

TEMPLATE_LIST_TEST_CASE("the heads of a layer are attended to as one after the other, bit for bit, in either layout",
                        "", EveryScalar) {
    Random random{15};
    const std::size_t kv_heads = 3, group = 4, n = 21, dim = 40;
    constexpr bool scaled = Strided<TestType>::scaled;
    for (const bool tokens_first : {true, false}) {
        Strided<TestType> keys(kv_heads * n, dim, dim), values(kv_heads * n, dim, dim);
        keys.fill(kv_heads * n, random, 2);
        values.fill(kv_heads * n, random, 3);
        const std::size_t token = tokens_first ? kv_heads : 1, head = tokens_first ? 1 : n;
        const auto heads_of = [&](const Strided<TestType>& rows) {
            return HeadsView<TestType>{
                rows.memory.data(), token * dim, head * dim, scaled != 0 ? rows.scales.data() : nullptr, token, head};
        };
        const Queries queries(kv_heads * group, dim, random);
        Seen whole{Room(kv_heads * group, n, n + 2), Room(kv_heads * group, dim, dim)};
        msrnn::attend(heads_of(keys), heads_of(values), kv_heads, n, queries.settings_for(group), queries.data(),
                      whole.weights.data(), n + 2, whole.out.data());
        CHECK(whole.weights.only_rows_are_written());
        CHECK(whole.out.only_rows_are_written());
        for (std::size_t h = 0; h < kv_heads; ++h) {
            const auto rows_of = [&](const Strided<TestType>& rows) {
                return RowsView<TestType>{rows.memory.data() + h * head * dim, token * dim,
                                          scaled ? rows.scales.data() + h * head : nullptr, token};
            };
            Queries own = queries;
            own.heads = group;
            own.numbers.erase(own.numbers.begin() + 1,
                              own.numbers.begin() + 1 + static_cast<std::ptrdiff_t>(h * group * dim));
            const Seen alone = attend(rows_of(keys), rows_of(values), n, own, n);
            REQUIRE(is_plain_attention(alone, rows_of(keys), rows_of(values), n, own));
            for (std::size_t g = 0; g < group; ++g) REQUIRE(same_bits(whole, h * group + g, alone, g));
        }
    }
}

TEMPLATE_LIST_TEST_CASE("a query gets the same bits alone and among others", "", EveryPair) {
    Random random{16};
    for (const std::size_t heads : {2u, 3u, 8u, 33u, 40u})
        for (const std::size_t dim : {3u, 24u, 80u, 129u}) {
            const std::size_t n = 37;
            Strided<typename TestType::Key> keys(n, dim, dim + 1);
            Strided<typename TestType::Value> values(n, dim, dim);
            keys.fill(n, random, 2);
            values.fill(n, random, 3);
            const Queries queries(heads, dim, random);
            const Seen together = attend(keys.view(), values.view(), n, queries, n + 1);
            for (std::size_t h = 0; h < heads; ++h) {
                Queries one(1, dim, random);
                std::copy_n(queries.head(h), dim, one.numbers.begin() + 1);
                CAPTURE(heads, dim, h);
                REQUIRE(same_bits(attend(keys.view(), values.view(), n, one, n), 0, together, h));
            }
        }
}

TEMPLATE_LIST_TEST_CASE("strides, alignment and the memory behind a row change no bit", "", EveryScalar) {
    Random random{17};
    const std::size_t n = 70, dim = 72;
    std::vector<float> row(dim);
    Strided<TestType> tight(n, dim, dim), wide(n, dim, dim + 7, 3), next(3, dim, dim);
    for (std::size_t r = 0; r < n; ++r) {
        for (float& x : row) x = 4 * random.unit() - 2;
        tight.write(r, row);
        wide.write(r, row);
    }
    const Queries queries(6, dim, random);
    const Seen expected = attend(tight.view(), tight.view(), n, queries, n);
    CHECK(same_bits(attend(wide.view(), wide.view(), n, queries, n + 9), expected));
    CHECK(same_bits(attend(tight.view(), tight.view(), n, queries, n, static_cast<const TestType*>(next.row(0))),
                    expected));
    std::vector<TestType> shifted(tight.memory.size() + 1);
    std::copy(tight.memory.begin(), tight.memory.end(), shifted.begin() + 1);
    RowsView<TestType> unaligned = tight.view();
    unaligned.base = shifted.data() + 1;
    CHECK(same_bits(attend(unaligned, unaligned, n, queries, n), expected));
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
