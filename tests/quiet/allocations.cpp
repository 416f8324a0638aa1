#include <atomic>
#include <cstdlib>
#include <memory>
#include <msrnn/msrnn.hpp>
#include <vector>

#include "quiet/counted.hpp"
#include "support/catch.hpp"
#include "support/known_policies.hpp"
#include "support/simple_policies.hpp"
#include "support/tokens.hpp"

// Stands in for the allocating functions of the C library and counts their calls: Eigen and operator new end here.
std::atomic<std::size_t> counted::allocations{0};
std::atomic<std::size_t> counted::largest{0};

namespace {
void count(std::size_t bytes) {
    ++counted::allocations;
    if (bytes > counted::largest) counted::largest = bytes;
}
}  // namespace

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t bytes) {
    count(bytes);
    return __libc_malloc(bytes);
}
void* calloc(std::size_t items, std::size_t bytes) {
    count(items * bytes);
    return __libc_calloc(items, bytes);
}
void* realloc(void* memory, std::size_t bytes) {
    count(bytes);
    return __libc_realloc(memory, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
    count(bytes);
    return __libc_memalign(alignment, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
    count(bytes);
    return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) {
    count(bytes);
    *memory = __libc_memalign(alignment, bytes);
    return *memory != nullptr ? 0 : 12;
}
}

namespace {
// A compiler may remove an allocation that is never used: clang 19 does.
void* volatile seen;

/// The same numbers again and again, in every layer.
template <class State>
void steps(State& state, Token& token, int from, int to) {
    for (int t = from; t < to; ++t)
        for (std::size_t layer = 0; layer < state.shape().layers; ++layer)
            state.step(layer, t, token.q, token.k, token.v, token.out);
}
}  // namespace

TEST_CASE("the counter counts: Eigen, new, aligned new and the C functions") {
    CHECK(allocations_of([] { seen = Eigen::VectorXf(100).data(); }) == 1);
    CHECK(allocations_of([] { seen = std::vector<int>(100).data(); }) == 1);
    CHECK(allocations_of([] { seen = std::vector<float, msrnn::CacheLineAllocator<float>>(100).data(); }) == 1);
    CHECK(allocations_of([] {
              seen = std::calloc(3, 7);
              std::free(seen);
          }) == 1);
    CHECK(allocations_of([] {}) == 0);
    CHECK(largest_allocation_of([] { seen = std::vector<char>(12345).data(); }) == 12345);
}

TEST_CASE("a steady step of a state allocates nothing") {
    for (const msrnn::AnyPolicy& policy : known_policies()) {
        const msrnn::Shape shape{.layers = 2, .query_heads = 8, .kv_heads = 2, .head_dim = 64};
        const std::size_t budget = budget_for(policy, 64);
        CAPTURE(policy.name(), budget);
        msrnn::State<msrnn::AnyPolicy> state(shape, {.budget = budget}, policy);
        Random random{1};
        Token token(shape, random);
        const int full = static_cast<int>(budget) + 36;
        steps(state, token, 0, full);
        CHECK(allocations_of([&] { steps(state, token, full, full + 400); }) == 0);
        CHECK(state.lane(0, 0).evictions() == 436);

        msrnn::State<msrnn::AnyPolicy> fork = state;
        CHECK(allocations_of([&] {
                  for (int t = 0; t < 100; ++t) fork.step(0, t, token.q, token.k, token.v, token.out);
              }) == 0);
    }
}

TEMPLATE_TEST_CASE("a steady step allocates nothing, whatever rows are stored as, turned or not", "", float,
                   Eigen::bfloat16, std::int8_t) {
    for (const msrnn::AnyPolicy& policy : simple_policies())
        for (const std::size_t head_dim : {64u, 80u}) {
            const msrnn::Shape shape{.layers = 2, .query_heads = 8, .kv_heads = 2, .head_dim = head_dim};
            msrnn::State<msrnn::AnyPolicy, TestType> state(shape, {.budget = 32}, policy);
            Random random{1};
            Token token(shape, random);
            const auto turn = [](msrnn::Slot, std::span<float> key) { key[0] = -key[0]; };
            const auto turned_steps = [&](int from, int to) {
                for (int t = from; t < to; ++t)
                    for (std::size_t layer = 0; layer < shape.layers; ++layer)
                        state.step(layer, t, token.q, token.k, token.v, token.out, turn);
            };
            CAPTURE(policy.name(), head_dim);
            steps(state, token, 0, 1);
            CHECK(allocations_of([&] { steps(state, token, 1, 150); }) == 0);
            CHECK(allocations_of([&] { turned_steps(150, 151); }) == shape.kv_heads);
            CHECK(allocations_of([&] { turned_steps(151, 300); }) == 0);
            CHECK(state.lane(0, 0).evictions() == 268);
        }
}

TEMPLATE_TEST_CASE("a steady step of layers that differ allocates nothing, rows that left the window included", "",
                   float, std::int8_t) {
    msrnn::Shape shape{.layers = 4, .query_heads = 4, .kv_heads = 2, .head_dim = 16, .window = 9};
    shape.each = shape.list();
    shape.each[3].reads = 0;
    shape.each[1] = {.query_heads = 8, .kv_heads = 1, .head_dim = 24, .value_dim = 16, .soft_cap = 5};
    shape.each[2].sinks = {1, 2, 3, 4};
    msrnn::State<msrnn::AnyPolicy, TestType> state(shape, {.budget = 32}, msrnn::H2O{});
    Random random{1};
    std::vector<Token> tokens;
    for (const msrnn::LayerShape& layer : shape.each) tokens.emplace_back(layer, random);
    tokens[3].k.clear(), tokens[3].v.clear();
    const auto steps = [&](int from, int to) {
        for (int t = from; t < to; ++t)
            for (std::size_t layer = 0; layer < shape.layers; ++layer)
                state.step(layer, t, tokens[layer].q, tokens[layer].k, tokens[layer].v, tokens[layer].out);
    };
    steps(0, 40);  // sums of layers that share rows grow with them
    CHECK(allocations_of([&] { steps(40, 150); }) == 0);
    CHECK(state.lane(2, 0).evictions() == 118);
}

TEST_CASE("a steady step of layers that decide as one allocates nothing") {
    const msrnn::Shape shape{.layers = 3, .query_heads = 8, .kv_heads = 2, .head_dim = 64};
    msrnn::State<msrnn::AnyPolicy> state(shape, {.budget = 32}, msrnn::Tova{.scope = msrnn::Scope::model});
    Random random{1};
    Token token(shape, random);
    steps(state, token, 0, 40);
    CHECK(allocations_of([&] { steps(state, token, 40, 150); }) == 0);
    CHECK(state.lane(2, 1).evictions() == 118);
}

TEST_CASE("a lane allocates nothing after its construction, bulk evictions and forks included") {
    for (const msrnn::AnyPolicy& policy : known_policies()) {
        const std::size_t budget = budget_for(policy, 64);
        CAPTURE(policy.name(), budget);
        msrnn::Lane<msrnn::AnyPolicy> lane({.budget = budget, .capacity = budget + 36, .query_heads = 4, .head_dim = 8},
                                           policy);
        msrnn::Lane<msrnn::AnyPolicy> fork = lane;
        const std::vector<float> weights(4 * lane.capacity(), 0.25f), key(8, 1.0f);
        const msrnn::Keys keys(key.data(), 0, key.size());
        const msrnn::Values values(key.data(), 0, key.size());
        CHECK(allocations_of([&] {
                  for (auto* one : {&lane, &fork})
                      for (int t = 0; t < 1000; ++t) {
                          one->append(t);
                          one->observe(msrnn::Attention{weights.data(), 4, one->extent(), one->extent()},
                                       msrnn::Query{weights.data(), 4, 8}, msrnn::Outputs{weights.data(), 4, 8}, keys,
                                       values);
                          if (t % 7 != 0) continue;
                          one->evict(keys, values);
                          one->compact([](msrnn::Move) {});
                      }
              }) == 0);
        CHECK(lane.evictions() > 900 - budget);
    }
}
