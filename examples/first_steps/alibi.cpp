// ALiBi: a logit has slope * (position of the key - position of the query) added. One number more in each key says it.
#include <cmath>
#include <cstdio>
#include <msrnn/msrnn.hpp>

int main() {
    constexpr std::size_t head_dim = 16, wide = head_dim + 1;
    constexpr float slope = 0.125f, scale = 0.25f;
    msrnn::State<msrnn::H2O> state(
        {.layers = 1, .query_heads = 1, .kv_heads = 1, .head_dim = wide, .value_dim = head_dim, .scale = scale},
        {.budget = 64});
    const msrnn::Lane<msrnn::H2O>& lane = state.lane(0, 0);
    float largest = 0;
    for (int position = 0; position < 1000; ++position) {
        Eigen::VectorXf q = Eigen::VectorXf::Random(wide), k = Eigen::VectorXf::Random(wide), v = k.head(head_dim);
        Eigen::VectorXf out(head_dim), sums = Eigen::VectorXf::Zero(head_dim);
        q[head_dim] = slope / scale;  // times the distance below, times the scale: the bias

        float total = 0;
        const msrnn::Slot newest = lane.next();
        state.step(0, position, q, k, v, out, [&](msrnn::Slot slot, std::span<float> key) {
            const auto distance = slot == newest ? 0.0f : static_cast<float>(lane.position(slot).value() - position);
            key[head_dim] = distance;  // exact at every position: it is a difference

            const Eigen::Map<const Eigen::VectorXf> value(key.data(), head_dim);  // here the value is the key's own
            const float weight = std::exp(scale * q.head(head_dim).dot(value) + slope * distance);  // ALiBi as written
            total += weight, sums += weight * value;
        });
        largest = std::fmax(largest, (out - sums / total).cwiseAbs().maxCoeff());
    }
    std::printf("ALiBi as one more number of each key: outputs off by %.1e at most\n", static_cast<double>(largest));
    return largest < 1e-5f ? 0 : 1;
}
