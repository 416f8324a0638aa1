#include "attention/attention.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

#include "support/catch.hpp"
#include "support/plain_attention.hpp"
#include "support/random.hpp"
#include "support/strided_rows.hpp"

namespace attention_tests {

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

}  // namespace attention_tests
