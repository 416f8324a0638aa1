// An engine with its own rows takes a prompt: every token attends, one choice at the end, then decode steps. No Eigen.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <msrnn/decide.hpp>
#include <vector>

int main() {
    constexpr std::size_t budget = 64, prompt = 300, head_dim = 16;
    msrnn::Lane<msrnn::Tova> lane(msrnn::Limits{.budget = budget, .capacity = prompt});  // rows for the whole prompt
    std::vector<float> keys(lane.capacity() * head_dim), values(keys.size()), weights(lane.capacity()), out(head_dim);
    const auto number = [](msrnn::Position position) { return std::sin(0.1f * static_cast<float>(position.value())); };

    const auto take = [&](msrnn::Position position) {
        const msrnn::Slot slot = lane.append(position);  // of an empty lane 0, 1, 2, ...: a prompt may attend in blocks
        std::fill_n(&keys[slot * head_dim], head_dim, number(position));  // your model's key and value
        std::fill_n(&values[slot * head_dim], head_dim, number(position));
        float sum = 0;  // attention over rows [0, extent()): the tokens so far, this one included, so it is causal
        for (std::size_t row = 0; row < lane.extent(); ++row)
            sum += weights[row] = std::exp(keys[row * head_dim] * keys[slot * head_dim]);
        std::fill(out.begin(), out.end(), 0.0f);
        for (std::size_t row = 0; row < lane.extent(); ++row) {
            weights[row] /= sum;
            for (std::size_t d = 0; d < head_dim; ++d) out[d] += weights[row] * values[row * head_dim + d];
        }
        lane.observe(weights.data(), /* query heads */ 1, /* stride */ lane.capacity());
    };

    lane.prompt(prompt);  // of its tokens the policy observes the last few: Tova one, H2O all
    for (std::size_t t = 0; t < prompt; ++t) take(t);
    const std::size_t evicted = lane.evict().size();
    lane.compact([&](msrnn::Move move) {
        for (std::vector<float>* rows : {&keys, &values})
            std::copy_n(&(*rows)[move.from * head_dim], head_dim, &(*rows)[move.to * head_dim]);
    });
    for (std::size_t t = prompt; t < 400; ++t) take(t), lane.evict();

    std::printf("%zu of %zu prompt tokens evicted at once; %zu tokens kept\n", evicted, prompt, lane.size());
    bool right = evicted == prompt - budget && lane.size() == budget;
    for (const msrnn::LaneToken token : lane.tokens())  // each row is that of its token
        right = right && keys[token.slot * head_dim] == number(token.position);
    return right ? 0 : 1;
}
