#include <cmath>
#include <cstddef>
#include <msrnn/budget/curve.hpp>
#include <msrnn/budget/head_pattern.hpp>
#include <msrnn/budget/lanes.hpp>
#include <msrnn/budget/pyramid.hpp>
#include <string>
#include <vector>

#include "budget/marked_lanes.hpp"
#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/random.hpp"
#include "support/thrown_by.hpp"

namespace tables_tests {

using namespace msrnn;

TEST_CASE("a pyramid falls in equal steps from the first layer to the last, and its mean is what was asked for") {
    const budget::Pyramid pyramid{.tokens = 4096, .mean = 1000, .window = 10, .beta = 20, .layers = 20};
    REQUIRE(pyramid.feasible());
    CHECK(pyramid(0) == 1950);
    CHECK(pyramid(1) == 1850);
    CHECK(pyramid(19) == 50);
    double sum = 0;
    for (std::size_t layer = 0; layer < 20; ++layer) sum += static_cast<double>(pyramid(layer));
    CHECK(sum == 20 * 1000);
    // The first layer cannot keep more than the tokens before the window: the last one gets what that leaves.
    const budget::Pyramid cut{.tokens = 1510, .mean = 1000, .window = 10, .beta = 20, .layers = 11};
    CHECK(cut(0) == 1500);
    CHECK(cut(5) == 1000);
    CHECK(cut(10) == 500);
    // No layer may keep less than its window.
    const budget::Pyramid flat{.tokens = 4096, .mean = 100.5, .window = 64, .beta = 20, .layers = 4};
    CHECK_FALSE(flat.feasible());
    for (std::size_t layer = 0; layer < 4; ++layer) CHECK(flat(layer) == 100);  // halves to even
}

TEST_CASE("a pyramid in whole numbers is that of KVCache-Factory") {
    const budget::PyramidInWholeNumbers large{.tokens = 16384, .capacity = 2048, .layers = 32};
    CHECK(large(0) == 3978 + 8);
    CHECK(large(31) == 103 + 8);
    const budget::PyramidInWholeNumbers small{.tokens = 4096, .capacity = 128, .layers = 32};
    std::size_t sum = 0;
    for (std::size_t layer = 0; layer < 32; ++layer) sum += small(layer) - 8;
    CHECK(sum == 4016);
    CHECK(budget::PyramidInWholeNumbers{.tokens = 100, .capacity = 128, .layers = 32}(5) == 100);
    CHECK(budget::PyramidInWholeNumbers{.tokens = 200, .capacity = 128, .layers = 32}(5) == 128);
}

TEST_CASE("a pyramid that makes no sense is refused") {
    CHECK(thrown_by([] { budget::Pyramid{.tokens = 9, .mean = 4}(0); }).find("layers is 0") != std::string::npos);
    CHECK(thrown_by([] { budget::Pyramid{.tokens = 9, .mean = 4, .beta = 0.5, .layers = 2}(0); }).find("beta is 0.5") !=
          std::string::npos);
    CHECK(thrown_by([] {
              budget::PyramidInWholeNumbers{.tokens = 9, .capacity = 8, .layers = 2}(0);
          }).find("capacity 8 does not exceed the window of 8") != std::string::npos);
    CHECK(thrown_by([] {
              budget::PyramidInWholeNumbers{.tokens = 9, .capacity = 9, .beta = 0, .layers = 2}(0);
          }).find("beta is 0") != std::string::npos);
}

TEST_CASE("budgets of a callable are set in every lane, or in none") {
    Random random{31};
    marked::Lanes made = marked::lanes({.lanes = 4, .held = {.sinks = 2, .recent = 3}}, random);
    budget::set_budgets(made.each, [](std::size_t layer, std::size_t kv_head) { return 20 + 10 * layer + kv_head; });
    CHECK(made.each[0].budget() == 20);
    CHECK(made.each[3].budget() == 31);
    CHECK_THROWS_AS(
        budget::set_budgets(made.each, [](std::size_t layer, std::size_t) { return layer == 1 ? std::size_t{4} : 50; }),
        std::invalid_argument);
    CHECK(made.each[0].budget() == 20);
    CHECK(thrown_by([&] { budget::set_budgets(made.each, [](int layer, int) { return layer == 0 ? 30 : -1; }); }) ==
          "msrnn: budget is -1; give at least 1 slot, or msrnn::unbounded");
    CHECK(made.each[0].budget() == 20);
    budget::set_budgets(made.each, [](int layer, int kv_head) { return static_cast<short>(40 + layer + 0 * kv_head); });
    CHECK(made.each[3].budget() == 41);
}

TEST_CASE("a head pattern is read from its text") {
    const auto pattern = budget::read_head_pattern("# scores\n0.25\t1.5e0\t-1\r\n\n  0.5 0.125\t.75");
    REQUIRE(pattern.problem.empty());
    CHECK(pattern.layers == 2);
    CHECK(pattern.kv_heads == 3);
    CHECK(pattern.scores == OwnVector<double>{0.25, 1, 0, 0.5, 0.125, 0.75});
    CHECK(pattern.score(1, 2) == 0.75);
    CHECK(budget::read_head_pattern("").problem.find("has no line") != std::string::npos);
    CHECK(budget::read_head_pattern("1\t2\n1").problem.find("line 2 of a head pattern has 1 numbers") !=
          std::string::npos);
    for (const char* wrong : {"0.5\tx", "0.5,0.5", "nan", "1 0x1"})
        CHECK(budget::read_head_pattern(wrong).problem.find("line 1") != std::string::npos);
}

TEST_CASE("DuoAttention gives the heads with the lowest scores a streaming budget") {
    const auto pattern = budget::read_head_pattern("0.9\t0.1\n0.2\t0.2\n0.8\t0.3");
    const budget::DuoAttention half(pattern, 0.5, 384);
    const std::size_t expected[3][2] = {{unbounded, 384}, {384, 384}, {unbounded, unbounded}};
    for (std::size_t layer = 0; layer < 3; ++layer)
        for (std::size_t head = 0; head < 2; ++head) CHECK(half(layer, head) == expected[layer][head]);
    const budget::DuoAttention two(pattern, 0.4, 384, 4096);  // 2.4 heads; of the equal ones the first
    CHECK(two(1, 0) == 384);
    CHECK(two(1, 1) == 4096);
    CHECK(thrown_by([&] { static_cast<void>(half(3, 0)); }).find("layer 3, KV head 0") != std::string::npos);
    CHECK(thrown_by([&] { budget::DuoAttention(pattern, 1.25, 384); }).find("share is 1.25") != std::string::npos);
    CHECK(thrown_by([&] { budget::DuoAttention(budget::read_head_pattern("x"), 0.5, 9); }).find("line 1") !=
          std::string::npos);
}

TEST_CASE("a curve's budgets are the nearest whole numbers that add up, layer by layer") {
    Random random{32};
    for (int round = 0; round < 100; ++round) {
        const std::size_t layers = 1 + random.below(4), heads = 1 + random.below(6), tokens = 1 + random.below(1000);
        std::vector<float> numbers(99 * layers * heads);
        for (float& x : numbers) x = static_cast<float>(random.below(270)) / 256;
        const std::size_t percent = 1 + random.below(99);
        const budget::Curve curve(numbers, layers, heads, static_cast<double>(percent) / 100, tokens);
        for (std::size_t layer = 0; layer < layers; ++layer) {
            std::vector<double> due;
            double sum = 0;
            for (std::size_t h = 0; h < heads; ++h) {
                const double gone = static_cast<double>(numbers[((percent - 1) * layers + layer) * heads + h]);
                due.push_back((1 - std::min(gone, 1.0)) * static_cast<double>(tokens));
                sum += due.back();
            }
            std::vector<double> budgets;
            double given = 0;
            for (const double d : due) budgets.push_back(std::floor(d)), given += std::floor(d);
            for (; given < std::nearbyint(sum); ++given) {
                std::size_t most = 0;
                for (std::size_t h = 1; h < heads; ++h)
                    if (due[h] - budgets[h] > due[most] - budgets[most]) most = h;
                ++budgets[most];
            }
            for (std::size_t h = 0; h < heads; ++h)
                REQUIRE(static_cast<double>(curve(layer, h)) == (given < static_cast<double>(heads)
                                                                     ? static_cast<double>(curve(layer, h))
                                                                     : std::max(1.0, budgets[h])));
        }
    }
}

TEST_CASE("a curve of the wrong size is refused, and none keeps all") {
    const std::vector<float> numbers(99 * 2 * 3, 0.5f);
    CHECK(thrown_by([&] { budget::Curve(numbers, 2, 4, 0.5, 10); }).find("has 594 numbers") != std::string::npos);
    CHECK(thrown_by([&] { budget::Curve(numbers, 2, 3, 1.5, 10); }).find("share is 1.5") != std::string::npos);
    const budget::Curve all(numbers, 2, 3, 0, 10), half(numbers, 2, 3, 0.5, 10);
    CHECK(all(1, 2) == 10);
    CHECK(half(1, 2) == 5);
    CHECK(thrown_by([&] { static_cast<void>(half(2, 0)); }).find("layer 2, KV head 0") != std::string::npos);
}

}  // namespace tables_tests
