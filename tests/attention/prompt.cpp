#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <msrnn/attention/attend.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/plain_settings.hpp"
#include "support/strided_rows.hpp"

namespace prompt_tests {

using msrnn::AttentionSettings;
using msrnn::PromptRows;
using msrnn::TokensView;

namespace {
/// Tokens [first, first + tokens) of a prompt over stored rows, in memory with gaps.
template <class K, class V>
struct Prompted {
    std::size_t stored, first, tokens;
    AttentionSettings settings;
    Strided<K> keys, own_keys;
    Strided<V> values, own_values;
    std::vector<float> queries, sinks;
    std::vector<std::uint32_t> seen_by;
    Room weights, out;

    std::size_t all() const { return stored + first + tokens; }
    std::size_t group() const { return settings.query_heads; }

    Prompted(std::size_t stored_rows, std::size_t first_token, std::size_t token_count, std::size_t query_heads,
             Widths widths, Random& random)
        : stored(stored_rows),
          first(first_token),
          tokens(token_count),
          settings{.query_heads = query_heads,
                   .head_dim = widths.key,
                   .value_dim = widths.value,
                   .scale = 1.5f / std::sqrt(static_cast<float>(widths.key))},
          keys(std::max<std::size_t>(stored, 1), widths.key, widths.key + random.below(3), 1 + random.below(2)),
          own_keys(first + tokens, widths.key, widths.key + random.below(3)),
          values(std::max<std::size_t>(stored, 1), widths.value, widths.value + random.below(3)),
          own_values(first + tokens, widths.value, widths.value + random.below(3), 1 + random.below(2)),
          queries(tokens * query_heads * widths.key),
          weights(tokens * query_heads, stored + first + tokens, stored + first + tokens + random.below(5)),
          out(tokens * query_heads, widths.value, widths.value + random.below(3)) {
        keys.fill(stored, random, 3);
        own_keys.fill(first + tokens, random, 3);
        values.fill(stored, random, 3);
        own_values.fill(first + tokens, random, 3);
        for (float& x : queries) x = 4 * random.unit() - 2;
    }
    void attend() { attend(0, tokens, nullptr); }
    /// Its tokens [from, from + count).
    void attend(std::size_t from, std::size_t count, msrnn::PackedRows* packed) {
        const std::size_t heads = group(), dim = settings.head_dim;
        msrnn::attend(PromptRows<K>{keys.view(), stored, own_keys.view()},
                      PromptRows<V>{values.view(), stored, own_values.view()}, first + from, count, settings,
                      {queries.data() + from * heads * dim, heads * dim, dim},
                      {weights.data(), heads * weights.stride, weights.stride},
                      {out.data() + from * heads * out.stride, heads * out.stride, out.stride}, packed);
    }
    std::vector<float> outputs() const {
        std::vector<float> all;
        for (std::size_t i = 0; i < tokens * group(); ++i) {
            const auto row = out.row(i);
            all.insert(all.end(), row.begin(), row.end());
        }
        return all;
    }
    bool sees(std::size_t token, std::size_t row) const {
        const std::size_t t = first + token;
        if (row < stored) return settings.seen_by == nullptr || settings.seen_by[row] > t;
        return row - stored <= t && (settings.window == 0 || row - stored + settings.window > t);
    }
    bool is_plain_attention() const {
        // A logit is one sum over all numbers of a key, which in a step is a sum of several.
        const double relative = settings.head_dim > 128 ? 1e-4 : 3e-5;
        std::vector<float> k = read(keys.view(), stored, settings.head_dim),
                           v = read(values.view(), stored, settings.value_width());
        for (const float x : read(own_keys.view(), first + tokens, settings.head_dim)) k.push_back(x);
        for (const float x : read(own_values.view(), first + tokens, settings.value_width())) v.push_back(x);
        for (std::size_t i = 0; i < tokens * group(); ++i) {
            const auto expected = plain_attention(settings, i % group(), &queries[i * settings.head_dim], all(), k, v,
                                                  [&](std::size_t row) { return sees(i / group(), row); });
            if (!all_close(weights.row(i), expected.weights, 1e-8, relative)) return false;
            if (!all_close(out.row(i), expected.out, relative / 5, relative)) return false;
        }
        return weights.only_rows_are_written() && out.only_rows_are_written();
    }
    /// Later tokens of the prompt see fewer stored rows. No token sees the first one, which is NaN.
    void hide_some(Random& random) {
        seen_by.resize(stored);
        for (std::uint32_t& until : seen_by)
            until = random.one_in(4) ? 0xffffffffu : static_cast<std::uint32_t>(random.below(first + tokens + 2));
        if (stored > 0) {
            seen_by[0] = 0;
            keys.write(0, std::vector<float>(settings.head_dim, not_a_number));
            values.write(0, std::vector<float>(settings.value_width(), not_a_number));
        }
        settings.seen_by = seen_by.data();
    }
};
struct Sizes {
    std::size_t stored, first, tokens;
};
constexpr Sizes every_size[] = {{0, 0, 1},  {0, 0, 7},   {3, 0, 1},    {0, 5, 33},   {16, 0, 32},
                                {31, 2, 3}, {70, 0, 20}, {129, 1, 65}, {200, 0, 31}, {33, 250, 40}};
}  // namespace

TEMPLATE_LIST_TEST_CASE("a prompt agrees with plain loops in double, for every scalar, shape and setting", "",
                        EveryPair) {
    Random random{71};
    std::size_t turn = 0;
    for (const Widths widths : every_width)
        for (const Sizes size : every_size) {
            const std::size_t group = 1 + turn % 9;
            if (widths.key > 500 && size.stored + size.first > 100 && group > 3) {
                ++turn;
                continue;  // slow in double, and no other case
            }
            Prompted<typename TestType::Key, typename TestType::Value> prompt(size.stored, size.first, size.tokens,
                                                                              group, widths, random);
            const AttentionSettings settings = settings_by_turns(turn, group, widths, random, prompt.sinks);
            prompt.settings.soft_cap = settings.soft_cap;
            prompt.settings.sinks = settings.sinks;
            if (turn % 3 == 1) prompt.settings.window = 1 + random.below(size.first + size.tokens + 3);
            if (turn % 7 > 3) prompt.hide_some(random);
            prompt.attend();
            CAPTURE(widths.key, widths.value, size.stored, size.first, size.tokens, group, settings.soft_cap,
                    settings.sinks != nullptr, prompt.settings.window, prompt.seen_by.size());
            REQUIRE(prompt.is_plain_attention());
            ++turn;
        }
}

TEST_CASE("every number of query heads and every length of a prompt agrees with plain loops") {
    Random random{72};
    for (std::size_t group = 1; group <= 9; ++group)
        for (std::size_t tokens = 1; tokens <= 40; tokens += 1 + tokens / 14) {
            Prompted<float, float> prompt(random.below(40), random.below(3), tokens, group, {20, 20}, random);
            if (group % 2 == 0) prompt.settings.window = 1 + tokens / 2;
            prompt.attend();
            CAPTURE(group, tokens, prompt.stored);
            REQUIRE(prompt.is_plain_attention());
        }
}

TEMPLATE_LIST_TEST_CASE("a prompt of one token is a step", "", EveryPair) {
    using Key = typename TestType::Key;
    using Value = typename TestType::Value;
    Random random{73};
    for (const Widths widths : {Widths{64, 64}, Widths{24, 40}}) {
        const std::size_t n = 45, group = 4;
        Prompted<Key, Value> prompt(n, 0, 1, group, widths, random);
        prompt.attend();
        Strided<Key> keys(n + 1, widths.key, widths.key);
        Strided<Value> values(n + 1, widths.value, widths.value);
        const auto put = [](auto& to, std::size_t row, const std::vector<float>& from, std::size_t at) {
            to.write(row, std::span(from).subspan(at * to.dim, to.dim));
        };
        const auto k = read(prompt.keys.view(), n, widths.key), v = read(prompt.values.view(), n, widths.value);
        for (std::size_t r = 0; r < n; ++r) put(keys, r, k, r), put(values, r, v, r);
        put(keys, n, read(prompt.own_keys.view(), 1, widths.key), 0);
        put(values, n, read(prompt.own_values.view(), 1, widths.value), 0);
        Room weights(group, n + 1, n + 1), out(group, widths.value, widths.value);
        msrnn::attend(keys.view(), values.view(), n + 1, prompt.settings, prompt.queries.data(), weights.data(), n + 1,
                      out.data());
        const double allowed = allowance<Key, Value>;
        for (std::size_t h = 0; h < group; ++h) {
            CHECK(all_close(prompt.weights.row(h), weights.row(h), 1e-6, 1e-5 * allowed));
            CHECK(all_close(prompt.out.row(h), out.row(h), 1e-5 * allowed, 1e-5 * allowed));
        }
    }
}

TEMPLATE_LIST_TEST_CASE("a token of a prompt knows nothing of NaN and infinities behind it or out of its sight", "",
                        EveryScalar) {
    Random random{74};
    for (const std::size_t window : {0u, 6u})
        for (const float poison : {not_a_number, infinite, -infinite})
            for (const std::size_t at : {0u, 9u, 30u, 46u}) {
                Prompted<TestType, TestType> prompt(21, 0, 47, 2, {24, 24}, random);
                prompt.settings.window = window;
                prompt.attend();
                const Room clean_weights = prompt.weights, clean_out = prompt.out;
                prompt.own_keys.write(at, std::vector<float>(24, poison));
                prompt.own_values.write(at, std::vector<float>(24, poison));
                prompt.attend();
                for (std::size_t i = 0; i < 2 * prompt.tokens; ++i) {
                    CAPTURE(window, poison, at, i);
                    if (!prompt.sees(i / 2, 21 + at)) {
                        REQUIRE(all_close(prompt.weights.row(i), clean_weights.row(i), 1e-8, 1e-6));
                        REQUIRE(all_close(prompt.out.row(i), clean_out.row(i), 1e-6, 1e-6));
                    } else {
                        REQUIRE(all_nan(prompt.out.row(i)));
                    }
                }
            }
}

TEMPLATE_LIST_TEST_CASE("a prompt's token that sees nothing, or only what is infinitely low, has zeros", "",
                        EveryScalar) {
    Random random{75};
    for (const bool with_sinks : {false, true}) {
        Prompted<TestType, TestType> prompt(5, 0, 9, 3, {16, 16}, random);
        for (float& x : prompt.queries) x = std::fabs(x) + 0.1f;
        prompt.sinks = {1, -1, 0};
        if (with_sinks) prompt.settings.sinks = prompt.sinks.data();
        if (Strided<TestType>::scaled) {  // its rows hold no infinity
            prompt.seen_by.assign(5, 0);
            prompt.settings.seen_by = prompt.seen_by.data();
        }
        for (std::size_t r = 0; r < 5; ++r)
            prompt.keys.write(r, std::vector<float>(16, Strided<TestType>::scaled ? 1.0f : -infinite));
        for (std::size_t t = 0; t < 4; ++t) prompt.own_keys.write(t, std::vector<float>(16, -infinite));
        prompt.attend();
        for (std::size_t i = 0; i < 9 * 3; ++i) {
            CAPTURE(with_sinks, i);
            if (Strided<TestType>::scaled) {  // a row of bytes that was given an infinity is NaN
                REQUIRE(all_nan(prompt.out.row(i)));
            } else if (i / 3 < 4) {
                REQUIRE(all_zero(prompt.weights.row(i)));
                REQUIRE(all_zero(prompt.out.row(i)));
            } else {
                REQUIRE(std::isfinite(prompt.out.row(i)[0]));
                REQUIRE(prompt.weights.row(i)[0] == 0);
            }
        }
    }
}

TEMPLATE_LIST_TEST_CASE("rows that are packed once for several calls give the bits of calls that pack them", "",
                        EveryPair) {
    Random random{75};
    constexpr std::size_t pieces[] = {1, 7, 32, 60, 100, 100};
    for (const std::size_t stored : {std::size_t{0}, std::size_t{5}, std::size_t{128}})
        for (const bool hidden : {false, true}) {
            Prompted<typename TestType::Key, typename TestType::Value> prompt(stored, 0, 300, 3, {24, 40}, random);
            prompt.settings.window = hidden ? 90 : 0;
            if (hidden) prompt.own_values.write(171, std::vector<float>(40, not_a_number));
            msrnn::PackedRows packed(stored + 300);
            std::vector<float> outputs[2];
            for (const bool once : {false, true}) {
                for (std::size_t from = 0; const std::size_t count : pieces) {
                    prompt.attend(from, count, once ? &packed : nullptr);
                    from += count;
                }
                outputs[once] = prompt.outputs();
            }
            CAPTURE(stored, hidden);
            CHECK(std::memcmp(outputs[0].data(), outputs[1].data(), outputs[0].size() * sizeof(float)) == 0);
        }
}

TEST_CASE("a prompt of no tokens writes nothing") {
    Random random{76};
    Prompted<float, float> prompt(5, 0, 2, 3, {16, 16}, random);
    prompt.tokens = 0;
    prompt.attend();
    CHECK(std::count(prompt.weights.memory.begin(), prompt.weights.memory.end(), untouched) ==
          static_cast<std::ptrdiff_t>(prompt.weights.memory.size()));
}

}  // namespace prompt_tests
