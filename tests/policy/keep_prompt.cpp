#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <type_traits>
#include <vector>

#include "policy/keep_prompt.mirror.hpp"
#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/checked_by_formula.hpp"
#include "support/random.hpp"

namespace keep_prompt_tests {

using namespace msrnn;
using Positions = std::vector<std::int64_t>;

TEST_CASE("KeepPrompt rates and evicts as its formula says, over weights") { formula::check<KeepPrompt<H2O>>(); }
TEST_CASE("KeepPrompt rates and evicts as its formula says, over keys") { formula::check<KeepPrompt<KeyNorm>>(); }

namespace {

template <class P>
void prompt(Lane<P>& lane, std::int64_t first, std::size_t tokens) {
    lane.prompt(tokens);
    for (std::size_t t = 0; t < tokens; ++t) lane.append(first + static_cast<std::int64_t>(t)), lane.observe();
    lane.evict();
}
template <class P>
void generate(Lane<P>& lane, std::int64_t first, std::int64_t end) {
    for (std::int64_t t = first; t < end; ++t) lane.append(t), lane.observe(), lane.evict();
}

}  // namespace

TEST_CASE("the prompts of all turns stay, and what is generated between them is drawn") {
    Lane<KeepPrompt<RandomEviction>> lane({.budget = 12, .capacity = 20});
    prompt(lane, 0, 4);
    generate(lane, 4, 40);
    prompt(lane, 40, 4);
    generate(lane, 44, 90);
    const auto kept = by_arrival::kept(lane);
    CHECK(Positions(kept.begin(), kept.begin() + 4) == Positions{0, 1, 2, 3});
    for (const std::int64_t position : {40, 41, 42, 43})
        CHECK(std::find(kept.begin(), kept.end(), position) != kept.end());
    CHECK(kept.back() == 89);
    CHECK(kept.size() == 12);
}

TEST_CASE("the first and the last tokens of each prompt stay, a share of the budget each") {
    Lane<KeepPrompt<Window>> lane({.budget = 10, .capacity = 40}, {.policy = {}, .ends = 0.2f});
    prompt(lane, 0, 12);
    CHECK(by_arrival::kept(lane) == Positions{0, 1, 4, 5, 6, 7, 8, 9, 10, 11});
    generate(lane, 12, 40);
    CHECK(by_arrival::kept(lane) == Positions{0, 1, 10, 11, 34, 35, 36, 37, 38, 39});
    prompt(lane, 40, 8);
    CHECK(by_arrival::kept(lane) == Positions{0, 1, 10, 11, 40, 41, 44, 45, 46, 47});
    generate(lane, 48, 60);
    CHECK(by_arrival::kept(lane) == Positions{0, 1, 10, 11, 40, 41, 46, 47, 58, 59});
}

TEST_CASE("where prompts fill the budget the earliest token of them leaves, and nothing is refused") {
    Lane<KeepPrompt<Window>> lane({.budget = 4, .capacity = 16});
    prompt(lane, 0, 6);
    CHECK(by_arrival::kept(lane) == Positions{2, 3, 4, 5});
    generate(lane, 6, 8);
    CHECK(by_arrival::kept(lane) == Positions{3, 4, 5, 7});
}

namespace {
struct Adds {
    static constexpr const char* name = "adds";
    void rate(Ratings rating) const {
        rating.each([&](std::size_t slot) { rating[slot] += static_cast<float>(slot); });
    }
};
}  // namespace
TEST_CASE("the ratings of a policy that adds to them start from 0 inside a wrapper too") {
    Lane<KeepPrompt<Adds>> lane({.budget = 2});
    for (std::int64_t t = 0; t < 6; ++t) {
        lane.append(t), lane.observe(), lane.rate();
        for (const auto& token : lane.tokens()) CHECK(token.rating == static_cast<float>(token.slot));
        lane.evict_rated();
    }
}

TEST_CASE("a policy chosen at run time decides inside a wrapper as it does alone") {
    const auto alike = [](const auto& policy) {
        using P = std::remove_cvref_t<decltype(policy)>;
        Lane<KeepPrompt<P>> alone(10, {.policy = policy});
        Lane<KeepPrompt<AnyPolicy>> any(10, {.policy = policy});
        Random random{7};
        const auto both = [&](auto use) { use(alone), use(any); };
        std::vector<float> rows(22), weights;
        for (std::int64_t t = 0; t < 200; ++t) {
            if (t % 40 == 0) both([](auto& lane) { lane.prompt(3); });
            both([&](auto& lane) { lane.append(t); });
            for (float& x : rows) x = random.unit();
            weights.assign(any.extent(), 0);
            for (float& x : weights) x = random.unit();
            both([&](auto& lane) {
                lane.observe(Attention{weights.data(), 1, weights.size(), weights.size()});
                lane.evict(Keys(rows.data(), 2, 2));
            });
            REQUIRE(by_arrival::kept(alone) == by_arrival::kept(any));
        }
    };
    alike(H2O{});
    alike(Adds{});
    alike(KeyNorm{.recent = 1});
}

TEST_CASE("KeepPrompt says what is wrong with its settings, and with those of its policy") {
    CHECK(problem(KeepPrompt<Window>{.policy = {}, .ends = 0.75f}, {.budget = 8}) ==
          "msrnn: ends is 0.75; it must lie between 0 and 0.5, half of the budget for each end of a prompt");
    CHECK(problem(KeepPrompt<DecayedAttention>{.policy = {.decay = 2}}, {.budget = 8}) ==
          "msrnn: decay is 2; it must lie between 0 and 1");
}

}  // namespace keep_prompt_tests
