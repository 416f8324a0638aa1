#include <msrnn/msrnn.hpp>

int main() {
    const msrnn::Shape shape{.layers = 1, .query_heads = 2, .kv_heads = 1, .head_dim = 2};
    msrnn::State<msrnn::Tova> state(shape, {.budget = 2});
    const Eigen::VectorXf q = Eigen::VectorXf::Ones(4), k = Eigen::VectorXf::Ones(2), v = 3 * k;
    Eigen::VectorXf out(4);
    for (int position = 0; position < 5; ++position) state.step(0, position, q, k, v, out);
    return state.lane(0, 0).size() == 2 && out.isApproxToConstant(3) ? 0 : 1;
}
