// AdaKV while decoding: all heads of all layers share 256 slots, and memory goes where attention is spread.
#include <cstdio>
#include <msrnn/budget/shared_by_rating.hpp>
#include <msrnn/msrnn.hpp>

namespace {

constexpr std::size_t total = 256;
using State = msrnn::State<msrnn::DecayedAttention>;

void print(const State& state, int position) {
    std::printf("after %3d tokens ", position);
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer)
        for (std::size_t head = 0; head < state.shape().kv_heads; ++head)
            std::printf("%8zu", state.rows(layer, head).bytes());
    std::printf("\n");
}

}  // namespace

int main() {
    const msrnn::Shape shape{.layers = 2, .query_heads = 4, .kv_heads = 2, .head_dim = 16};
    // With slack, a step evicts nothing before the rule has seen the token of all layers.
    State state(shape, {.budget = 64, .slack = 1}, {.recent = 8});
    const auto share = [](auto lanes) { msrnn::budget::shared_by_rating(lanes, total); };

    std::printf("bytes of rows   %8s%8s%8s%8s\n", "0.0", "0.1", "1.0", "1.1");
    Eigen::VectorXf q(4 * 16), k(2 * 16), v(2 * 16), out(4 * 16);
    std::size_t kept = 0;
    for (int position = 0; position < 600; ++position) {
        for (std::size_t layer = 0; layer < shape.layers; ++layer) {
            q.setRandom(), k.setRandom(), v.setRandom();
            // One head in turn looks at few tokens, the others at many.
            const auto sharp = static_cast<std::size_t>(position) / 150 % 4;
            if (sharp / 2 == layer) q.segment(static_cast<Eigen::Index>(sharp % 2 * 32), 32) *= 8;
            state.step(layer, position, q, k, v, out);
        }
        state.share_out(share);
        if (position % 75 == 74) print(state, position + 1);
        kept = 0;
        for (const auto& lane : state.lanes()) kept += lane.size();
        if (position >= 64 && kept != total) return 1;
    }
    std::printf("%zu tokens in all heads together\n", kept);
    return kept == total ? 0 : 1;
}
