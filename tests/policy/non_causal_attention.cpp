#include <cmath>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <msrnn/policy/non_causal_attention.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/lane_of_rows.hpp"

namespace non_causal_attention_tests {

using Positions = std::vector<std::int64_t>;
using msrnn::NonCausalAttention;
using Row = std::vector<float>;

namespace {
/// The average of three neighbours, 0 beyond the ends.
Row pooled(const Row& row) {
    Row list;
    for (std::size_t i = 0; i < row.size(); ++i)
        list.push_back(((i > 0 ? row[i - 1] : 0) + row[i] + (i + 1 < row.size() ? row[i + 1] : 0)) / 3);
    return list;
}
}  // namespace

TEST_CASE("NonCausalAttention sees the later tokens of a chunk too, and no other chunk, without a scale") {
    LaneOfRows<NonCausalAttention> rows(8, {.chunk = 2}, 1);
    rows.append(0, {0}, {1}, {2});
    rows.append(1, {1}, {1}, {0});
    rows.append(2, {5}, {1}, {0});
    rows.append(3, {5}, {3}, {0});
    // Query 0 has the logits 0 and 2, query 1 has 0 and 0; both of the second chunk see two equal keys.
    const float low = 1 / (1 + std::exp(2.0f)) + 0.5f;
    CHECK(all_close(rows.ratings(), pooled({low, 2 - low, 1, 3}), 1e-6, 0));
}

TEST_CASE("the mean over the query heads counts") {
    LaneOfRows<NonCausalAttention> rows(8, {.chunk = 2}, 1, 2);
    rows.append(0, {0}, {1}, {2, 0});
    rows.append(1, {1}, {1}, {0, 0});
    const float low = (1 / (1 + std::exp(2.0f)) + 0.5f + 1) / 2;
    CHECK(all_close(rows.ratings(), pooled({low, 2 - low}), 1e-6, 0));
}

TEST_CASE("a short last chunk is padded: padding takes weight and gives some") {
    LaneOfRows<NonCausalAttention> rows(8, {.chunk = 4}, 1);
    rows.append(0, {1}, {1}, {1});
    const float own = std::exp(1.0f) / (3 + std::exp(1.0f));
    CHECK(all_close(rows.ratings(), Row{(own + 0.75f) / 3}, 1e-6, 0));
}

TEST_CASE("chunks begin anew behind a choice, and what a token got before stays with it") {
    LaneOfRows<NonCausalAttention> rows(4, {.chunk = 3}, 1);
    for (int t = 0; t < 4; ++t) rows.append(t, {0}, {1});
    rows.ratings();
    rows.lane.evict_rated();
    rows.lane.prompt(3);
    for (int t = 4; t < 7; ++t) rows.append(t, {0}, {1});
    CHECK(all_close(rows.ratings(), pooled(Row(7, 1)), 1e-6, 0));
}

TEST_CASE("a chunk that a new prompt interrupts is dropped") {
    LaneOfRows<NonCausalAttention> rows(8, {.chunk = 2}, 1);
    rows.append(0, {0}, {1});
    rows.lane.prompt(2);
    rows.append(1, {0}, {1});
    rows.append(2, {0}, {1});
    CHECK(all_close(rows.ratings(), pooled({0, 1, 1}), 1e-6, 0));
}

TEST_CASE("NonCausalAttention may drop any token, and says what is wrong with a chunk of 0") {
    LaneOfRows<NonCausalAttention> rows(2, {.chunk = 3}, 1);
    for (int t = 0; t < 3; ++t) rows.append(t, {0}, {t == 0 ? 9.0f : 1.0f});
    CHECK(rows.evict() == Positions{2});
    CHECK(NonCausalAttention{.chunk = 0}.problem().find("chunk is 0") == 0);
    CHECK(NonCausalAttention{}.problem().empty());
}

}  // namespace non_causal_attention_tests
