#include <cmath>
#include <cstdint>
#include <msrnn/attention/attend.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/paged_rows.hpp"
#include "support/plain_settings.hpp"
#include "support/strided_rows.hpp"

namespace pages_tests {

using msrnn::AttentionSettings;
using msrnn::PromptRows;

namespace {
struct Attended {
    Room weights, out;
};
using ::same_bits;
bool same_bits(const Attended& a, const Attended& b) {
    for (std::size_t i = 0; i < a.weights.rows; ++i)
        if (!same_bits(a.weights.row(i), b.weights.row(i)) || !same_bits(a.out.row(i), b.out.row(i))) return false;
    return a.weights.rows > 0 && b.weights.only_rows_are_written() && b.out.only_rows_are_written();
}
template <class Keys, class Values>
Attended step(const Keys& keys, const Values& values, std::size_t n, const AttentionSettings& settings,
              const std::vector<float>& queries) {
    const std::size_t group = settings.query_heads, width = settings.value_width();
    Attended attended{Room(group, n, n), Room(group, width, width)};
    msrnn::attend(keys, values, n, settings, queries.data(), attended.weights.data(), n, attended.out.data());
    return attended;
}
template <class Keys, class Values>
Attended prompt(const Keys& keys, const Values& values, std::size_t tokens, const AttentionSettings& settings,
                const std::vector<float>& queries) {
    const std::size_t group = settings.query_heads, dim = settings.head_dim, width = settings.value_width(),
                      all = keys.stored_rows + tokens;
    Attended attended{Room(tokens * group, all, all), Room(tokens * group, width, width)};
    msrnn::attend(keys, values, 0, tokens, settings, {queries.data(), group * dim, dim},
                  {attended.weights.data(), group * all, all}, {attended.out.data(), group * width, width});
    return attended;
}
std::vector<float> random_numbers(std::size_t count, Random& random) {
    std::vector<float> numbers(count);
    for (float& x : numbers) x = 4 * random.unit() - 2;
    return numbers;
}
constexpr std::size_t every_page[] = {16, 32, 48, 64};
}  // namespace

TEMPLATE_LIST_TEST_CASE("a step over pages has the bits of one over rows in one piece, and agrees with plain loops", "",
                        EveryPair) {
    using Key = typename TestType::Key;
    using Value = typename TestType::Value;
    Random random{81};
    std::size_t turn = 0;
    for (const Widths widths : every_width)
        for (const std::size_t n : {1u, 15u, 16u, 17u, 40u, 64u, 97u, 200u}) {
            const std::size_t group = 1 + turn % 9;
            Strided<Key> keys(n, widths.key, widths.key);
            Strided<Value> values(n, widths.value, widths.value);
            keys.fill(n, random, 3);
            values.fill(n, random, 3);
            std::vector<float> sinks;
            AttentionSettings settings = settings_by_turns(turn, group, widths, random, sinks);
            std::vector<std::uint32_t> seen_by(n, 1);
            for (std::size_t r = 0; r < n; r += 1 + random.below(5)) seen_by[r] = 0;
            if (turn % 3 == 0) settings.seen_by = seen_by.data();
            const Paged<Key> paged_keys(keys, n, every_page[turn % 4], random.below(3), random);
            const Paged<Value> paged_values(values, n, every_page[random.below(4)], random.below(3), random);
            const std::vector<float> queries = random_numbers(group * widths.key, random);
            CAPTURE(widths.key, widths.value, n, group, paged_keys.page_rows, paged_values.page_rows);

            const Attended paged = step(paged_keys.view(), paged_values.view(), n, settings, queries);
            REQUIRE(same_bits(step(keys.view(), values.view(), n, settings, queries), paged));
            REQUIRE(same_bits(step(keys.view(), paged_values.view(), n, settings, queries), paged));
            const auto k = read(keys.view(), n, widths.key), v = read(values.view(), n, widths.value);
            const auto sees = [&](std::size_t r) { return settings.seen_by == nullptr || seen_by[r] != 0; };
            const double allowed = allowance<Key, Value>;
            for (std::size_t h = 0; h < group; ++h) {
                const auto expected = plain_attention(settings, h, &queries[h * widths.key], n, k, v, sees);
                REQUIRE(all_close(paged.weights.row(h), expected.weights, 1e-8, allowed * 3e-5));
                REQUIRE(all_close(paged.out.row(h), expected.out, allowed * 5e-6, allowed * 3e-5));
            }
            ++turn;
        }
}

TEMPLATE_LIST_TEST_CASE("a prompt over pages has the bits of one over rows in one piece", "", EveryPair) {
    using Key = typename TestType::Key;
    using Value = typename TestType::Value;
    Random random{82};
    std::size_t turn = 0;
    for (const Widths widths : {Widths{64, 64}, Widths{24, 16}, Widths{17, 129}})
        for (const std::size_t stored : {0u, 5u, 32u, 130u})
            for (const std::size_t tokens : {1u, 20u, 50u}) {
                const std::size_t group = 1 + turn % 5, all = stored + tokens;
                Strided<Key> keys(all, widths.key, widths.key);
                Strided<Value> values(all, widths.value, widths.value);
                keys.fill(all, random, 3);
                values.fill(all, random, 3);
                std::vector<float> sinks;
                AttentionSettings settings = settings_by_turns(turn, group, widths, random, sinks);
                if (turn % 4 == 1) settings.window = 7;
                const std::vector<float> queries = random_numbers(tokens * group * widths.key, random);
                const Paged<Key> paged_keys(keys, all, every_page[turn % 4], random.below(3), random);
                const Paged<Value> paged_values(values, all, every_page[random.below(4)], random.below(3), random);
                // The prompt's rows by themselves, in one piece and in pages.
                const auto rest = [&](const auto& rows) {
                    auto view = rows.view();
                    view.base += stored * view.stride;
                    if (view.scales != nullptr) view.scales += stored * view.scale_stride;
                    return view;
                };
                Strided<Key> own_keys = keys;
                own_keys.memory.erase(own_keys.memory.begin(),
                                      own_keys.memory.begin() + static_cast<std::ptrdiff_t>(stored * keys.stride));
                if (Strided<Key>::scaled)
                    own_keys.scales.erase(own_keys.scales.begin(),
                                          own_keys.scales.begin() + static_cast<std::ptrdiff_t>(stored));
                const Paged<Key> own_pages(own_keys, tokens, every_page[random.below(4)], 1, random);
                CAPTURE(widths.key, widths.value, stored, tokens, group, paged_keys.page_rows, own_pages.page_rows);

                const PromptRows<Value> plain_values{values.view(), stored, rest(values)};
                const Attended expected =
                    prompt(PromptRows<Key>{keys.view(), stored, rest(keys)}, plain_values, tokens, settings, queries);
                using StoredKeys = msrnn::PagedRowsView<Key>;
                using StoredValues = msrnn::PagedRowsView<Value>;
                REQUIRE(same_bits(
                    expected, prompt(PromptRows<Key, StoredKeys>{paged_keys.view(), stored, rest(keys)},
                                     PromptRows<Value, StoredValues>{paged_values.view(), stored, rest(values)}, tokens,
                                     settings, queries)));
                REQUIRE(same_bits(expected, prompt(PromptRows<Key, StoredKeys, StoredKeys>{paged_keys.view(), stored,
                                                                                           own_pages.view()},
                                                   plain_values, tokens, settings, queries)));
                ++turn;
            }
}

TEST_CASE("the heads of a block table are attended to as the same heads in one piece, bit for bit") {
    Random random{83};
    const std::size_t kv_heads = 3, group = 2, dim = 24, n = 75, block_size = 32, width = kv_heads * dim;
    for (const std::vector<int>& table : {std::vector<int>{4, 1, 2}, std::vector<int>{0, 3, 1}}) {
        std::vector<std::int8_t> cache(5 * block_size * width), one_piece(n * width);
        std::vector<float> scale_cache(5 * block_size * kv_heads), scales(n * kv_heads);
        for (std::int8_t& x : cache) x = static_cast<std::int8_t>(random.below(255));
        for (float& x : scale_cache) x = 0.01f + 0.01f * random.unit();
        std::vector<const std::int8_t*> pages;
        std::vector<const float*> scale_pages;
        for (const int block : table) {
            pages.push_back(cache.data() + static_cast<std::size_t>(block) * block_size * width);
            scale_pages.push_back(scale_cache.data() + static_cast<std::size_t>(block) * block_size * kv_heads);
        }
        for (std::size_t r = 0; r < n; ++r) {
            std::copy_n(pages[r / block_size] + r % block_size * width, width, &one_piece[r * width]);
            std::copy_n(scale_pages[r / block_size] + r % block_size * kv_heads, kv_heads, &scales[r * kv_heads]);
        }
        const AttentionSettings settings{.query_heads = group, .head_dim = dim, .scale = 0.3f};
        const std::vector<float> queries = random_numbers(kv_heads * group * dim, random);
        Attended expected{Room(kv_heads * group, n, n), Room(kv_heads * group, dim, dim)}, paged = expected;
        const msrnn::HeadsView<std::int8_t> rows{one_piece.data(), width, dim, scales.data(), kv_heads, 1};
        const msrnn::PagedHeadsView<std::int8_t> blocks{.pages = pages.data(),
                                                        .page_rows = block_size,
                                                        .token_stride = width,
                                                        .head_stride = dim,
                                                        .scales = scale_pages.data(),
                                                        .scale_token_stride = kv_heads,
                                                        .scale_head_stride = 1};
        msrnn::attend(rows, rows, kv_heads, n, settings, queries.data(), expected.weights.data(), n,
                      expected.out.data());
        msrnn::attend(blocks, blocks, kv_heads, n, settings, queries.data(), paged.weights.data(), n, paged.out.data());
        CHECK(same_bits(expected, paged));
    }
}

TEST_CASE("pages are multiples of 16 rows") {
    for (const std::size_t page_rows : {0u, 1u, 8u, 24u})
        CHECK_FALSE(msrnn::detail::has_whole_pages(msrnn::PagedRowsView<float>{.page_rows = page_rows}));
    for (const std::size_t page_rows : every_page)
        CHECK(msrnn::detail::has_whole_pages(msrnn::PagedRowsView<float>{.page_rows = page_rows}));
}

}  // namespace pages_tests
