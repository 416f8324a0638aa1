#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <msrnn/msrnn.hpp>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "support/catch.hpp"
#include "support/plain_attention.hpp"
#include "support/random.hpp"
#include "support/thrown_by.hpp"

namespace outputs_tests {

using namespace msrnn;

namespace {

/// Keeps the outputs that it is shown, by layer, KV head and arrival.
struct OutputsSeen {
    static constexpr const char* name = "outputs-seen";
    using All = std::map<std::tuple<std::size_t, std::size_t, Arrival>, std::vector<float>>;

    All* all = nullptr;
    Scope scope = Scope::kv_head;

    void observe(const Outputs& seen, Ratings rating) const {
        std::vector<float>& kept = (*all)[{rating.lane.layer, rating.lane.kv_head, rating.seen - 1}];
        for (std::size_t head = 0; head < seen.query_heads; ++head)
            kept.insert(kept.end(), seen(head).begin(), seen(head).end());
    }
};

std::vector<float> random_numbers(Random& random, std::size_t count) {
    std::vector<float> numbers(count);
    for (float& x : numbers) x = 2 * random.unit() - 1;
    return numbers;
}

/// The values of a KV head are narrower than its keys.
const Shape shape{.layers = 2, .query_heads = 6, .kv_heads = 2, .head_dim = 4, .value_dim = 3};
constexpr std::size_t outputs = 6 * 3;

/// What a lane is shown of a token's outputs: those of its heads, which lie side by side.
void check_shown(const OutputsSeen::All& all, Scope scope, std::size_t layer, Arrival arrival,
                 std::span<const float> out) {
    const std::size_t lanes = scope == Scope::layer ? 1 : shape.kv_heads, count = out.size() / lanes;
    for (std::size_t lane = 0; lane < lanes; ++lane) {
        const auto part = out.subspan(lane * count, count);
        REQUIRE(all.contains({layer, lane, arrival}));
        CHECK(std::equal(part.begin(), part.end(), all.at({layer, lane, arrival}).begin(),
                         all.at({layer, lane, arrival}).end()));
    }
}

}  // namespace

TEST_CASE("a policy is shown the outputs that the caller gets, of every token") {
    const Scope scope = GENERATE(Scope::kv_head, Scope::layer);
    const std::size_t chunk = GENERATE(std::size_t{64}, std::size_t{5}, std::size_t{1});
    INFO("scope " << name_of(scope) << ", chunk " << chunk);
    OutputsSeen::All all;
    Random random{3};
    State<OutputsSeen> state(shape, {.budget = 8}, {.all = &all, .scope = scope});
    constexpr std::size_t prompt = 12;
    for (std::size_t layer = 0; layer < 2; ++layer) {
        const auto q = random_numbers(random, prompt * 24), k = random_numbers(random, prompt * 8),
                   v = random_numbers(random, prompt * 6);
        std::vector<float> out(prompt * outputs);
        state.prefill(layer, 0, q, k, v, out, {.chunk = chunk});
        for (std::size_t t = 0; t < prompt; ++t)
            check_shown(all, scope, layer, t, std::span(out).subspan(t * outputs, outputs));
    }
    for (Arrival t = prompt; t < prompt + 6; ++t)
        for (std::size_t layer = 0; layer < 2; ++layer) {
            const auto q = random_numbers(random, 24), k = random_numbers(random, 8), v = random_numbers(random, 6);
            std::vector<float> out(outputs);
            if (t % 2 == 0) {
                state.step(layer, static_cast<std::int64_t>(t), q, k, v, out);
            } else {  // the second head first, and the first of them twice
                for (const std::size_t head : {1u, 1u, 0u})
                    state.attend(layer, head, static_cast<std::int64_t>(t), q, k, v, out);
                state.decide(layer, static_cast<std::int64_t>(t));
            }
            check_shown(all, scope, layer, t, out);
        }
}

TEST_CASE("a selector is shown the outputs of a prompt") {
    OutputsSeen::All all;
    Random random{4};
    State<Window> state(shape, {.budget = 8}, {});
    const auto q = random_numbers(random, 240), k = random_numbers(random, 80), v = random_numbers(random, 60);
    std::vector<float> out(10 * outputs);
    state.prefill(1, 0, q, k, v, out, Prefill::one_shot(), OutputsSeen{.all = &all, .scope = Scope::layer});
    for (std::size_t t = 0; t < 10; ++t)
        check_shown(all, Scope::layer, 1, t, std::span(out).subspan(t * outputs, outputs));
}

TEST_CASE("a policy of outputs is refused on rows that layers share: it would see the outputs of one of them") {
    Shape shared{.layers = 2, .query_heads = 2, .kv_heads = 1, .head_dim = 2};
    shared.each = shared.list();
    shared.each[1].reads = 0;
    CHECK(
        thrown_by([&] { State<Caote<>>(shared, {.budget = 8}); }) ==
        "msrnn: layer 0 shares rows with another, and its policy observes queries, outputs or single heads; give it a "
        "policy that observes Attention");
}

TEST_CASE("a state of CAOTE evicts the token without which its outputs move least") {
    constexpr std::size_t dim = 4, heads = 2, budget = 6;
    State<Caote<>> state({.layers = 1, .query_heads = heads, .kv_heads = 1, .head_dim = dim}, {.budget = budget});
    Random random{5};
    std::vector<std::vector<float>> keys, values;
    std::vector<std::size_t> kept;
    for (std::size_t t = 0; t < 60; ++t) {
        const auto q = random_numbers(random, heads * dim);
        keys.push_back(random_numbers(random, dim)), values.push_back(random_numbers(random, dim));
        std::vector<float> out(heads * dim);
        state.step(0, static_cast<std::int64_t>(t), q, keys[t], values[t], out);
        kept.push_back(t);
        if (kept.size() <= budget) continue;

        const auto attend = [&](std::size_t head, const std::vector<std::size_t>& tokens) {
            return plain_attention(
                       q.data() + head * dim, dim, tokens.size(), 0.5,
                       [&](std::size_t row) { return keys[tokens[row]].data(); },
                       [&](std::size_t row) { return values[tokens[row]].data(); })
                .out;
        };
        std::size_t least = 0;
        double least_moved = HUGE_VAL;
        for (std::size_t i = 0; i + 1 < kept.size(); ++i) {
            auto others = kept;
            others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
            double moved = 0;
            for (std::size_t head = 0; head < heads; ++head) {
                const auto before = attend(head, kept), after = attend(head, others);
                double squares = 0;
                for (std::size_t d = 0; d < dim; ++d) squares += (after[d] - before[d]) * (after[d] - before[d]);
                moved += std::sqrt(squares);
            }
            if (moved < least_moved) least = i, least_moved = moved;
        }
        kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(least));
        std::vector<std::size_t> positions;
        for (const auto& token : state.lane(0, 0).tokens())
            positions.push_back(static_cast<std::size_t>(token.position.value()));
        std::sort(positions.begin(), positions.end());
        REQUIRE(positions == kept);
    }
}

}  // namespace outputs_tests
