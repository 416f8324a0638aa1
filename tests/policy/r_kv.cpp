#include <cmath>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/lane_of_rows.hpp"

namespace r_kv_tests {

using Positions = std::vector<std::int64_t>;
using msrnn::RKV;
using Row = std::vector<float>;

TEST_CASE("RKV's importance is the mean weight of the last queries on the older tokens, of the loudest head") {
    LaneOfRows<RKV> rows(8, {.window = 2, .kernel = 1, .mix = 1}, 1, 2);
    rows.append(0, {2}, {}, {100, 100});  // too early to count
    rows.append(1, {1}, {}, {-100, 100});
    rows.append(2, {1}, {}, {1, 0});
    rows.append(3, {1}, {}, {-1, -1});
    const auto weight = [](float a, float b) { return std::exp(a) / (std::exp(a) + std::exp(b)); };
    // Logits of the older two are 2 and 1, then -2 and -1.
    const float first = (weight(2, 1) + weight(-2, -1)) / 2;
    CHECK(all_close(rows.ratings(), Row{first, 1 - first, 0, 0}, 1e-6, 0));
}

TEST_CASE("the maximum over neighbours lifts them") {
    LaneOfRows<RKV> rows(8, {.window = 1, .kernel = 3, .mix = 1}, 1);
    for (int t = 0; t < 6; ++t) rows.append(t, {t == 1 ? 1.0f : 0.0f}, {}, {1});
    const float peak = std::exp(1.0f) / (4 + std::exp(1.0f)), flat = 1 / (4 + std::exp(1.0f));
    CHECK(all_close(rows.ratings(), Row{peak, peak, peak, flat, flat, 0}, 1e-6, 0));
}

TEST_CASE("of keys that are alike the newest is spared, and what is unlike the others stays") {
    LaneOfRows<RKV> rows(3, {.window = 1, .kernel = 1, .mix = 0});
    rows.append(0, {1, 0});
    rows.append(1, {2, 0});
    rows.append(2, {0, 1});
    rows.append(3, {1, 0});
    // Rows of cosines with others, the last above 1/2 struck out: 0 1 0 . | 1 0 0 . | . 0 0 0 | 1 . 0 0, over 4.
    const float alone = 1, half = std::exp(0.5f), quarter = std::exp(0.25f), total = half + quarter + 2 * alone;
    CHECK(all_close(rows.ratings(), Row{-half / total, -quarter / total, -alone / total, -alone / total}, 1e-6, 0));
    rows.lane.evict_rated();
    CHECK(by_arrival::kept(rows.lane) == Positions{1, 2, 3});
}

TEST_CASE("a key's cosine with itself counts as 0, which is above a threshold below 0") {
    LaneOfRows<RKV> rows(3, {.window = 1, .kernel = 1, .mix = 0, .threshold = -0.5f});
    rows.append(0, {1, 0});
    rows.append(1, {-1, 0});
    rows.append(2, {-1, 0});
    // The last above -1/2 struck out: . -1 -1 | -1 0 . | -1 1 . , over 3.
    const float first = std::exp(-2.0f / 3), second = 1, third = std::exp(-1.0f / 3), total = first + second + third;
    CHECK(all_close(rows.ratings(), Row{-first / total, -second / total, -third / total}, 1e-6, 0));
}

TEST_CASE("RKV remembers the last queries in a ring, across choices, and sees few of a prompt") {
    const RKV policy{.window = 2, .kernel = 1, .mix = 1};
    LaneOfRows<RKV> rows(3, policy, 1);
    for (int t = 0; t < 9; ++t) {
        rows.append(t, {static_cast<float>(t % 4)}, {}, {t < 7 ? -50.0f : 1.0f});
        rows.evict();
        if (t == 7) CHECK(by_arrival::kept(rows.lane) == Positions{4, 6, 7});  // key 0, by the query of 6
    }
    CHECK(by_arrival::kept(rows.lane) == Positions{6, 7, 8});  // key 2, by those of 7 and 8
    CHECK(policy.observation_window() == 2);
    CHECK(rows.lane.protection().recent == 2);
}

TEST_CASE("RKV says what is wrong with its settings, and asks for the shape of its lane") {
    CHECK(RKV{.window = 0}.problem().find("window is 0") == 0);
    CHECK(RKV{.kernel = 4}.problem().find("kernel is 4") == 0);
    CHECK_FALSE(msrnn::problem(RKV{}, {.budget = 16}).empty());
    LaneOfRows<RKV> rows(8, {.window = 1}, 2, 1);
    rows.lane.append(0);
    const Row wide(3);
    CHECK_THROWS_AS(rows.lane.observe(msrnn::Query{wide.data(), 1, 3}), msrnn_assertion_failed);
}

}  // namespace r_kv_tests
