#include <array>
#include <msrnn/decide.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"

namespace own_policy_tests {

namespace {
/// DESIGN's example of a policy of one's own.
struct KeepLoud {
    msrnn::Protection protection(std::size_t budget) const { return {.recent = budget / 2}; }
    void observe(const msrnn::Attention& seen, msrnn::Ratings rating) const {
        seen.sum([&](std::size_t slot, float weight) { rating[slot] = 0.5f * rating[slot] + weight; });
    }
};

/// Counts in a column of its own how often a slot was observed; rates by another column just before the choice.
struct LongestWatched {
    msrnn::Memory memory(msrnn::Shape) const { return {.columns = 2}; }
    void observe(const msrnn::Attention& seen, msrnn::Ratings rating) const noexcept {
        const auto count = rating.column(0), last = rating.column(1);
        seen.sum([&](std::size_t slot, float weight) { count[slot] += 1, last[slot] = weight; });
    }
    void rate(msrnn::Ratings rating) const noexcept {
        for (std::size_t slot = 0; slot < rating.size(); ++slot)
            rating[slot] = rating.column(0)[slot] + 0.001f * rating.column(1)[slot];
    }
};

/// Weighs attention by the length of the value row, as several methods do.
struct LoudValues {
    msrnn::Memory memory(msrnn::Shape) const { return {.columns = 1}; }
    void observe(const msrnn::Attention& seen, msrnn::Ratings rating) const {
        seen.sum([&](std::size_t slot, float weight) { rating.column(0)[slot] += weight; });
    }
    void rate(const msrnn::Values& value, msrnn::Ratings rating) const {
        rating.each([&](std::size_t slot) { rating[slot] = rating.column(0)[slot] * value(slot)[0]; });
    }
};

/// Drops the newest token.
struct Refusal {
    msrnn::Protection protection(std::size_t) const { return {}; }
    void rate(msrnn::Ratings rating) const {
        for (std::size_t slot = 0; slot < rating.size(); ++slot) rating[slot] = slot == rating.newest ? 0.0f : 1.0f;
    }
};

/// Writes down how many rows it observed for each choice.
struct Attentive {
    static inline std::vector<std::size_t> rows_at_choice = {};
    void observe(const msrnn::Attention&, msrnn::Ratings) const {}
    void rate(msrnn::Ratings rating) const { rows_at_choice.push_back(rating.rows); }
};

/// Says nothing at all.
struct Silent {
    [[maybe_unused]] static constexpr const char* name = "silent";
    void rate(msrnn::Ratings) const noexcept {}
};

std::vector<std::int64_t> kept(const auto& lane) {
    std::vector<std::int64_t> positions;
    for (std::size_t slot = 0; slot < lane.extent(); ++slot)
        if (lane.live(msrnn::Slot(slot))) positions.push_back(lane.position(msrnn::Slot(slot)).value());
    std::sort(positions.begin(), positions.end());
    return positions;
}

struct Final final {
    void observe(const msrnn::Attention& seen, msrnn::Ratings rating) const { seen.sum_into(rating.rating, 1); }
};

}  // namespace

TEST_CASE("a policy of three lines keeps moving") {
    msrnn::Lane<KeepLoud> lane(4);
    for (int t = 0; t < 100; ++t) {
        lane.append(t);
        const std::vector<float> flat(lane.extent(), 1.0f / static_cast<float>(lane.extent()));
        lane.observe(flat);
        lane.evict();
    }
    CHECK(lane.evictions() == 96);
    CHECK(kept(lane)[2] == 98);
    CHECK(kept(lane)[3] == 99);
}

TEST_CASE("columns start at zero for every token, move with compact and are the policy's own") {
    msrnn::Lane<LongestWatched> lane({.budget = 3, .capacity = 5});
    const auto step = [&](int position) {
        lane.append(position);
        const std::vector<float> flat(lane.extent(), 0.5f);
        lane.observe(flat);
    };
    for (int t = 0; t < 5; ++t) step(t);
    lane.evict();
    CHECK(kept(lane) == std::vector<std::int64_t>{0, 1, 4});  // 2 and 3 were watched least, 4 is the newest
    lane.compact([](msrnn::Move) {});
    CHECK(lane.extent() == 3);
    step(5);
    lane.evict();
    CHECK(kept(lane) == std::vector<std::int64_t>{0, 1, 5});
    for (std::size_t slot = 0; slot < lane.extent(); ++slot) {
        const bool newest = lane.position(msrnn::Slot(slot)).value() == 5;
        if (lane.live(msrnn::Slot(slot))) CHECK((lane.rating(msrnn::Slot(slot)) < 2) == newest);
    }
}

TEST_CASE("columns follow their token through compact and into more rows") {
    msrnn::Lane<LongestWatched> lane({.budget = 3, .capacity = 6});
    std::vector<float> weights;
    for (int t = 0; t < 6; ++t) {
        lane.append(t);
        weights.push_back(static_cast<float>(t) / 8);
        lane.observe(weights);
    }
    lane.evict(msrnn::Slot(0));
    lane.evict(msrnn::Slot(1));
    lane.compact([](msrnn::Move) {});
    lane.set_capacity(9);
    lane.evict();
    CHECK(lane.position(lane.victims()[0]).value() == 4);  // of 2 3 4 | 5 the least watched
    for (std::size_t slot = 0; slot < lane.extent(); ++slot) {
        const auto t = static_cast<double>(lane.position(msrnn::Slot(slot)).value());
        CHECK(close(static_cast<double>(lane.rating(msrnn::Slot(slot))), 6 - t + 0.001 * t / 8, 1e-6, 0));
    }
}

TEST_CASE("bytes() counts the columns of a policy, in whole cache lines") {
    const msrnn::Lane<LongestWatched> two({.budget = 31});
    const msrnn::Lane<Silent> none({.budget = 31});
    CHECK(two.bytes() == none.bytes() + 32 * 2 * sizeof(float));
}

TEST_CASE("a policy knows the slot of the newest token, even when compact has moved it") {
    msrnn::Lane<Refusal> lane({.budget = 2, .capacity = 4});
    for (int t = 0; t < 4; ++t) lane.append(t);
    lane.evict(msrnn::Slot(0));
    lane.compact([](msrnn::Move) {});
    lane.evict();
    CHECK(kept(lane) == std::vector<std::int64_t>{1, 2});
}

TEST_CASE("a policy may read values") {
    msrnn::Lane<LoudValues> lane(2);
    const std::array<float, 3> values{1, 10, 2};
    for (int t = 0; t < 3; ++t) {
        lane.append(t);
        lane.observe(std::vector<float>(lane.extent(), 1.0f));
    }
    // sums of weights are 3, 2, 1: times the values 3, 20, 2; the newest is protected by silence
    REQUIRE(lane.evict(msrnn::Values(values.data(), 1, 1)).size() == 1);
    CHECK(lane.position(lane.victims()[0]).value() == 0);
}

TEST_CASE("a policy that says nothing protects the newest and drops the oldest") {
    msrnn::Lane<Silent> lane(1);
    lane.append(10);
    lane.evict();
    lane.append(11);
    lane.evict();
    CHECK(kept(lane) == std::vector<std::int64_t>{11});
    CHECK_FALSE(lane.candidate(lane.append(12)));
    CHECK(msrnn::scope_of(Silent{}) == msrnn::Scope::kv_head);
}

TEST_CASE("after a rejected draft a policy knows the newest token that remains") {
    msrnn::Lane<Refusal> lane({.budget = 2, .capacity = 4});
    for (int t = 0; t < 4; ++t) lane.append(t);
    lane.evict(msrnn::Slot(3));
    lane.evict();
    CHECK(kept(lane) == std::vector<std::int64_t>{0, 1});
}

TEST_CASE("a policy knows how many rows it observed since the last choice") {
    msrnn::Lane<Attentive> lane(4);
    for (int t = 0; t < 8; ++t) {
        lane.append(t);
        lane.observe(std::vector<float>(lane.extent(), 0.25f));
        lane.evict();
    }
    CHECK(Attentive::rows_at_choice == std::vector<std::size_t>{5, 1, 1, 1});
}

TEST_CASE("columns stay with their tokens while memory grows") {
    msrnn::Lane<LongestWatched> grows({.budget = 2000}), reserved = grows;
    reserved.reserve(2001);
    for (auto* lane : {&grows, &reserved})
        for (int t = 0; t < 300; ++t) {
            lane->append(t);
            if (t == 60) lane->observe(std::vector<float>(lane->extent(), 0.5f));
        }
    CHECK(grows.record().columns == reserved.record().columns);
}

TEST_CASE("a policy may be final") {
    msrnn::Lane<Final> lane(4);
    for (int t = 0; t < 10; ++t) {
        lane.append(t);
        lane.observe(std::vector<float>(lane.extent(), 0.1f));
        lane.evict();
    }
    CHECK(lane.size() == 4);
}

}  // namespace own_policy_tests
