// One prompt, two continuations: a State is a value, and a copy goes its own way.
#include <cstdio>
#include <msrnn/msrnn.hpp>

int main() {
    const msrnn::Shape shape{.layers = 1, .query_heads = 2, .kv_heads = 2, .head_dim = 16};
    const auto advance = [](auto& state, int first, int last, float phase) {
        Eigen::VectorXf out(32);
        for (int position = first; position < last; ++position) {
            const float angle = phase * static_cast<float>(position);
            const auto row = Eigen::VectorXf::LinSpaced(32, angle, angle + 9).array().sin().matrix().eval();
            state.step(/* layer */ 0, position, row, row, row, out);
        }
        return out;
    };

    msrnn::State<msrnn::Tova> prompt(shape, {.budget = 24});
    advance(prompt, 0, 100, 0.3f);

    auto left = prompt, right = prompt;
    const Eigen::VectorXf one = advance(left, 100, 150, 0.3f);
    const Eigen::VectorXf other = advance(right, 100, 150, 0.7f);
    const Eigen::VectorXf again = advance(prompt, 100, 150, 0.3f);  // as if there had never been a copy

    std::printf("the copies differ by %g, copy and original by %g\n", static_cast<double>((one - other).norm()),
                static_cast<double>((one - again).norm()));
    return one != other && one == again ? 0 : 1;
}
