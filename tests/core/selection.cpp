#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <msrnn/core/selection.hpp>

namespace selection_tests {

using msrnn::Candidates;
using msrnn::leaves_before;
using msrnn::weakest;

namespace {
constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr Candidates<std::int32_t> all{0, 1000};

std::size_t weakest_by_bits(const std::vector<float>& ratings, const std::vector<std::int32_t>& stamps,
                            Candidates<std::int32_t> candidates) {
    std::vector<std::uint64_t> bits((ratings.size() + 63) / 64);
    for (std::size_t slot = 0; slot < ratings.size(); ++slot)
        bits[slot / 64] |= std::uint64_t{candidates.contain(stamps[slot])} << slot % 64;
    return weakest<std::int32_t>(ratings, stamps.data(), bits);
}
std::size_t weakest_of(const std::vector<float>& ratings, const std::vector<std::int32_t>& stamps,
                       Candidates<std::int32_t> candidates = all) {
    const std::size_t few = weakest_by_bits(ratings, stamps, candidates);
    // Among so many slots that they are compared in packs, the same one.
    std::vector<float> more_ratings(100 + ratings.size(), not_a_number);
    std::vector<std::int32_t> more_stamps(more_ratings.size(), std::numeric_limits<std::int32_t>::max());
    for (const std::size_t first : {0u, 37u, 100u}) {
        const auto at = static_cast<std::ptrdiff_t>(first);
        std::copy(ratings.begin(), ratings.end(), more_ratings.begin() + at);
        std::copy(stamps.begin(), stamps.end(), more_stamps.begin() + at);
        const std::size_t found = weakest_by_bits(more_ratings, more_stamps, candidates);
        CHECK(found == (few == ratings.size() ? more_ratings.size() : first + few));
        std::fill(more_stamps.begin(), more_stamps.end(), std::numeric_limits<std::int32_t>::max());
    }
    return few;
}
}  // namespace

TEST_CASE("the lowest rating is chosen, of equals the earliest arrival") {
    CHECK(weakest_of({3, 1, 2}, {0, 1, 2}) == 1);
    CHECK(weakest_of({3, 1, 1}, {2, 1, 0}) == 2);
    CHECK(weakest_of({7, 7, 7}, {5, 4, 9}) == 1);
    CHECK(leaves_before(1, 9, 2, 0));
    CHECK(leaves_before(1, 0, 1, 9));
    CHECK_FALSE(leaves_before(1, 9, 1, 0));
}

TEST_CASE("minus zero equals zero, and infinities have their place") {
    CHECK(weakest_of({0.0f, -0.0f}, {0, 1}) == 0);
    CHECK(weakest_of({-0.0f, 0.0f}, {1, 0}) == 1);
    CHECK(weakest_of({inf, 1e30f, inf}, {0, 1, 2}) == 1);
    CHECK(weakest_of({inf, inf}, {1, 0}) == 1);
    CHECK(weakest_of({-1e30f, -inf}, {0, 1}) == 1);
}

TEST_CASE("NaN counts as the lowest rating, level with minus infinity") {
    CHECK(weakest_of({-1e30f, not_a_number, 0}, {0, 1, 2}) == 1);
    CHECK(weakest_of({-inf, not_a_number}, {0, 1}) == 0);
    CHECK(weakest_of({not_a_number, -inf}, {1, 0}) == 1);
    CHECK(leaves_before(not_a_number, 5, -1e30f, 0));
    CHECK_FALSE(leaves_before(0, 0, not_a_number, 5));
}

TEST_CASE("only candidates are chosen") {
    CHECK(weakest_of({0, 1, 2, 3}, {0, 1, 2, 3}, {1, 3}) == 1);
    CHECK(weakest_of({3, 2, 1, 0}, {0, 1, 2, 3}, {1, 3}) == 2);
    CHECK(weakest_of({3, 2, 1, 0}, {0, 1, 2, 3}, {2, 2}) == 4);
    CHECK(weakest_of({}, {}) == 0);
    const auto vacant = std::numeric_limits<std::int32_t>::max();
    CHECK(weakest_of({not_a_number, 1}, {vacant, 0}) == 1);
    CHECK(weakest_of({0, 1}, {vacant, vacant}) == 2);
}

TEST_CASE("the blocked scan finds what a plain loop finds, at every length") {
    Random random{7};
    std::size_t compared = 0;
    std::vector<std::size_t> lengths{255, 256, 257, 271, 272, 273, 519, 1000, 4097, 16383, 16384, 16385, 40000};
    for (std::size_t slots = 1; slots <= 70; ++slots) lengths.push_back(slots);
    for (const std::size_t slots : lengths)
        for (int round = 0; round < (slots <= 70 ? 40 : 6); ++round, ++compared) {
            std::vector<float> ratings(slots);
            std::vector<std::int32_t> stamps(slots);
            const std::array<float, 8> few{-inf, -1, -0.0f, 0, 0.5f, 1, inf, not_a_number};
            const bool low_ones_are_few = round % 2 != 0;
            for (float& x : ratings)
                x = few[low_ones_are_few && !random.one_in(100) ? 3 + random.below(4) : random.below(few.size())];
            for (std::size_t i = 0; i < slots; ++i) stamps[i] = static_cast<std::int32_t>(i);
            for (std::size_t i = slots; i > 1; --i) std::swap(stamps[i - 1], stamps[random.below(i)]);
            const auto first = static_cast<std::int32_t>(random.below(slots));
            const Candidates<std::int32_t> some{first, first + static_cast<std::int32_t>(random.below(slots))};

            std::size_t expected = slots;
            for (std::size_t i = 0; i < slots; ++i) {
                if (stamps[i] < some.first || stamps[i] >= some.end) continue;
                if (expected == slots ||
                    leaves_before(ratings[i], static_cast<msrnn::Arrival>(stamps[i]), ratings[expected],
                                  static_cast<msrnn::Arrival>(stamps[expected])))
                    expected = i;
            }
            CAPTURE(slots, round);
            REQUIRE(weakest_of(ratings, stamps, some) == expected);
        }
    CHECK(compared == 2878);
}

}  // namespace selection_tests
