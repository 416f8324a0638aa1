// The cache positions of StreamingLLM: a key turns by its rank in the cache, not by its place in the text.
#include <cstdio>
#include <msrnn/msrnn.hpp>

Eigen::VectorXf last_output(long long first_position) {
    constexpr std::size_t width = 16;  // head_dim
    msrnn::State<msrnn::SinkWindow> state({.layers = 1, .query_heads = 1, .kv_heads = 1, .head_dim = width},
                                          {.budget = 64}, {.sinks = 4});
    const msrnn::Rotation<msrnn::HalfSplitPairs> rope(msrnn::rope_frequencies(width, /* theta */ 10000));
    Eigen::VectorXf q(width), k(width), out(width);
    for (int token = 0; token < 1000; ++token) {
        q.setConstant(0.01f * static_cast<float>(token % 7)), k.setConstant(0.02f * static_cast<float>(token % 11));
        const Eigen::VectorXf v = Eigen::VectorXf::LinSpaced(width, 0, static_cast<float>(token));

        const msrnn::Lane<msrnn::SinkWindow>& lane = state.lane(0, 0);
        rope({q.data(), width}, static_cast<double>(lane.size()));  // the newest token has the last rank
        const auto rank = [&](msrnn::Slot slot) {
            double earlier = 0;
            for (const msrnn::LaneToken other : lane.tokens())
                earlier += slot == lane.next() || other.arrival < lane.arrival(slot);
            return earlier;
        };
        state.step(0, first_position + token, q, k, v, out,
                   [&](msrnn::Slot slot, std::span<float> key) { rope(key, rank(slot)); });
    }
    return out;
}

int main() {
    const Eigen::VectorXf out = last_output(0), far = last_output(1'000'000'000);
    std::printf("a text at position 0 and one at 10^9: outputs %.3f and %.3f\n", static_cast<double>(out[15]),
                static_cast<double>(far[15]));
    return out == far ? 0 : 1;  // angles never grow beyond the budget
}
