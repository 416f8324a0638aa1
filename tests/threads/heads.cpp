#include <barrier>
#include <cstring>
#include <msrnn/msrnn.hpp>
#include <thread>
#include <tuple>
#include <vector>

#include "support/catch.hpp"
#include "support/tokens.hpp"

// Also built alone, under the thread sanitizer: everything that attend() shares between heads would be a race here.
using namespace msrnn;

namespace {
using LaneKinds = std::tuple<Tova, H2O>;  // a lane for the layer, and one for each KV head

constexpr Shape shape{.layers = 1, .query_heads = 12, .kv_heads = 6, .head_dim = 20};
constexpr int tokens = 300;

std::vector<Token> text() {
    Random random{31};
    std::vector<Token> all;
    for (int t = 0; t < tokens; ++t) all.emplace_back(shape, random);
    return all;
}
/// Every third step shows attention a turned copy of its keys.
template <class P, class S>
void attend(State<P, S>& state, std::size_t head, int t, Token& token) {
    if (t % 3 == 2)
        state.attend(0, head, token.q, token.k, token.v, token.out, [](Slot, std::span<float> key) { key[0] *= 2; });
    else
        state.attend(0, head, token.q, token.k, token.v, token.out);
}

/// The heads of the layer by turns to each thread; the last to arrive decides.
template <class P, class S>
void run(State<P, S>& state, std::vector<Token>& all, std::size_t thread_count) {
    int t = 0;
    const auto decide = [&]() noexcept { state.decide(0, t++); };
    std::barrier attended(static_cast<std::ptrdiff_t>(thread_count), decide);
    const auto work = [&](std::size_t thread) {
        for (int own = 0; own < tokens; ++own) {
            for (std::size_t head = thread; head < shape.kv_heads; head += thread_count)
                attend(state, head, own, all[static_cast<std::size_t>(own)]);
            attended.arrive_and_wait();
        }
    };
    std::vector<std::thread> threads;
    for (std::size_t i = 1; i < thread_count; ++i) threads.emplace_back(work, i);
    work(0);
    for (std::thread& thread : threads) thread.join();
}

template <class P, class S>
void same_bits_on_every_number_of_threads(std::size_t budget) {
    std::vector<Token> expected = text();
    State<P, S> alone(shape, {.budget = budget}, {}, {.tokens = 3});
    run(alone, expected, 1);
    for (const std::size_t threads : {2u, 3u}) {
        std::vector<Token> all = text();
        State<P, S> state(shape, {.budget = budget}, {}, {.tokens = 3});
        run(state, all, threads);
        CAPTURE(threads);
        for (std::size_t t = 0; t < all.size(); ++t)
            REQUIRE(std::memcmp(all[t].out.data(), expected[t].out.data(), all[t].out.size() * sizeof(float)) == 0);
        for (std::size_t h = 0; h < shape.kv_heads; ++h) {
            REQUIRE(state.lane(0, h).evictions() == alone.lane(0, h).evictions());
            for (std::size_t s = 0; s < alone.lane(0, h).extent(); ++s)
                REQUIRE(state.lane(0, h).arrival(Slot(s)) == alone.lane(0, h).arrival(Slot(s)));
        }
    }
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("the heads of a layer attend on several threads with the bits of one", "", LaneKinds) {
    same_bits_on_every_number_of_threads<TestType, float>(40);
    same_bits_on_every_number_of_threads<TestType, std::int8_t>(40);
}

TEMPLATE_LIST_TEST_CASE("heads attend on several threads while an unbounded state grows", "", LaneKinds) {
    same_bits_on_every_number_of_threads<TestType, float>(unbounded);
}
