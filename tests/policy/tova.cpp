#include <cstddef>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <utility>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace tova_tests {

using Positions = std::vector<std::int64_t>;

TEST_CASE("Tova drops the newest token when the newest query likes it least, where kvpress would keep it") {
    msrnn::Lane<msrnn::Tova> lane(2);
    by_arrival::step(lane, 0, {{1.0f}});
    by_arrival::step(lane, 1, {{0.5f, 0.5f}});
    CHECK(by_arrival::step(lane, 2, {{0.5f, 0.3f, 0.2f}}) == Positions{2});
    CHECK(by_arrival::kept(lane) == Positions{0, 1});
}

TEST_CASE("Tova drops the first token when it is the least liked: it protects no sinks") {
    msrnn::Lane<msrnn::Tova> lane(2);
    by_arrival::step(lane, 0, {{1.0f}});
    by_arrival::step(lane, 1, {{0.5f, 0.5f}});
    CHECK(by_arrival::step(lane, 2, {{0.1f, 0.3f, 0.6f}}) == Positions{0});
}

TEST_CASE("Tova goes by the mean over query heads: the victim may be no head's own choice") {
    msrnn::Lane<msrnn::Tova> lane(2);
    by_arrival::step(lane, 0, {{1.0f}, {1.0f}});
    by_arrival::step(lane, 1, {{0.5f, 0.5f}, {0.5f, 0.5f}});
    lane.append(2);
    by_arrival::observe(lane, {{0.125f, 0.25f, 0.625f}, {0.625f, 0.25f, 0.125f}});
    CHECK(lane.rating(by_arrival::slot_at(lane, 0)) == 0.375f);
    CHECK(lane.rating(by_arrival::slot_at(lane, 1)) == 0.25f);
    CHECK(by_arrival::positions(lane, lane.evict()) == Positions{1});
}

TEST_CASE("Tova looks at the newest query only: what earlier queries liked is forgotten") {
    msrnn::Lane<msrnn::Tova> lane(2);
    by_arrival::step(lane, 0, {{1.0f}});
    by_arrival::step(lane, 1, {{0.99f, 0.01f}});
    CHECK(by_arrival::step(lane, 2, {{0.2f, 0.4f, 0.4f}}) == Positions{0});
}

TEST_CASE("Tova evicts the earliest of equal ratings, as argmin in the paper; topk in the code may drop any") {
    msrnn::Lane<msrnn::Tova> lane(512);
    std::vector<float> even;
    for (std::int64_t t = 0; t < 512; ++t) {
        even.push_back(1.0f);
        by_arrival::step(lane, t, {even});
    }
    even.push_back(1.0f);
    CHECK(by_arrival::step(lane, 512, {even}) == Positions{0});
    CHECK(by_arrival::step(lane, 513, {even}) == Positions{1});
}

TEST_CASE("Tova's ties go by arrival, not by slot: the slot of a victim is given to a newcomer") {
    msrnn::Lane<msrnn::Tova> lane(2);
    by_arrival::step(lane, 0, {{1.0f}});
    by_arrival::step(lane, 1, {{0.5f, 0.5f}});
    CHECK(by_arrival::step(lane, 2, {{0.0f, 0.5f, 0.5f}}) == Positions{0});
    lane.append(3);
    CHECK(by_arrival::slot_at(lane, 3) < by_arrival::slot_at(lane, 1));
    by_arrival::observe(lane, {{0.25f, 0.5f, 0.25f}});
    CHECK(by_arrival::positions(lane, lane.evict()) == Positions{1});
}

TEST_CASE("Tova cuts a prompt in one go by its last query, weakest first, and then keeps others than step by step") {
    const std::vector<std::vector<float>> queries = {
        {1.0f}, {0.9f, 0.1f}, {0.1f, 0.6f, 0.3f}, {0.5f, 0.3f, 0.15f, 0.05f}};
    msrnn::Lane<msrnn::Tova> at_once({.budget = 2, .capacity = 4});
    for (std::int64_t t = 0; t < 4; ++t) at_once.append(t);
    by_arrival::observe(at_once, {queries[3]});
    CHECK(by_arrival::positions(at_once, at_once.evict()) == Positions{3, 2});
    CHECK(by_arrival::kept(at_once) == Positions{0, 1});

    msrnn::Lane<msrnn::Tova> stepwise(2);
    by_arrival::step(stepwise, 0, {queries[0]});
    by_arrival::step(stepwise, 1, {queries[1]});
    CHECK(by_arrival::step(stepwise, 2, {queries[2]}) == Positions{0});
    CHECK(by_arrival::step(stepwise, 3, {{0.6f, 0.3f, 0.1f}}) == Positions{3});
    CHECK(by_arrival::kept(stepwise) == Positions{1, 2});
}

TEST_CASE("Tova decides the same however the query heads are ordered or grouped") {
    Random random{1};
    msrnn::Lane<msrnn::Tova> lane(9), shuffled(9);
    for (std::int64_t t = 0; t < 500; ++t) {
        lane.append(t);
        shuffled.append(t);
        std::vector<std::vector<float>> rows(8, std::vector<float>(lane.size()));
        for (auto& row : rows)
            for (float& weight : row) weight = static_cast<float>(random.below(1024)) / 1024.0f;
        by_arrival::observe(lane, rows);
        for (std::size_t h = rows.size(); h > 1; --h) std::swap(rows[h - 1], rows[random.below(h)]);
        by_arrival::observe(shuffled, rows);
        REQUIRE(by_arrival::positions(lane, lane.evict()) == by_arrival::positions(shuffled, shuffled.evict()));
    }
}

TEST_CASE("Tova decides for a layer unless asked to decide for each KV head") {
    CHECK(msrnn::scope_of(msrnn::Tova{}) == msrnn::Scope::layer);
    CHECK(msrnn::scope_of(msrnn::Tova{.scope = msrnn::Scope::kv_head}) == msrnn::Scope::kv_head);
}

}  // namespace tova_tests
