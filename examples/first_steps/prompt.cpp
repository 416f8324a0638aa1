// A prompt in an engine with its own rows: every token attends, one choice at the end, then decode steps. No Eigen.
#include <cstdio>
#include <msrnn/attend.hpp>
#include <msrnn/decide.hpp>
#include <vector>

int main() {
    constexpr std::size_t budget = 64, prompt = 300, head_dim = 16;
    msrnn::Lane<msrnn::Tova> lane(msrnn::Limits{.budget = budget, .capacity = prompt});  // rows for the whole prompt
    std::vector<float> keys(lane.capacity() * head_dim), values(keys.size()), weights(lane.capacity()), out(head_dim);
    const msrnn::AttentionSettings settings{.query_heads = 1, .head_dim = head_dim, .scale = 0.25f};

    const auto take = [&](msrnn::Position position) {
        const msrnn::Slot slot = lane.append(position);  // of an empty lane 0, 1, 2, ...
        for (std::size_t d = 0; d < head_dim; ++d)       // your model's key and value; here the position itself
            keys[slot * head_dim + d] = values[slot * head_dim + d] = static_cast<float>(position.value());
        const std::vector<float> query(head_dim, 0.001f);
        const msrnn::RowsView<float> k{keys.data(), head_dim}, v{values.data(), head_dim};
        msrnn::attend(k, v, lane.extent(), settings, query.data(), weights.data(), lane.capacity(), out.data());
        if (lane.observes()) lane.observe(weights.data(), /* query heads */ 1, /* stride */ lane.capacity());
    };

    lane.prompt(prompt);  // of its tokens the policy observes the last few: Tova one, H2O all
    for (std::size_t t = 0; t < prompt; ++t) take(t);
    const std::size_t evicted = lane.evict().size();
    lane.compact([&](msrnn::Move move) {  // rows [0, size()) are the live ones again
        for (std::vector<float>* rows : {&keys, &values})
            for (std::size_t d = 0; d < head_dim; ++d)
                (*rows)[move.to * head_dim + d] = (*rows)[move.from * head_dim + d];
    });
    for (std::size_t t = prompt; t < 400; ++t) take(t), lane.evict();

    std::printf("%zu of %zu prompt tokens evicted at once; %zu tokens kept\n", evicted, prompt, lane.size());
    bool right = evicted == prompt - budget && lane.size() == budget;
    for (const msrnn::LaneToken token : lane.tokens())  // each row is that of its token
        right = right && keys[token.slot * head_dim] == static_cast<float>(token.position.value());
    return right ? 0 : 1;
}
