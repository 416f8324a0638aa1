// Learned sinks (gpt-oss) with a kernel that has none: one number more in each row, and one row that is no token.
#include <cmath>
#include <cstdio>
#include <msrnn/attend.hpp>
#include <vector>

int main() {
    constexpr std::size_t tokens = 50, head_dim = 15, wide = head_dim + 1, heads = 4;
    constexpr float scale = 0.25f;
    const std::vector<float> sinks{-1.0f, 0.0f, 2.5f, 4.0f};  // of each query head
    std::vector<float> keys((tokens + 1) * wide), values((tokens + 1) * head_dim), queries(heads * wide);
    for (std::size_t t = 0; t < tokens; ++t)
        for (std::size_t d = 0; d < head_dim; ++d)
            keys[t * wide + d] = values[t * head_dim + d] = std::sin(static_cast<float>(t * 7 + d));
    keys[tokens * wide + head_dim] = 1;  // the sink's row: 0 but here, and its value is 0
    for (std::size_t h = 0; h < heads; ++h) {
        for (std::size_t d = 0; d < head_dim; ++d) queries[h * wide + d] = std::cos(static_cast<float>(h * 3 + d));
        queries[h * wide + head_dim] = sinks[h] / scale;  // times the 1 above: its logit. Of a token: times 0
    }

    const msrnn::RowsView<float> k{keys.data(), wide}, v{values.data(), head_dim};
    msrnn::AttentionSettings settings{.query_heads = heads, .head_dim = wide, .value_dim = head_dim, .scale = scale};
    std::vector<float> weights(heads * (tokens + 1)), out(heads * head_dim), wanted(out.size());
    msrnn::attend(k, v, tokens + 1, settings, queries.data(), weights.data(), tokens + 1, out.data());
    settings.sinks = sinks.data();  // the library's own way, over the tokens alone
    msrnn::attend(k, v, tokens, settings, queries.data(), weights.data(), tokens + 1, wanted.data());

    float largest = 0;
    for (std::size_t i = 0; i < out.size(); ++i) largest = std::fmax(largest, std::fabs(out[i] - wanted[i]));
    std::printf("a sink as a row or as a setting: outputs differ by %.1e at most\n", static_cast<double>(largest));
    return largest < 1e-6f ? 0 : 1;
}
