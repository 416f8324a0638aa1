#include <cmath>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/lane_of_rows.hpp"

namespace expected_attention_tests {

using Positions = std::vector<std::int64_t>;
using msrnn::ExpectedAttention;
using Row = std::vector<float>;

namespace {
/// A rotation so slow that it turns nothing.
const msrnn::Rope still{.frequencies = {0}};

/// No sinks; weights alone.
ExpectedAttention plain(bool covariance) {
    return {.sinks = 0, .future = 4, .covariance = covariance, .value_norm = false, .rotated = false, .rope = still};
}
/// Queries (2, 0) and (0, 0): mean (1, 0), variance 1 of the first number.
LaneOfRows<ExpectedAttention> two(const ExpectedAttention& policy) {
    LaneOfRows<ExpectedAttention> rows(4, policy);
    rows.append(0, {3, 1}, {0, 2}, {2, 0});
    rows.append(1, {-1, 0}, {0, 5}, {0, 0});
    return rows;
}
Row softmax(float a, float b) { return {1 / (1 + std::exp(b - a)), 1 / (1 + std::exp(a - b))}; }
}  // namespace

TEST_CASE("ExpectedAttention attends with the mean query") {
    const float root = std::sqrt(2.0f);
    CHECK(all_close(two(plain(false)).ratings(), softmax(3 / root, -1 / root), 1e-6, 0));
}

TEST_CASE("with the covariance a key counts that some queries look at, whichever way") {
    const float root = std::sqrt(2.0f);
    // k.C k / (2 head_dim) is 9 / 4 and 1 / 4: the divisor of C is the number of queries.
    CHECK(all_close(two(plain(true)).ratings(), softmax(3 / root + 2.25f, -1 / root + 0.25f), 1e-6, 0));
}

TEST_CASE("weights are multiplied by the length of the value, after epsilon is added") {
    ExpectedAttention policy = plain(false);
    policy.value_norm = true;
    policy.epsilon = 0.5f;
    const Row weights = two(plain(false)).ratings();
    CHECK(all_close(two(policy).ratings(), Row{(weights[0] + 0.5f) * 2, (weights[1] + 0.5f) * 5}, 1e-6, 0));
}

TEST_CASE("the first tokens are sinks: they stay, and neither their keys nor their queries count") {
    ExpectedAttention policy = plain(false);
    policy.sinks = 1;
    LaneOfRows<ExpectedAttention> rows(2, policy);
    rows.append(0, {9, 9}, {}, {-100, 0});
    rows.append(1, {1, 0}, {}, {1, 0});
    rows.append(2, {2, 0}, {}, {1, 0});
    CHECK(rows.evict() == Positions{1});
    CHECK(by_arrival::kept(rows.lane) == Positions{0, 2});
}

TEST_CASE("queries are turned back by their position, and forth by those to come") {
    ExpectedAttention policy = plain(false);
    policy.rotated = true;
    policy.future = 1;
    policy.rope.frequencies = {0.5};
    LaneOfRows<ExpectedAttention> rows(8, policy);
    const auto at = [](double position) {
        return Row{static_cast<float>(std::cos(position / 2)), static_cast<float>(std::sin(position / 2))};
    };
    // Before rotation every query is (1, 0): the one at position 23 will point as at(23) does.
    rows.append(10, at(23), {}, at(10));
    rows.append(22, at(22), {}, at(22));
    const Row cosines{1, std::cos(0.5f)};
    CHECK(all_close(rows.ratings(), softmax(cosines[0] / std::sqrt(2.0f), cosines[1] / std::sqrt(2.0f)), 1e-6, 0));
}

TEST_CASE("ExpectedAttention asks for the shape of its lane, and keeps less without the covariance") {
    CHECK_FALSE(msrnn::problem(ExpectedAttention{}, {.budget = 8}).empty());
    CHECK(msrnn::problem(ExpectedAttention{}, {.budget = 8, .query_heads = 4, .head_dim = 64}).empty());
    const msrnn::Shape shape{.query_heads = 4, .head_dim = 64};
    CHECK(ExpectedAttention{.covariance = false}.memory(shape).floats == 1 + 4 * 64 + 128);
    CHECK(ExpectedAttention{}.memory(shape).floats == 1 + 4 * (64 + 32 * 65) + 128 + 16 * 65);
    CHECK(ExpectedAttention{.future = 0}.problem().find("future is 0") == 0);
}

}  // namespace expected_attention_tests
