#include <cmath>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <msrnn/policy/tri_attention.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/lane_of_rows.hpp"
#include "support/random.hpp"

namespace tri_attention_tests {

using msrnn::CalibratedTriAttention;
using msrnn::TriAttention;
using Row = std::vector<float>;

namespace {
const msrnn::Rope still{.frequencies = {0, 0}};

Row random_row(Random& random, std::size_t width) {
    Row row(width);
    for (float& x : row) x = 2 * random.unit() - 1;
    return row;
}
}  // namespace

TEST_CASE("CalibratedTriAttention rates by the mean query and by what its pairs are longer than it, standardised") {
    // The mean of pair 0 is (1, 0), of pair 1 (0, 0); their mean lengths are 1 and 2.
    const CalibratedTriAttention policy{.query_heads = 1, .mean = {1, 0, 0, 0}, .length = {1, 2}, .rope = still};
    LaneOfRows<CalibratedTriAttention> rows(8, policy, 4);
    rows.append(0, {3, 0, 5, 0});  // 3
    rows.append(1, {0, 3, 0, 4});  // 2 * 5
    rows.append(2, {1, 0, 0, 2});  // 1 + 4
    const float deviation = std::sqrt(13.0f);
    CHECK(all_close(rows.ratings(), Row{-3 / deviation, 4 / deviation, -1 / deviation}, 1e-6, 0));
}

TEST_CASE("of several query heads the highest standard score counts") {
    const CalibratedTriAttention policy{
        .query_heads = 2, .mean = {1, 0, 0, 1}, .length = {1, 1}, .rope = {.frequencies = {0}}};
    LaneOfRows<CalibratedTriAttention> rows(8, policy, 2, 2);
    rows.append(0, {1, 0});
    rows.append(1, {0, 1});
    rows.append(2, {0, 0});
    const Row ratings = rows.ratings();
    CHECK(ratings[0] == ratings[1]);
    CHECK(ratings[0] > 1);
    CHECK(ratings[2] < 0);
}

TEST_CASE("a lane takes the calibration of its layer and heads") {
    CalibratedTriAttention policy{.query_heads = 2, .rope = {.frequencies = {0}}};
    policy.mean = {0, 0, 0, 0, 0, 0, 1, 0};  // [layer][head][2]: only head 1 of layer 1 looks anywhere
    policy.length = {0, 0, 0, 1};
    for (const std::size_t layer : {0u, 1u})
        for (const std::size_t head : {0u, 1u}) {
            msrnn::Lane<CalibratedTriAttention> lane({.budget = 4, .query_heads = 1, .head_dim = 2}, policy,
                                                     {.layer = layer, .kv_head = head});
            const float keys[] = {1, 0, 2, 0};
            lane.append(0);
            lane.append(1);
            lane.rate(msrnn::Keys(keys, 2, 2));
            CHECK((lane.rating(msrnn::Slot(1)) > 0) == (layer == 1 && head == 1));
        }
}

TEST_CASE("distances to come are 1, 2, 4 and so on, and the mean over them counts") {
    const double w = 0.3;
    const CalibratedTriAttention policy{
        .query_heads = 1, .mean = {1, 0}, .length = {1}, .farthest = 7, .rope = {.frequencies = {w}}};
    LaneOfRows<CalibratedTriAttention> rows(8, policy, 2);
    const std::vector<double> angles{0.0, 2.5, 1.2};
    std::vector<double> raw;
    for (std::size_t t = 0; t < 3; ++t) {
        rows.append(static_cast<std::int64_t>(t),
                    {static_cast<float>(std::cos(angles[t])), static_cast<float>(std::sin(angles[t]))});
        raw.push_back((std::cos(4 * w - angles[t]) + std::cos(5 * w - angles[t]) + std::cos(7 * w - angles[t])) / 3);
    }
    const double mean = (raw[0] + raw[1] + raw[2]) / 3;
    double squares = 0;
    for (const double x : raw) squares += (x - mean) * (x - mean);
    for (double& x : raw) x = (x - mean) / std::sqrt(squares / 2);
    CHECK(all_close(rows.ratings(), raw, 1e-5, 0));
}

TEST_CASE("TriAttention calibrates itself: as the calibrated one does with the means of the same queries") {
    const msrnn::Rope rope{.theta = 30};
    Random random{1};
    LaneOfRows<TriAttention> itself(32, {.queries = 12, .rope = rope}, 4, 2);
    CalibratedTriAttention policy{
        .query_heads = 2, .mean = msrnn::OwnVector<float>(8), .length = msrnn::OwnVector<float>(4), .rope = rope};
    std::vector<Row> keys;
    for (int t = 0; t < 20; ++t) {
        const Row before = random_row(random, 8);
        Row query(8), turn(4);
        rope.at(t, turn, 4);
        for (std::size_t h = 0; h < 2; ++h)
            rope.apply(turn, 1, std::span(before).subspan(4 * h, 4), std::span(query).subspan(4 * h, 4));
        keys.push_back(random_row(random, 4));
        itself.append(t, keys.back(), {}, query);
        if (t >= 12) continue;
        for (std::size_t i = 0; i < 8; ++i) policy.mean[i] += before[i] / 12;
        for (std::size_t h = 0; h < 2; ++h)
            for (std::size_t i = 0; i < 2; ++i)
                policy.length[2 * h + i] += std::hypot(before[4 * h + i], before[4 * h + i + 2]) / 12;
    }
    LaneOfRows<CalibratedTriAttention> told(32, policy, 4, 2);
    for (int t = 0; t < 20; ++t) told.append(t, keys[static_cast<std::size_t>(t)]);
    CHECK(all_close(itself.ratings(), told.ratings(), 1e-4, 0));
}

TEST_CASE("a head whose scores are all equal says nothing, and before any query all are") {
    LaneOfRows<TriAttention> rows(2, {}, 2);
    for (int t = 0; t < 2; ++t) rows.append(t, {1, static_cast<float>(t)});
    CHECK(rows.ratings() == Row{0, 0});
}

TEST_CASE("TriAttention says what is wrong with its numbers") {
    CHECK(TriAttention{.farthest = 0}.problem().find("farthest is 0") == 0);
    CHECK(TriAttention{.queries = 0}.problem().find("queries is 0") == 0);
    CHECK(CalibratedTriAttention{}.problem().find("query_heads or mean is empty") == 0);
    CHECK(CalibratedTriAttention{.query_heads = 2, .mean = {1, 2, 3}, .length = {1, 2}}.problem().find(
              "mean has 3 numbers") == 0);
    const CalibratedTriAttention one{.query_heads = 1, .mean = {1, 2}, .length = {1}};
    CHECK(one.problem().empty());
    msrnn::Lane<CalibratedTriAttention> beyond({.budget = 1, .query_heads = 1, .head_dim = 2}, one, {.layer = 1});
    const float keys[] = {1, 0, 2, 0};
    beyond.append(0);
    beyond.append(1);
    CHECK_THROWS_AS(beyond.evict(msrnn::Keys(keys, 2, 2)), msrnn_assertion_failed);
}

}  // namespace tri_attention_tests
