#include <msrnn/state/attend.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/plain_attention.hpp"
#include "support/random.hpp"

TEST_CASE("the kernel agrees with plain loops in double, for every shape and stride") {
    Random random{11};
    for (const std::size_t head_dim : {1u, 3u, 8u, 16u, 64u, 129u})
        for (const std::size_t n : {1u, 2u, 7u, 64u, 257u})
            for (const std::size_t heads : {1u, 3u, 8u}) {
                const std::size_t stride = head_dim + random.below(5), weight_stride = n + random.below(7);
                const auto number = [&] { return 4 * random.unit() - 2; };
                std::vector<float> keys(n * stride), values(n * stride), queries(heads * head_dim);
                for (auto* all : {&keys, &values, &queries})
                    for (float& x : *all) x = number();
                std::vector<float> weights(heads * weight_stride, -1), out(heads * head_dim);
                msrnn::attend(msrnn::RowsView<float>{keys.data(), stride},
                              msrnn::RowsView<float>{values.data(), stride}, n, head_dim, queries.data(), heads, 0.3f,
                              weights.data(), weight_stride, out.data());
                CAPTURE(head_dim, n, heads, stride, weight_stride);
                for (std::size_t h = 0; h < heads; ++h) {
                    const auto expected = plain_attention(
                        queries.data() + h * head_dim, head_dim, n, 0.3,
                        [&](std::size_t row) { return keys.data() + row * stride; },
                        [&](std::size_t row) { return values.data() + row * stride; });
                    const std::span<const float> row(weights.data() + h * weight_stride, n);
                    REQUIRE(all_close(row, expected.weights, 1e-6, 1e-5));
                    REQUIRE(all_close(std::span<const float>(out.data() + h * head_dim, head_dim), expected.out, 1e-5,
                                      1e-5));
                }
            }
}

TEST_CASE("large logits do not overflow the softmax") {
    std::vector<float> keys(64, -100), values(64, 3), query(64, 100), weights(64), out(64);
    keys[0] = 100;
    keys[1] = 99;
    values[0] = 1;
    const msrnn::RowsView<float> k{keys.data(), 1}, v{values.data(), 1};
    msrnn::attend(k, v, 64, 1, query.data(), 1, 1.0f, weights.data(), 64, out.data());
    CHECK(close(out[0], 1.0, 1e-6, 0));
    CHECK(close(weights[0], 1.0, 1e-6, 0));
}
