#include <array>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <span>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace protect_tests {

using Positions = std::vector<std::int64_t>;

TEST_CASE("Protect gives Tova its sinks: the paper's TOVA+4 drops the weakest of the others, the newest included") {
    msrnn::Lane<msrnn::Protect<msrnn::Tova>> lane({.budget = 6}, {.policy = {}, .extra = {.sinks = 4, .recent = 0}});
    for (std::int64_t t = 0; t < 6; ++t)
        by_arrival::step(lane, t, {std::vector<float>(static_cast<std::size_t>(t) + 1, 0.125f)});
    CHECK(by_arrival::step(lane, 6, {{0.0f, 0.0f, 0.0f, 0.0f, 0.5f, 0.25f, 0.25f}}) == Positions{5});
    CHECK(by_arrival::step(lane, 7, {{0.0f, 0.0f, 0.0f, 0.0f, 0.5f, 0.375f, 0.125f}}) == Positions{7});
    CHECK(by_arrival::kept(lane) == Positions{0, 1, 2, 3, 4, 6});
}

TEST_CASE("Protect gives Tova the rule of kvpress: the newest token stays, however little it is liked") {
    msrnn::Lane<msrnn::Protect<msrnn::Tova>> lane({.budget = 2}, {.policy = {}, .extra = {.sinks = 0, .recent = 1}});
    by_arrival::step(lane, 0, {{1.0f}});
    by_arrival::step(lane, 1, {{0.5f, 0.5f}});
    CHECK(by_arrival::step(lane, 2, {{0.5f, 0.375f, 0.125f}}) == Positions{1});
    CHECK(by_arrival::kept(lane) == Positions{0, 2});
}

TEST_CASE("Protect enlarges what a policy protects: of each number the larger counts, they are not added") {
    const msrnn::Protect<msrnn::H2O> more{.policy = {.recent = 3}, .extra = {.sinks = 2, .recent = 4}};
    const msrnn::Protect<msrnn::H2O> less{.policy = {.recent = 3}, .extra = {.sinks = 0, .recent = 1}};
    CHECK(msrnn::Lane<msrnn::Protect<msrnn::H2O>>({.budget = 8}, more).protection().sinks == 2);
    CHECK(msrnn::Lane<msrnn::Protect<msrnn::H2O>>({.budget = 8}, more).protection().recent == 4);
    CHECK(msrnn::Lane<msrnn::Protect<msrnn::H2O>>({.budget = 8}, less).protection().recent == 3);
}

TEST_CASE("Protect that adds nothing changes nothing") {
    Random random{8};
    msrnn::Lane<msrnn::Protect<msrnn::H2O>> wrapped({.budget = 8}, {.policy = {}, .extra = {.sinks = 0, .recent = 0}});
    msrnn::Lane<msrnn::H2O> plain(8);
    for (std::int64_t t = 0; t < 300; ++t) {
        wrapped.append(t);
        plain.append(t);
        std::vector<float> row(plain.size());
        for (float& weight : row) weight = random.unit();
        by_arrival::observe(wrapped, {row});
        by_arrival::observe(plain, {row});
        REQUIRE(by_arrival::positions(wrapped, wrapped.evict()) == by_arrival::positions(plain, plain.evict()));
    }
}

TEST_CASE("Protect shows keys to a policy that reads them") {
    msrnn::Lane<msrnn::Protect<msrnn::KeyNorm>> lane({.budget = 3},
                                                     {.policy = {.recent = 1}, .extra = {.sinks = 1, .recent = 0}});
    std::array<float, 4> keys{};
    for (const std::int64_t t : {0, 1, 2, 3}) {
        keys[lane.append(t)] = 10.0f - static_cast<float>(t);
        const auto victims = by_arrival::positions(lane, lane.evict(msrnn::Keys(keys.data(), 1, 1)));
        CHECK(victims == (t < 3 ? Positions{} : Positions{1}));
    }
}

TEST_CASE("Protect passes on what its policy needs and decides for") {
    CHECK(msrnn::scope_of(msrnn::Protect<msrnn::Tova>{}) == msrnn::Scope::layer);
    CHECK(msrnn::scope_of(msrnn::Protect<msrnn::Tova>{.policy = {.scope = msrnn::Scope::kv_head}, .extra = {}}) ==
          msrnn::Scope::kv_head);
    CHECK(msrnn::scope_of(msrnn::Protect<msrnn::H2O>{}) == msrnn::Scope::kv_head);
    CHECK(msrnn::needs_of<msrnn::Protect<msrnn::Tova>>() == msrnn::Needs{.at_observe = msrnn::Attention::bit});
    CHECK(msrnn::needs_of<msrnn::Protect<msrnn::KeyNorm>>() == msrnn::Needs{.at_choice = msrnn::Keys::bit});
    CHECK(msrnn::needs_of<msrnn::Protect<msrnn::Window>>() == msrnn::Needs{});
    CHECK(msrnn::facts_of(msrnn::Protect<msrnn::Tova>{}, {}, 4).observation_window == 1);
}

}  // namespace protect_tests
