#include <algorithm>
#include <cstdint>
#include <msrnn/attention/decode.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/plain_settings.hpp"
#include "support/strided_rows.hpp"

namespace shapes_tests {

using msrnn::AttentionSettings;

using msrnn::detail::shape_of;
using msrnn::detail::Tuning;

namespace {
/// Whole rows wherever they are possible, and tiles, with and without prefetches.
constexpr Tuning rows{.tiles_from_4 = 99, .tiles_from_2 = 99, .tiles_from_1 = 99},
    near_rows{.tiles_from_4 = 99,
              .tiles_from_2 = 99,
              .tiles_from_1 = 99,
              .near_floats = 4096,
              .near_narrow = 4096,
              .near_small = 4096},
    tiles{.tiles_from_4 = 2, .tiles_from_2 = 2, .tiles_from_1 = 2, .far_bytes = 0, .far_small = 0},
    far_tiles{.tiles_from_4 = 2, .tiles_from_2 = 2, .tiles_from_1 = 2, .far_bytes = 16384, .into_first_level = true};

struct Attended {
    Room weights, out;
};
template <class K, class V>
Attended attend(Strided<K>& keys, Strided<V>& values, std::size_t n, const AttentionSettings& settings,
                const std::vector<float>& queries, const Tuning& tuning) {
    const std::size_t heads = settings.query_heads, width = settings.value_width();
    Attended attended{Room(heads, n, n), Room(heads, width, width)};
    msrnn::detail::decode(keys.view(), values.view(), n, settings, queries.data(), attended.weights.data(), n,
                          attended.out.data(), static_cast<const K*>(nullptr), tuning);
    return attended;
}
bool is_same(const Attended& a, const Attended& b) {
    for (std::size_t i = 0; i < a.weights.rows; ++i)
        if (!same_bits(a.weights.row(i), b.weights.row(i)) || !same_bits(a.out.row(i), b.out.row(i))) return false;
    return a.weights.rows > 0 && b.weights.only_rows_are_written() && b.out.only_rows_are_written();
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("all shapes of the kernel give the same bits", "", EveryPair) {
    Random random{91};
    std::size_t turn = 0;
    for (const Widths widths : {Widths{64, 64}, Widths{128, 128}, Widths{256, 256}, Widths{17, 129}, Widths{80, 40}})
        for (std::size_t group = 1; group <= 9; ++group) {
            const std::size_t n = 1 + random.below(90);
            Strided<typename TestType::Key> keys(n, widths.key, widths.key + random.below(3));
            Strided<typename TestType::Value> values(n, widths.value, widths.value + random.below(3));
            keys.fill(n, random, 3);
            values.fill(n, random, 3);
            std::vector<float> sinks;
            AttentionSettings settings = settings_by_turns(turn++, group, widths, random, sinks);
            std::vector<std::uint32_t> seen_by(n, 1);
            for (std::size_t r = 0; r < n; r += 1 + random.below(5)) seen_by[r] = 0;
            if (turn % 3 == 0) settings.seen_by = seen_by.data();
            std::vector<float> queries(group * widths.key);
            for (float& x : queries) x = 4 * random.unit() - 2;
            CAPTURE(widths.key, widths.value, n, group, turn);
            const Attended expected = attend(keys, values, n, settings, queries, rows);
            for (const Tuning& other : {near_rows, tiles, far_tiles})
                REQUIRE(is_same(expected, attend(keys, values, n, settings, queries, other)));
        }
}

// Rows that do not fit in the kernel's memory for floats are widened in parts.
TEST_CASE("halves are attended to as floats of the same numbers, bit for bit") {
    Random random{92};
    for (const Widths widths : {Widths{20, 200}, Widths{128, 64}, Widths{300, 1100}, Widths{1100, 300}})
        for (std::size_t group = 1; group <= 9; ++group) {
            const std::size_t n = 1 + random.below(70);
            Strided<msrnn::Half> keys(n, widths.key, widths.key + random.below(3)),
                values(n, widths.value, widths.value + random.below(3));
            keys.fill(n, random, 3);
            values.fill(n, random, 3);
            Strided<float> wide_keys(n, widths.key, widths.key), wide_values(n, widths.value, widths.value);
            for (std::size_t r = 0; r < n; ++r) {
                keys.row(r)[r % widths.key] = msrnn::Half(r % 2 == 0 ? 0.0f : 1e-6f);
                std::copy_n(keys.row(r), widths.key, wide_keys.row(r));
                std::copy_n(values.row(r), widths.value, wide_values.row(r));
            }
            std::vector<float> queries(group * widths.key), sinks;
            for (float& x : queries) x = random.unit() - 0.5f;
            AttentionSettings settings = settings_by_turns(group, group, widths, random, sinks);
            std::vector<std::uint32_t> seen_by(n, 1);
            for (std::size_t r = 0; r < n; r += 1 + random.below(5)) seen_by[r] = 0;
            if (group % 3 == 0) settings.seen_by = seen_by.data();
            CAPTURE(widths.key, widths.value, n, group);
            const Attended expected = attend(wide_keys, wide_values, n, settings, queries, tiles);
            for (const Tuning& tuning : {rows, near_rows, tiles, far_tiles})
                REQUIRE(is_same(expected, attend(keys, values, n, settings, queries, tuning)));
        }
}

TEST_CASE("the shape is chosen by the number of query heads, the size of a number and the bytes of a head") {
    const Tuning tuning{.tiles_from_4 = 7,
                        .tiles_from_2 = 4,
                        .tiles_from_1 = 2,
                        .cached_bytes = 1000,
                        .far_bytes = 64,
                        .far_small = 48,
                        .near_floats = 32,
                        .near_narrow = 16};
    const auto whole = [&](std::size_t heads, std::size_t number, std::size_t bytes) {
        return shape_of(heads, number, 512, bytes, tuning).whole_rows;
    };
    CHECK(whole(6, 4, 1000));
    CHECK_FALSE(whole(7, 4, 1000));
    CHECK_FALSE(whole(6, 4, 999));
    CHECK(whole(1, 4, 10));
    CHECK(whole(3, 2, 5000));
    CHECK_FALSE(whole(4, 2, 5000));
    CHECK(whole(1, 1, 5000));
    CHECK_FALSE(whole(2, 1, 5000));
    CHECK(shape_of(1, 4, 512, 5000, tuning).ahead == 32);
    CHECK(shape_of(1, 4, 256, 5000, tuning).ahead == 16);
    CHECK(shape_of(2, 4, 512, 5000, tuning).ahead == 0);
    CHECK(shape_of(1, 2, 512, 5000, tuning).ahead == 0);
    CHECK(shape_of(8, 4, 512, 5000, tuning).ahead == 64);
    CHECK(shape_of(8, 2, 512, 5000, tuning).ahead == 48);
    CHECK(shape_of(8, 4, 512, 65536, tuning).rows_together(512) == 64);
    CHECK(shape_of(8, 4, 512, 65537, tuning).rows_together(512) == 16);
    CHECK(shape_of(8, 4, 512, 65537, {.far_bytes = 16384}).rows_together(512) == 32);
    CHECK_FALSE(shape_of(msrnn::detail::most_whole_rows + 1, 4, 512, 5000, rows).whole_rows);
}

}  // namespace shapes_tests
