#include <cstddef>
#include <limits>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <new>
#include <span>
#include <stdexcept>
#include <vector>

#include "quiet/counted.hpp"
#include "support/catch.hpp"
#include "support/policies.hpp"
#include "support/simple_policies.hpp"
#include "support/tokens.hpp"

namespace reorder_tests {

using namespace msrnn;

namespace {
constexpr Shape small{.layers = 2, .query_heads = 4, .kv_heads = 2, .head_dim = 16};

template <class P, class S>
void steps(State<P, S>& state, Token& token, int from, int to) {
    for (int t = from; t < to; ++t)
        for (std::size_t layer = 0; layer < small.layers; ++layer)
            state.step(layer, t, token.q, token.k, token.v, token.out);
}
}  // namespace

TEST_CASE("a steady step of a state with a history allocates nothing, and neither does taking it back") {
    for_every_policy([]<class P>(const P& policy) {
        State<P> state(small, {.budget = 16}, policy, {.tokens = 4});
        Random random{1};
        Token token(small, random);
        steps(state, token, 0, 40);
        bool taken_back = true;
        CHECK(allocations_of([&] {
                  for (int t = 40; t < 400; t += 6) {
                      steps(state, token, t, t + 6);
                      state.attend(1, 0, token.q, token.k, token.v, token.out);
                      taken_back = state.rollback(static_cast<std::size_t>(t % 5)) && taken_back;
                      taken_back = !state.rollback(5) && taken_back;
                  }
              }) == 0);
        CHECK(taken_back);
        CHECK(state.lane(0, 0).evictions() > 250);
    });
}

TEST_CASE("the first steps of a bounded state with a history allocate nothing") {
    State<H2O, std::int8_t> state(small, {.budget = 16}, {}, {.tokens = 4});
    Random random{1};
    Token token(small, random);
    CHECK(allocations_of([&] { steps(state, token, 0, 40); }) == 0);
}

TEST_CASE("beams that are alike are reordered without an allocation, whatever their parents") {
    for (const std::size_t depth : {0u, 3u})
        for (const AnyPolicy& policy : simple_policies()) {
            std::vector<State<AnyPolicy>> beams(4, State<AnyPolicy>(small, {.budget = 8}, policy, {.tokens = depth}));
            Random random{1};
            for (State<AnyPolicy>& beam : beams) {
                Token token(small, random);
                steps(beam, token, 0, 12);
            }
            CAPTURE(policy.name(), depth);
            CHECK(allocations_of([&] {
                      for (std::size_t list = 0; list < 256; ++list) {
                          const std::size_t parent[]{list % 4, list / 4 % 4, list / 16 % 4, list / 64};
                          reorder(beams, parent);
                      }
                  }) == 0);
            Token token(small, random);
            CHECK(allocations_of([&] { steps(beams[3], token, 12, 30); }) == 0);
        }
}

TEST_CASE("what is too large is refused before more than its sentence is allocated") {
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max(), huge = std::size_t{1} << 40;
    const auto refused = [](const Shape& shape, Limits limits) {
        bool thrown = false;
        const std::size_t bytes = largest_allocation_of([&] {
            try {
                State<Tova> state(shape, limits);
            } catch (const std::invalid_argument&) {
                thrown = true;
            } catch (const std::bad_alloc&) {
            }
        });
        CAPTURE(shape.layers, shape.query_heads, shape.kv_heads, shape.head_dim, limits.budget, limits.capacity);
        CHECK(thrown);
        CHECK(bytes < 4096);
    };
    refused({.layers = most, .query_heads = 2, .kv_heads = 2, .head_dim = 2}, {.budget = 8});
    refused({.layers = 2, .query_heads = most, .kv_heads = most, .head_dim = 2}, {.budget = 8});
    refused({.layers = 2, .query_heads = 2, .kv_heads = 2, .head_dim = most}, {.budget = 8});
    refused({.layers = huge, .query_heads = huge, .kv_heads = huge, .head_dim = 1}, {.budget = 8});
    refused(small, {.budget = most - 1});
    refused(small, {.budget = huge});
    refused(small, {.budget = unbounded, .capacity = most});
    refused(small, {.budget = 8, .capacity = huge});
    refused({.layers = 1000, .query_heads = 1000, .kv_heads = 1, .head_dim = 1000}, {.budget = (1u << 30) - 3});
    refused({.layers = huge, .query_heads = 1, .kv_heads = 1, .head_dim = 1}, {.budget = 0});
}

}  // namespace reorder_tests
