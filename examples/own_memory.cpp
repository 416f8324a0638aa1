// An engine that owns its K/V memory: the lane says which row a token gets and which token is evicted. No Eigen.
#include <cmath>
#include <cstdio>
#include <msrnn/decide.hpp>
#include <vector>

int main() {
    constexpr std::size_t budget = 64, head_dim = 16;
    msrnn::Lane<msrnn::H2O> lane(budget);  // one per KV head; one per layer for Tova
    std::vector<float> keys(lane.capacity() * head_dim), weights(lane.capacity());

    for (int position = 0; position < 1000; ++position) {
        const msrnn::Slot slot = lane.append(position);
        for (std::size_t d = 0; d < head_dim; ++d)  // write the new K (and V) at row `slot`
            keys[slot * head_dim + d] = std::sin(0.1f * static_cast<float>(d + 1) * static_cast<float>(position));

        float sum = 0;  // attention over rows [0, extent()): here one query, the new key itself
        for (std::size_t row = 0; row < lane.extent(); ++row) {
            float dot = 0;
            for (std::size_t d = 0; d < head_dim; ++d) dot += keys[row * head_dim + d] * keys[slot * head_dim + d];
            sum += weights[row] = std::exp(dot);
        }
        for (float& weight : weights) weight /= sum;

        lane.observe(weights.data(), /* query heads */ 1, /* stride */ lane.capacity());
        for (const msrnn::Slot victim : lane.evict())  // the next append() reuses its row: nothing moves
            if (position >= 997)
                std::printf("position %lld is evicted\n", static_cast<long long>(lane.position(victim).value()));
    }
    return lane.size() == budget ? 0 : 1;
}
