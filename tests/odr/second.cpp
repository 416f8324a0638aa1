#include <cstddef>
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <msrnn/msrnn.hpp>
#include <vector>

std::size_t slots_after_a_few_steps() {
    const msrnn::Shape shape{.layers = 1, .query_heads = 1, .kv_heads = 1, .head_dim = 4};
    msrnn::State<msrnn::AnyPolicy> state(shape, {.budget = 2}, msrnn::AnyPolicy::named("window"));
    const std::vector<float> row(4, 1.0f);
    std::vector<float> out(4);
    for (int position = 0; position < 4; ++position) state.step(0, position, row, row, row, out);
    return state.lane(0, 0).size();
}
