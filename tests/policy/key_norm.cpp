#include <array>
#include <cstddef>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <span>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"

namespace key_norm_tests {

using Positions = std::vector<std::int64_t>;

namespace {

/// A lane beside the rows of keys that an engine would own.
struct Rows {
    msrnn::Lane<msrnn::KeyNorm> lane;
    std::vector<std::array<float, 2>> keys = std::vector<std::array<float, 2>>(16);

    msrnn::Keys shown() const {
        return msrnn::Keys([this](msrnn::Slot slot) { return std::span<const float>(keys[slot]); });
    }
    Positions step(std::int64_t position, std::array<float, 2> key) {
        keys[lane.append(position)] = key;
        return by_arrival::positions(lane, lane.evict(shown()));
    }
};

}  // namespace

TEST_CASE("KeyNorm drops the largest norm: small norms stay") {
    Rows rows{msrnn::Lane<msrnn::KeyNorm>({.budget = 3}, {.recent = 1})};
    rows.step(0, {3, 4});    // 5
    rows.step(1, {0, -13});  // 13
    rows.step(2, {6, 8});    // 10
    CHECK(rows.step(3, {0, 1}) == Positions{1});
    CHECK(rows.step(4, {20, 0}) == Positions{2});
    CHECK(rows.step(5, {0, 0}) == Positions{4});
    CHECK(by_arrival::kept(rows.lane) == Positions{0, 3, 5});
}

TEST_CASE("KeyNorm rates a slot by the negative length of its key") {
    Rows rows{msrnn::Lane<msrnn::KeyNorm>(4)};
    rows.step(0, {3, -4});
    rows.lane.rate(rows.shown());
    CHECK(rows.lane.rating(by_arrival::slot_at(rows.lane, 0)) == -5.0f);
}

TEST_CASE("KeyNorm spares its recent window, half the budget unless told otherwise") {
    Rows rows{msrnn::Lane<msrnn::KeyNorm>(4)};
    CHECK(rows.lane.protection().recent == 2);
    CHECK(msrnn::scope_of(msrnn::KeyNorm{}) == msrnn::Scope::kv_head);
    for (std::int64_t t = 0; t < 4; ++t) rows.step(t, {1.0f + static_cast<float>(t), 0});
    CHECK(rows.step(4, {9, 0}) == Positions{2});  // of 1 2 3 | 4 9
}

TEST_CASE("KeyNorm without a window may drop the newest token, as the authors' code does") {
    Rows rows{msrnn::Lane<msrnn::KeyNorm>({.budget = 2}, {.recent = 0})};
    rows.step(0, {1, 0});
    rows.step(1, {2, 0});
    CHECK(rows.step(2, {3, 0}) == Positions{2});
}

TEST_CASE("KeyNorm evicts the earliest of equal ratings") {
    Rows rows{msrnn::Lane<msrnn::KeyNorm>({.budget = 3}, {.recent = 1})};
    rows.step(0, {1, 0});
    rows.step(1, {3, 4});
    rows.step(2, {-4, 3});
    CHECK(rows.step(3, {0, 5}) == Positions{1});
    CHECK(rows.step(4, {0, 5}) == Positions{2});
}

TEST_CASE("KeyNorm needs keys and no weights") {
    CHECK(msrnn::needs_of<msrnn::KeyNorm>().at_choice == msrnn::Keys::bit);
    CHECK(msrnn::needs_of<msrnn::KeyNorm>().at_observe == 0);
}

}  // namespace key_norm_tests
