// All targets of the kernels in one program, whatever the other tests are compiled with.
#undef MSRNN_TARGETS
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <msrnn/msrnn.hpp>
#include <tuple>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"
#include "support/plain_settings.hpp"
#include "support/strided_rows.hpp"

using msrnn::AttentionSettings;
using msrnn::PromptRows;
using msrnn::TokensView;
using msrnn::detail::Target;
using msrnn::detail::Tuning;

namespace {
using Pairs = std::tuple<Scalars<float, float>, Scalars<msrnn::Bfloat16, msrnn::Half>,
                         Scalars<msrnn::Half, msrnn::Bfloat16>, Scalars<std::int8_t, std::int8_t>>;
constexpr Tuning rows{.tiles_from_4 = 99, .tiles_from_2 = 99, .tiles_from_1 = 99, .near_floats = 4096},
    tiles{.tiles_from_4 = 2, .tiles_from_2 = 2, .tiles_from_1 = 2};

std::vector<Target> targets() {
    std::vector<Target> all{Target::baseline, Target::avx2, Target::avx512, Target::vnni};
    std::erase_if(all, [](Target target) { return !msrnn::detail::runs(target); });
    return all;
}
struct Attended {
    Room weights, out;
    Attended(const AttentionSettings& s, std::size_t tokens, std::size_t n)
        : weights(tokens * s.query_heads, n, n + 3), out(tokens * s.query_heads, s.value_width(), s.value_width()) {}
    bool same(const Attended& other) const {
        return weights.memory == other.weights.memory && out.memory == other.out.memory;
    }
};
/// Random rows and queries of a KV head.
template <class K, class V>
struct Head {
    std::size_t n;
    Strided<K> keys;
    Strided<V> values;
    std::vector<float> sinks, queries, k, v;
    AttentionSettings settings;

    Head(std::size_t rows_of_each, Widths widths, std::size_t group, std::size_t tokens, std::size_t turn,
         Random& random)
        : n(rows_of_each),
          keys(n, widths.key, widths.key + random.below(3)),
          values(n, widths.value, widths.value + random.below(3)),
          queries(tokens * group * widths.key),
          settings(settings_by_turns(turn, group, widths, random, sinks)) {
        keys.fill(n, random, 3);
        values.fill(n, random, 3);
        for (float& x : queries) x = 4 * random.unit() - 2;
        k = read(keys.view(), n, widths.key);
        v = read(values.view(), n, widths.value);
    }
    /// How much less exact than with floats: bytes meet queries and weights of 16 bits.
    static double allowance(Target target) {
        const bool by_bytes = target == Target::vnni || msrnn::detail::multiplies_bytes;
        return by_bytes && (sizeof(K) == 1 || sizeof(V) == 1) ? 10 : 1;
    }
    Attended step(Target target, const Tuning& tuning = msrnn::detail::tuning()) const {
        Attended attended(settings, 1, n);
        msrnn::detail::decode_by(target, keys.view(), values.view(), n, settings, queries.data(),
                                 attended.weights.data(), attended.weights.stride, attended.out.data(),
                                 static_cast<const K*>(nullptr), tuning);
        return attended;
    }
    /// Query row i sees the rows with sees(i, row).
    template <class Sees>
    bool is_plain(const Attended& attended, double allowed, Sees sees) const {
        for (std::size_t i = 0; i < attended.weights.rows; ++i) {
            const auto expected = plain_attention(settings, i % settings.query_heads, &queries[i * settings.head_dim],
                                                  n, k, v, [&](std::size_t row) { return sees(i, row); });
            if (!all_close(attended.weights.row(i), expected.weights, 1e-8, allowed * 1e-4)) return false;
            if (!all_close(attended.out.row(i), expected.out, allowed * 2e-5, allowed * 1e-4)) return false;
        }
        return attended.weights.only_rows_are_written() && attended.out.only_rows_are_written();
    }
};
}  // namespace

TEMPLATE_LIST_TEST_CASE("a step by every target agrees with plain loops, in every shape with the same bits", "",
                        Pairs) {
    Random random{111};
    std::size_t turn = 0;
    for (const Widths widths : every_width)
        for (const std::size_t n : {1u, 16u, 37u, 130u}) {
            Head<typename TestType::Key, typename TestType::Value> head(n, widths, 1 + turn % 9, 1, turn, random);
            ++turn;
            std::vector<std::uint32_t> seen_by(n, 1);
            for (std::size_t r = 1; r < n; r += 1 + random.below(5)) seen_by[r] = 0;
            if (turn % 3 == 0) head.settings.seen_by = seen_by.data();
            for (const Target target : targets()) {
                CAPTURE(static_cast<int>(target), widths.key, widths.value, n, head.settings.query_heads);
                const Attended attended = head.step(target, rows);
                REQUIRE(head.is_plain(attended, head.allowance(target), [&](std::size_t, std::size_t row) {
                    return head.settings.seen_by == nullptr || seen_by[row] != 0;
                }));
                REQUIRE(attended.same(head.step(target, tiles)));
            }
            Attended chosen(head.settings, 1, n);
            msrnn::attend(head.keys.view(), head.values.view(), n, head.settings, head.queries.data(),
                          chosen.weights.data(), chosen.weights.stride, chosen.out.data());
            REQUIRE(chosen.same(head.step(targets().back())));
        }
}

TEMPLATE_LIST_TEST_CASE("a prompt by every target agrees with plain loops", "", Pairs) {
    using Key = typename TestType::Key;
    using Value = typename TestType::Value;
    Random random{112};
    std::size_t turn = 0;
    for (const Widths widths : every_width)
        for (const std::size_t tokens : {1u, 7u, 40u}) {
            const std::size_t stored = random.below(50), group = 1 + turn % 7;
            Head<Key, Value> head(stored + tokens, widths, group, tokens, turn, random);
            ++turn;
            if (turn % 3 == 0) head.settings.window = 1 + random.below(tokens + 2);
            const auto parts = [&](auto view) {
                auto own = view;
                own.base += stored * view.stride;
                if (view.scales != nullptr) own.scales += stored * view.scale_stride;
                return PromptRows<typename decltype(view)::Number>{view, stored, own};
            };
            const auto keys = parts(head.keys.view());
            const auto values = parts(head.values.view());
            const TokensView<const float> queries{head.queries.data(), group * widths.key, widths.key};
            const auto views = [&](Attended& attended) {
                Room &w = attended.weights, &o = attended.out;
                return std::pair(TokensView<float>{w.data(), group * w.stride, w.stride},
                                 TokensView<float>{o.data(), group * o.stride, o.stride});
            };
            const auto sees = [&](std::size_t i, std::size_t row) {
                const std::size_t now = stored + i / group, window = head.settings.window;
                return row < stored || (row <= now && (window == 0 || row + window > now));
            };
            Attended chosen(head.settings, tokens, head.n);
            const auto [weights_of_chosen, out_of_chosen] = views(chosen);
            msrnn::attend(keys, values, 0, tokens, head.settings, queries, weights_of_chosen, out_of_chosen);
            for (const Target target : targets()) {
                CAPTURE(static_cast<int>(target), widths.key, widths.value, tokens, stored, group);
                Attended attended(head.settings, tokens, head.n);
                const auto [weights, out] = views(attended);
                msrnn::PackedRows packed(stored + tokens);
                for (msrnn::PackedRows* const once : {static_cast<msrnn::PackedRows*>(nullptr), &packed}) {
                    msrnn::detail::attend_prompt_by(target, keys, values, std::size_t{0}, tokens, head.settings,
                                                    queries, weights, out, once);
                    REQUIRE(head.is_plain(attended, 1, sees));
                    if (target == targets().back()) REQUIRE(attended.same(chosen));
                }
            }
        }
}

TEMPLATE_LIST_TEST_CASE("one query head gets by every target the bits that it gets beside another", "", Pairs) {
    Random random{114};
    for (const std::size_t width : {64u, 128u, 256u, 512u})
        for (const std::size_t n : {15u, 16u, 40u, 64u, 90u, 200u}) {
            Head<typename TestType::Key, typename TestType::Value> head(n, {width, width}, 2, 1, 0, random);
            head.settings.sinks = nullptr;
            std::copy_n(head.queries.data(), width, head.queries.data() + width);
            for (const Target target : targets()) {
                CAPTURE(static_cast<int>(target), width, n);
                head.settings.query_heads = 2;
                const Attended two = head.step(target);
                head.settings.query_heads = 1;
                const Attended one = head.step(target);
                REQUIRE(same_bits(one.weights.row(0), two.weights.row(0)));
                REQUIRE(same_bits(one.out.row(0), two.out.row(0)));
                REQUIRE(same_bits(one.weights.row(0), two.weights.row(1)));
            }
        }
}

TEMPLATE_LIST_TEST_CASE("of the rows that a step reads, int8 alone have other bits where bytes are multiplied", "",
                        Pairs) {
    using Key = typename TestType::Key;
    if (!msrnn::detail::runs(Target::vnni) || !msrnn::detail::runs(Target::avx512)) return;
    Random random{113};
    const Head<Key, typename TestType::Value> head(130, {64, 64}, 4, 1, 0, random);
    CHECK(head.step(Target::vnni).same(head.step(Target::avx512)) == !std::is_same_v<Key, std::int8_t>);
}

TEST_CASE("every unit has the kernels of its own instructions, and the call takes the last that run") {
    CHECK(targets().front() == Target::baseline);
    CHECK(targets().back() == msrnn::detail::target_of_processor());
#if defined(__x86_64__)
    __builtin_cpu_init();
    CHECK(msrnn::detail::runs(Target::avx512) == (MSRNN_KERNELS_AVX512 && __builtin_cpu_supports("avx512vl")));
    CHECK(msrnn::detail::runs(Target::vnni) == (MSRNN_KERNELS_VNNI && __builtin_cpu_supports("avx512vnni")));
#endif
#if MSRNN_KERNELS_AVX512
    CHECK(msrnn::detail::baseline::floats_per_pack < msrnn::detail::avx512::floats_per_pack);
#endif
#if MSRNN_KERNELS_AVX2
    CHECK(msrnn::detail::avx2::floats_per_pack == 8);
#endif
#if MSRNN_KERNELS_VNNI
    CHECK_FALSE(msrnn::detail::multiplies_bytes);
    CHECK(msrnn::detail::vnni::multiplies_bytes);
    CHECK(msrnn::detail::vnni::by_bytes<std::int8_t>);
    CHECK_FALSE(msrnn::detail::vnni::by_bytes<float>);
#endif
}
