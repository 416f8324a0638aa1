// Speculative decoding: append a draft of tokens, undo those that are not accepted, with their rows and ratings and
// all.
#include <cstdio>
#include <msrnn/msrnn.hpp>

int main() {
    constexpr int draft = 5;
    const msrnn::Shape shape{.layers = 2, .query_heads = 2, .kv_heads = 2, .head_dim = 16};
    const auto step = [](auto& state, int position, float phase) {
        Eigen::VectorXf out(32);
        const float angle = phase * static_cast<float>(position);
        const auto row = Eigen::VectorXf::LinSpaced(32, angle, angle + 9).array().sin().matrix().eval();
        for (std::size_t layer = 0; layer < 2; ++layer) state.step(layer, position, row, row, row, out);
        return out;
    };

    msrnn::State<msrnn::H2O> state(shape, {.budget = 24}, {}, {.tokens = draft});
    msrnn::State<msrnn::H2O> patient(shape, {.budget = 24});  // never sees a token that is not accepted
    int position = 0, drafted = 0, taken_back = 0;
    bool same = true;
    for (int round = 0; round < 40; ++round) {
        const int accepted = 1 + round * 7 % draft;
        for (int t = 0; t < draft; ++t) step(state, position + t, t < accepted ? 0.3f : 0.7f);
        same = state.rollback(static_cast<std::size_t>(draft - accepted)) && same;
        for (int t = 0; t < accepted; ++t) step(patient, position + t, 0.3f);

        position += accepted;
        drafted += draft;
        taken_back += draft - accepted;
        same = step(state, position, 0.3f) == step(patient, position, 0.3f) && same;
        ++position;
    }
    std::printf("%d tokens drafted, %d of them taken back; %s\n", drafted, taken_back,
                same ? "as if they had never come" : "and that was noticed");
    return same && taken_back > 0 ? 0 : 1;
}
