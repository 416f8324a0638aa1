#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <msrnn/core/evidence.hpp>

namespace evidence_tests {

namespace {
/// Weights [heads][slots] in rows of `stride`, with rubbish between the rows.
std::vector<float> rows(std::size_t heads, std::size_t slots, std::size_t stride) {
    std::vector<float> weights(heads * stride, 1e9f);
    for (std::size_t h = 0; h < heads; ++h)
        for (std::size_t s = 0; s < slots; ++s) weights[h * stride + s] = static_cast<float>(100 * (h + 1) + s);
    return weights;
}
}  // namespace

TEST_CASE("the fold visits every slot once, in blocks and behind them, and skips what lies between the rows") {
    for (const std::size_t slots : {1u, 15u, 16u, 17u, 33u}) {
        const std::vector<float> weights = rows(3, slots, slots + 5);
        const msrnn::Attention seen{.weights = weights.data(), .query_heads = 3, .slots = slots, .stride = slots + 5};
        std::vector<float> sums(slots, -1), means(slots, -1);
        std::size_t visits = 0;
        seen.sum([&](std::size_t slot, float sum) { sums[slot] = sum, ++visits; });
        seen.mean([&](std::size_t slot, float mean) { means[slot] = mean; });
        CAPTURE(slots);
        REQUIRE(visits == slots);
        for (std::size_t s = 0; s < slots; ++s) {
            REQUIRE(sums[s] == static_cast<float>(600 + 3 * s));
            REQUIRE(means[s] == static_cast<float>(200 + s));
        }
    }
}

TEST_CASE("heads are added in their order, so that a sum has one value") {
    const std::vector<float> weights{1e8f, 1, -1e8f};
    const msrnn::Attention seen{.weights = weights.data(), .query_heads = 3, .slots = 1, .stride = 1};
    seen.sum([&](std::size_t, float sum) { CHECK(sum == (1e8f + 1) + -1e8f); });
    CHECK(seen.row(1).size() == 1);
    CHECK(seen.row(1)[0] == 1);
}

TEST_CASE("any number of heads is added one after the other, whatever the length of the rows") {
    Random random{5};
    for (std::size_t heads = 1; heads <= 11; ++heads)
        for (const std::size_t slots : {1u, 37u, 256u, 300u, 513u}) {
            const std::size_t stride = slots + 3;
            std::vector<float> weights(heads * stride);
            for (float& weight : weights) weight = random.unit() * (random.one_in(2) ? 1 : 1e6f);
            const msrnn::Attention seen{
                .weights = weights.data(), .query_heads = heads, .slots = slots, .stride = stride};
            std::vector<float> sums(slots, 1);
            seen.sum_into(sums, 0.5f);
            CAPTURE(heads, slots);
            for (std::size_t slot = 0; slot < slots; ++slot) {
                float sum = weights[slot];
                for (std::size_t head = 1; head < heads; ++head) sum += weights[head * stride + slot];
                REQUIRE(sums[slot] == 0.5f + sum);
            }
        }
}

}  // namespace evidence_tests
