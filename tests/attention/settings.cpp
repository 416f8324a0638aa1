#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <msrnn/attention/attend.hpp>
#include <numeric>
#include <vector>

#include "support/catch.hpp"
#include "support/plain_settings.hpp"
#include "support/strided_rows.hpp"

namespace settings_tests {

using msrnn::AttentionSettings;
using msrnn::HeadsView;
using msrnn::RowsView;

namespace {
std::vector<float> random_numbers(std::size_t count, Random& random) {
    std::vector<float> numbers(count);
    for (float& x : numbers) x = 4 * random.unit() - 2;
    return numbers;
}
/// About a third of the rows are hidden, and hold NaN.
template <class K, class V>
std::vector<std::uint32_t> hide_some(std::size_t n, Strided<K>& keys, Strided<V>& values, Random& random) {
    std::vector<std::uint32_t> seen_by(n, 1);
    for (std::size_t r = 0; r < n; ++r) {
        seen_by[r] = random.one_of<std::uint32_t>({0, 1, 0xffffffffu});
        if (seen_by[r] != 0) continue;
        keys.write(r, std::vector<float>(keys.dim, not_a_number));
        values.write(r, std::vector<float>(values.dim, not_a_number));
    }
    return seen_by;
}
struct Attended {
    Room weights, out;
};
template <class K, class V>
Attended attend(Strided<K>& keys, Strided<V>& values, std::size_t n, const AttentionSettings& settings,
                const std::vector<float>& queries, std::size_t weight_stride) {
    const std::size_t heads = settings.query_heads, width = settings.value_width();
    Attended attended{Room(heads, n, weight_stride), Room(heads, width, width)};
    msrnn::attend(keys.view(), values.view(), n, settings, queries.data(), attended.weights.data(), weight_stride,
                  attended.out.data());
    return attended;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("a step with soft cap, sinks, hidden rows and values of another width agrees with plain loops",
                        "", EveryPair) {
    using Key = typename TestType::Key;
    using Value = typename TestType::Value;
    Random random{61};
    std::size_t turn = 0;
    for (const Widths widths : every_width)
        for (const std::size_t n : {1u, 2u, 5u, 15u, 16u, 17u, 70u, 257u})
            for (std::size_t group = 1 + turn % 3; group <= 9; group += 3, ++turn) {
                Strided<Key> keys(n, widths.key, widths.key + random.below(3));
                Strided<Value> values(n, widths.value, widths.value + random.below(3));
                keys.fill(n, random, 3);
                values.fill(n, random, 3);
                std::vector<float> sinks;
                AttentionSettings settings = settings_by_turns(turn, group, widths, random, sinks);
                std::vector<std::uint32_t> seen_by;
                if (turn % 5 >= 3) seen_by = hide_some(n, keys, values, random);
                if (turn % 5 >= 3) settings.seen_by = seen_by.data();
                const std::vector<float> queries = random_numbers(group * widths.key, random);
                const Attended attended = attend(keys, values, n, settings, queries, n + random.below(5));
                CAPTURE(widths.key, widths.value, n, group, settings.soft_cap, settings.sinks != nullptr,
                        seen_by.size());
                const auto k = read(keys.view(), n, widths.key), v = read(values.view(), n, widths.value);
                const double allowed = allowance<Key, Value>;
                for (std::size_t h = 0; h < group; ++h) {
                    const auto expected =
                        plain_attention(settings, h, &queries[h * widths.key], n, k, v,
                                        [&](std::size_t r) { return seen_by.empty() || seen_by[r] != 0; });
                    REQUIRE(all_close(attended.weights.row(h), expected.weights, 1e-8, allowed * 3e-5));
                    REQUIRE(all_close(attended.out.row(h), expected.out, allowed * 5e-6, allowed * 3e-5));
                }
                REQUIRE(attended.weights.only_rows_are_written());
                REQUIRE(attended.out.only_rows_are_written());
            }
}

TEMPLATE_LIST_TEST_CASE("settings that say nothing change no bit", "", EveryPair) {
    Random random{62};
    const std::size_t n = 37, dim = 72, group = 5;
    Strided<typename TestType::Key> keys(n, dim, dim);
    Strided<typename TestType::Value> values(n, dim, dim);
    keys.fill(n, random, 2);
    values.fill(n, random, 3);
    const std::vector<float> queries = random_numbers(group * dim, random), low(group, -infinite);
    const std::vector<std::uint32_t> all_seen(n, 1);
    Attended expected{Room(group, n, n), Room(group, dim, dim)};
    AttentionSettings settings{.query_heads = group, .head_dim = dim, .scale = 0.1f};
    msrnn::attend(keys.view(), values.view(), n, settings, queries.data(), expected.weights.data(), n,
                  expected.out.data());
    const auto as_expected = [&] {
        const Attended attended = attend(keys, values, n, settings, queries, n);
        return attended.weights.memory == expected.weights.memory && attended.out.memory == expected.out.memory;
    };
    CHECK(as_expected());
    settings.value_dim = dim;
    CHECK(as_expected());
    settings.sinks = low.data();
    CHECK(as_expected());
    settings.seen_by = all_seen.data();
    CHECK(as_expected());
    settings.window = 3;  // rows of a step are those that are given
    CHECK(as_expected());
}

TEMPLATE_LIST_TEST_CASE("where nothing is seen or all is infinitely low, weights and outputs are zero", "", EveryPair) {
    using Key = typename TestType::Key;
    Random random{63};
    const std::size_t dim = 20, group = 3;
    for (const std::size_t n : {1u, 3u, 16u, 35u})
        for (const bool with_sinks : {false, true})
            for (const bool hidden : {false, true}) {
                if (!hidden && Strided<Key>::scaled) continue;  // a row of bytes holds no infinity
                Strided<Key> keys(n, dim, dim);
                Strided<typename TestType::Value> values(n, dim, dim);
                values.fill(n, random, 3);
                for (std::size_t r = 0; r < n; ++r)
                    keys.write(r, std::vector<float>(dim, hidden ? not_a_number : -infinite));
                if (hidden) values.write(0, std::vector<float>(dim, infinite));
                std::vector<float> queries(group * dim, 1.0f), sinks(group, -2.0f);
                const std::vector<std::uint32_t> none(n);
                const AttentionSettings settings{.query_heads = group,
                                                 .head_dim = dim,
                                                 .sinks = with_sinks ? sinks.data() : nullptr,
                                                 .seen_by = hidden ? none.data() : nullptr};
                const Attended attended = attend(keys, values, n, settings, queries, n);
                for (std::size_t h = 0; h < group; ++h) {
                    CAPTURE(n, with_sinks, hidden, h);
                    CHECK(all_zero(attended.weights.row(h)));
                    CHECK(all_zero(attended.out.row(h)));
                }
            }
}

TEST_CASE("a query that meets only minus infinity does not concern the others") {
    Random random{64};
    const std::size_t n = 19, dim = 16;
    Strided<float> keys(n, dim, dim), values(n, dim, dim);
    keys.fill(n, random, 2);
    values.fill(n, random, 3);
    for (std::size_t r = 0; r < n; ++r) keys.row(r)[3] = -infinite;
    values.row(4)[2] = not_a_number;
    std::vector<float> queries = random_numbers(3 * dim, random);
    for (std::size_t h = 0; h < 3; ++h) queries[h * dim + 3] = h == 1 ? 0.5f : -0.5f;
    const Attended attended = attend(keys, values, n, {.query_heads = 3, .head_dim = dim}, queries, n);
    CHECK(all_zero(attended.weights.row(1)));
    CHECK(all_zero(attended.out.row(1)));     // the NaN of a value too has no say
    CHECK(all_nan(attended.weights.row(0)));  // a logit of plus infinity
    CHECK(all_nan(attended.weights.row(2)));
}

TEST_CASE("a soft cap takes infinite logits to the cap, and NaN stays NaN") {
    const float keys[] = {infinite, 1, -infinite}, values[] = {1, 2, 3};
    float weights[3], out;
    const float query = 1;
    const AttentionSettings settings{.head_dim = 1, .soft_cap = 2};
    msrnn::attend(RowsView<float>{keys, 1}, RowsView<float>{values, 1}, 3, settings, &query, weights, 3, &out);
    const double e[] = {std::exp(2.0), std::exp(2 * std::tanh(0.5)), std::exp(-2.0)};
    const double sum = e[0] + e[1] + e[2];
    for (std::size_t r = 0; r < 3; ++r) CHECK(close(static_cast<double>(weights[r]), e[r] / sum, 0, 1e-6));
    CHECK(close(static_cast<double>(out), (e[0] + 2 * e[1] + 3 * e[2]) / sum, 0, 1e-6));
    const float poisoned[] = {1, not_a_number, 1};
    msrnn::attend(RowsView<float>{poisoned, 1}, RowsView<float>{values, 1}, 3, settings, &query, weights, 3, &out);
    CHECK(all_nan(weights));
    CHECK(std::isnan(out));
}

TEST_CASE("a sink that is NaN or plus infinity makes its own query head NaN") {
    Random random{65};
    const std::size_t n = 5, dim = 8;
    Strided<float> keys(n, dim, dim), values(n, dim, dim);
    keys.fill(n, random, 2);
    values.fill(n, random, 3);
    const std::vector<float> queries = random_numbers(3 * dim, random), sinks{not_a_number, 0, infinite};
    const Attended attended =
        attend(keys, values, n, {.query_heads = 3, .head_dim = dim, .sinks = sinks.data()}, queries, n);
    CHECK(all_nan(attended.out.row(0)));
    CHECK(!std::isnan(attended.out.row(1)[0]));
    CHECK(all_nan(attended.out.row(2)));
}

TEST_CASE("the heads of a layer have sinks of their own") {
    Random random{66};
    const std::size_t kv_heads = 3, group = 2, n = 11, dim = 24, value_dim = 16;
    Strided<float> keys(kv_heads * n, dim, dim), values(kv_heads * n, value_dim, value_dim);
    keys.fill(kv_heads * n, random, 2);
    values.fill(kv_heads * n, random, 3);
    const std::vector<float> queries = random_numbers(kv_heads * group * dim, random),
                             sinks = random_numbers(kv_heads * group, random);
    AttentionSettings settings{
        .query_heads = group, .head_dim = dim, .value_dim = value_dim, .scale = 0.1f, .sinks = sinks.data()};
    Attended whole{Room(kv_heads * group, n, n), Room(kv_heads * group, value_dim, value_dim)};
    msrnn::attend(HeadsView<float>{keys.memory.data(), dim, n * dim},
                  HeadsView<float>{values.memory.data(), value_dim, n * value_dim}, kv_heads, n, settings,
                  queries.data(), whole.weights.data(), n, whole.out.data());
    const auto k = read(keys.view(), kv_heads * n, dim), v = read(values.view(), kv_heads * n, value_dim);
    for (std::size_t h = 0; h < kv_heads * group; ++h) {
        const std::size_t first = h / group * n;
        const auto expected =
            plain_attention(settings, h, &queries[h * dim], n, std::span(k).subspan(first * dim, n * dim),
                            std::span(v).subspan(first * value_dim), [](std::size_t) { return true; });
        REQUIRE(all_close(whole.weights.row(h), expected.weights, 1e-8, 1e-5));
        REQUIRE(all_close(whole.out.row(h), expected.out, 1e-6, 1e-5));
        CHECK(std::accumulate(expected.weights.begin(), expected.weights.end(), 0.0) < 0.99);
    }
    CHECK(whole.out.only_rows_are_written());
}

}  // namespace settings_tests
