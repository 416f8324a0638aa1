// Beam search: each beam is a State, and reorder() lets the best texts go on from the beams that they extend.
#include <algorithm>
#include <cstdio>
#include <msrnn/msrnn.hpp>

struct Text {
    std::vector<int> words{0};
    float score = 0;
    std::size_t beam = 0;  // that it extends
};

int main() {
    const msrnn::Shape shape{.layers = 1, .query_heads = 1, .kv_heads = 1, .head_dim = 8};
    const auto scores_of_next = [](auto& beam, std::size_t position, int word) {
        const Eigen::VectorXf row = Eigen::VectorXf::LinSpaced(8, 0, static_cast<float>(3 * word + 1)).array().sin();
        Eigen::VectorXf out(8);
        beam.step(/* layer */ 0, position, row, row, row, out);
        return out;
    };
    std::vector beams(4, msrnn::State<msrnn::Tova>(shape, {.budget = 12}));
    std::vector<Text> best(1), longer;
    for (std::size_t position = 0; position < 60; ++position, longer.clear()) {
        for (std::size_t beam = 0; beam < best.size(); ++beam) {
            const Eigen::VectorXf scores = scores_of_next(beams[beam], position, best[beam].words.back());
            for (int next = 0; next < 8; ++next) {
                longer.push_back({best[beam].words, best[beam].score + scores[next], beam});
                longer.back().words.push_back(next);
            }
        }
        std::ranges::stable_sort(longer, {}, [](const Text& text) { return -text.score; });
        best.assign(longer.begin(), longer.begin() + 4);
        reorder(beams, std::vector{best[0].beam, best[1].beam, best[2].beam, best[3].beam});
    }
    msrnn::State<msrnn::Tova> alone(shape, {.budget = 12});  // the best text again, as if there had been no other
    float score = 0;
    for (std::size_t t = 0; t < 60; ++t) score += scores_of_next(alone, t, best[0].words[t])[best[0].words[t + 1]];
    std::printf("the best text scores %g, alone %g\n", static_cast<double>(best[0].score), static_cast<double>(score));
    return best[0].score == score ? 0 : 1;
}
