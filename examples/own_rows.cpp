// An engine that keeps its rows as [token][kv_heads][head_dim] and lets the library attend to them where they are.
#include <cmath>
#include <msrnn/msrnn.hpp>
#include <vector>

int main() {
    constexpr std::size_t budget = 64, kv_heads = 2, group = 4, head_dim = 16, width = kv_heads * head_dim;
    msrnn::Lane<msrnn::Tova> lane(budget);  // one for the layer: all its heads evict the same token
    std::vector<Eigen::bfloat16> keys(lane.capacity() * width), values(keys.size());
    std::vector<float> queries(group * width, 0.1f), out(queries.size()), weights(kv_heads * group * lane.capacity());
    const msrnn::AttentionSettings settings{.query_heads = group, .head_dim = head_dim, .scale = 0.25f};

    for (int position = 0; position < 1000; ++position) {
        const msrnn::Slot slot = lane.append(position);
        for (std::size_t d = 0; d < width; ++d)
            keys[slot * width + d] = values[slot * width + d] =
                Eigen::bfloat16(std::sin(0.1f * static_cast<float>(d + 1) * static_cast<float>(position)));

        const msrnn::HeadsView<Eigen::bfloat16> k{keys.data(), /* token stride */ width, /* head stride */ head_dim};
        const msrnn::HeadsView<Eigen::bfloat16> v{values.data(), width, head_dim};
        msrnn::attend(k, v, kv_heads, lane.extent(), settings, queries.data(), weights.data(), lane.capacity(),
                      out.data());

        lane.observe(weights.data(), kv_heads * group, lane.capacity());
        lane.evict();
    }
    return lane.size() == budget && std::isfinite(out[0]) ? 0 : 1;
}
