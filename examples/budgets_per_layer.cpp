// As PyramidKV gives them out, early layers more: a budget is a number, or a callable that is asked for each lane.
#include <cstdio>
#include <msrnn/msrnn.hpp>

int main() {
    const msrnn::Shape shape{.layers = 6, .query_heads = 4, .kv_heads = 2, .head_dim = 16};
    const auto pyramid = [](std::size_t layer, std::size_t /* kv_head */) { return 96 - 16 * layer; };
    msrnn::State<msrnn::H2O> state(shape, pyramid);

    Eigen::VectorXf q(4 * 16), k(2 * 16), v(2 * 16), out(4 * 16);
    for (int position = 0; position < 500; ++position)
        for (std::size_t layer = 0; layer < shape.layers; ++layer) {
            q.setRandom(), k.setRandom(), v.setRandom();
            state.step(layer, position, q, k, v, out);
        }

    std::size_t kept = 0;
    for (std::size_t layer = 0; layer < shape.layers; ++layer) {
        const std::size_t tokens = state.lane(layer, /* kv_head */ 0).size();
        std::printf("layer %zu keeps %zu tokens in each KV head\n", layer, tokens);
        kept += tokens;
    }
    state.set_budget(/* layer */ 0, /* kv_head */ 1, 64);  // and later, lane by lane
    return kept == 96 + 80 + 64 + 48 + 32 + 16 && state.lane(0, 1).size() == 64 ? 0 : 1;
}
