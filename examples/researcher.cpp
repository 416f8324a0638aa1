// A decoder that owns no cache: the state stores keys and values, attends, and lets the policy evict one a step.
#include <cstdio>
#include <msrnn/msrnn.hpp>

int main() {
    const msrnn::Shape shape{.layers = 2, .query_heads = 8, .kv_heads = 2, .head_dim = 16};
    msrnn::State<msrnn::Tova> state(shape, {.budget = 64});

    Eigen::VectorXf q(8 * 16), k(2 * 16), v(2 * 16), out(8 * 16);
    for (int position = 0; position < 1000; ++position)
        for (std::size_t layer = 0; layer < shape.layers; ++layer) {
            q.setRandom(), k.setRandom(), v.setRandom();  // your model's projections, q and k rotated by `position`
            state.step(layer, position, q, k, v, out);    // out: what attention over at most 65 tokens gives
        }

    const msrnn::Lane<msrnn::Tova>& lane = state.lane(/* layer */ 1, /* kv_head */ 0);
    std::printf("%llu tokens seen, %zu kept, %llu evicted, %zu bytes\n", static_cast<unsigned long long>(lane.seen()),
                lane.size(), static_cast<unsigned long long>(lane.evictions()), state.bytes());
    return lane.size() == 64 ? 0 : 1;
}
