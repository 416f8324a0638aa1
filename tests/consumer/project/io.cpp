#include <msrnn/io.hpp>

int main() {
    const msrnn::Shape shape{.layers = 1, .query_heads = 2, .kv_heads = 1, .head_dim = 2};
    msrnn::State<msrnn::Tova> saved(shape, {.budget = 3}), loaded(shape, {.budget = 3});
    const Eigen::VectorXf q = Eigen::VectorXf::Ones(4), k = Eigen::VectorXf::Ones(2);
    Eigen::VectorXf v = k, out(4), again(4);
    for (int position = 0; position < 5; ++position, v *= 2) saved.step(0, position, q, k, v, out);

    std::vector<std::byte> bytes;
    if (!msrnn::save(saved, bytes).empty() || !msrnn::load(loaded, bytes).empty()) return 1;
    saved.step(0, 5, q, k, v, out);
    loaded.step(0, 5, q, k, v, again);
    return again == out ? 0 : 1;
}
