// One unit of a program that is compiled for two processors. RUN names its function.
#include <cstdint>
#include <cstdio>
#include <msrnn/msrnn.hpp>
#include <vector>

namespace {
using namespace msrnn;

struct Numbers {
    unsigned seed = 1;
    float operator()() { return static_cast<float>((seed = seed * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1; }
    void fill(std::vector<float>& numbers) {
        for (float& x : numbers) x = (*this)();
    }
};
double sum_of(const std::vector<float>& numbers) {
    double sum = 0;
    for (const float x : numbers) sum += static_cast<double>(x) * static_cast<double>(x);
    return sum;
}

/// Steps, prompts in every mode, rollback, budgets, forks; the sum of squares of all outputs.
template <class P, class Scalar>
double state() {
    const Shape shape{.layers = 2, .query_heads = 6, .kv_heads = 2, .head_dim = 52};
    State<P, Scalar> state(shape, {.budget = 40}, P{}, Rollback{.tokens = 4});
    std::vector<float> q(312), k(104), v(104), out(312), many_q(50 * 312), many_k(50 * 104), many_v(50 * 104),
        many(50 * 312);
    Numbers numbers;
    double sum = 0;
    for (int t = 0; t < 60; ++t) {
        numbers.fill(q), numbers.fill(k), numbers.fill(v);
        for (std::size_t layer = 0; layer < 2; ++layer) state.step(layer, t, q, k, v, out);
        sum += sum_of(out);
    }
    if (!state.rollback(2)) return 0;
    numbers.fill(many_q), numbers.fill(many_k), numbers.fill(many_v);
    for (const Prefill mode : {Prefill::one_shot(), Prefill::chunked(7), Prefill::per_token()}) {
        state.prefill(1, 100, many_q, many_k, many_v, many, mode);
        sum += sum_of(many);
    }
    State<P, Scalar> fork = state;
    fork.set_budget(0, 0, 36);
    fork.step(0, 200, q, k, v, out);
    fork.reset();
    return sum + sum_of(out);
}
double lane() {
    Lane<H2O> lane(8);
    std::vector<float> weights(16);
    Numbers numbers;
    for (int t = 0; t < 30; ++t) {
        lane.append(t);
        numbers.fill(weights);
        lane.observe({.weights = weights.data(), .query_heads = 1, .slots = lane.extent(), .stride = lane.extent()});
        lane.evict();
    }
    double sum = 0;
    for (std::size_t slot = 0; slot < lane.extent(); ++slot)
        sum += static_cast<double>(lane.position(Slot(slot)).value());
    return sum;
}
}  // namespace

double RUN() {
    return state<Tova, float>() + state<H2O, Eigen::bfloat16>() + state<SnapKV, Eigen::half>() +
           state<Tova, std::int8_t>() + lane();
}
