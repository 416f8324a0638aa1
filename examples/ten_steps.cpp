// An engine in ten steps, with the C++ library alone: prompt, decode, fork, rollback, save. .docs/pages/engine.md
// quotes it.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <msrnn/attend.hpp>
#include <msrnn/decide.hpp>
#include <vector>

constexpr std::size_t budget = 32, prompt = 100, group = 4, wide = 16;

/// One layer's rows of K and V, which are the engine's, and the lane that says what is in them.
struct Layer {
    // 1. A lane: one per KV head for H2O, one per layer for Tova. Rows for the prompt, which is longer than the budget.
    msrnn::Lane<msrnn::H2O> lane{msrnn::Limits{.budget = budget, .capacity = prompt}};
    // 2. Rows: as many as the lane has, in whatever order of dimensions you keep them.
    std::vector<float> keys = std::vector<float>(lane.capacity() * wide), values = keys;
    std::vector<float> weights = std::vector<float>(group * lane.capacity()), out = std::vector<float>(group * wide);

    void take(msrnn::Position position) {
        // 3. Append: the lane says which row is the new token's.
        const msrnn::Slot slot = lane.append(position);
        const float token = std::sin(static_cast<float>(position.value()));  // stands for your model's projections
        std::fill_n(&keys[slot * wide], wide, token);
        std::fill_n(&values[slot * wide], wide, token);
        const std::vector<float> queries(group * wide, token);
        // 4. Attend over the rows [0, extent()), with your kernel or with ours.
        const msrnn::AttentionSettings settings{.query_heads = group, .head_dim = wide, .scale = 0.25f};
        msrnn::attend(msrnn::RowsView<float>{keys.data(), wide}, msrnn::RowsView<float>{values.data(), wide},
                      lane.extent(), settings, queries.data(), weights.data(), lane.capacity(), out.data());
        // 5. Observe: the policy sees the softmax weights, one row for each query head.
        if (lane.observes()) lane.observe(weights.data(), group, lane.capacity());
    }
    void step(msrnn::Position position) {
        take(position);
        // 6. Evict: down to the budget. The next append() takes the victim's row, so nothing moves.
        lane.evict();
    }
    void read_prompt() {
        // 7. A prompt: all its tokens attend, one choice at the end, and the rows that are left close up.
        lane.prompt(prompt);
        for (std::size_t t = 0; t < prompt; ++t) take(t);
        lane.evict();
        lane.compact([&](msrnn::Move move) {
            for (std::vector<float>* rows : {&keys, &values})
                std::copy_n(&(*rows)[move.from * wide], wide, &(*rows)[move.to * wide]);
        });
    }
};

int main() {
    Layer layer;
    layer.read_prompt();
    for (std::size_t t = prompt; t < 200; ++t) layer.step(t);

    // 8. A fork: lane and rows are values.
    Layer other = layer;
    other.step(200);

    // 9. A rollback: keep a checkpoint and the row that the next token overwrites.
    const msrnn::LaneCheckpoint before = layer.lane.checkpoint();
    const std::size_t at = layer.lane.next() * wide;
    const std::vector<float> key(&layer.keys[at], &layer.keys[at] + wide),
        value(&layer.values[at], &layer.values[at] + wide);
    layer.step(999);  // a draft that the model then rejects
    layer.lane.restore(before);
    std::ranges::copy(key, &layer.keys[at]), std::ranges::copy(value, &layer.values[at]);
    layer.step(200);
    const bool undone = layer.out == other.out;

    // 10. Save and load: a record is plain numbers, for a file format of your own. Your rows go with it.
    const msrnn::LaneRecord record = layer.lane.record();
    Layer loaded;
    loaded.lane.restore(record);
    loaded.keys = layer.keys, loaded.values = layer.values;
    loaded.step(201), layer.step(201);
    const bool resumed = loaded.out == layer.out;

    std::printf("%zu tokens kept of %llu; undone: %s, resumed: %s\n", layer.lane.size(),
                static_cast<unsigned long long>(layer.lane.seen()), undone ? "yes" : "no", resumed ? "yes" : "no");
    return undone && resumed && layer.lane.size() == budget ? 0 : 1;
}
