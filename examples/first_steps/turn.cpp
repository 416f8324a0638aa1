// Keys stored as they are before RoPE, and turned for each step: `turn` changes the copy that attention sees.
#include <cmath>
#include <cstdio>
#include <msrnn/msrnn.hpp>

int main() {
    constexpr std::size_t head_dim = 16;
    const msrnn::Shape shape{.layers = 1, .query_heads = 1, .kv_heads = 1, .head_dim = head_dim};
    msrnn::State<msrnn::Tova> turned(shape, {.budget = 64}), given(shape, {.budget = 64});
    const msrnn::Rotation<msrnn::HalfSplitPairs> rope(msrnn::rope_frequencies(head_dim, /* theta */ 10000));

    float largest = 0;
    for (int position = 0; position < 1000; ++position) {
        Eigen::VectorXf q = Eigen::VectorXf::Random(head_dim), k = Eigen::VectorXf::Random(head_dim), v = k;
        Eigen::VectorXf out(head_dim), expected(head_dim);
        rope({q.data(), head_dim}, position);

        const msrnn::Lane<msrnn::Tova>& lane = turned.lane(0, 0);
        const msrnn::Slot newest =
            lane.next();  // where this token's key will lie; its position is not known to the lane yet
        turned.step(0, position, q, k, v, out, [&](msrnn::Slot slot, std::span<float> key) {
            rope(key, slot == newest ? position : static_cast<double>(lane.position(slot).value()));
        });

        rope({k.data(), head_dim}, position);  // the usual way: the stored key is rotated
        given.step(0, position, q, k, v, expected);
        largest = std::max(largest, (out - expected).cwiseAbs().maxCoeff());
    }
    std::printf("keys turned at each step or once: outputs differ by %.1e at most\n", static_cast<double>(largest));
    return largest < 1e-5f ? 0 : 1;
}
