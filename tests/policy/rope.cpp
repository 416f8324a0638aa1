#include <msrnn/decide.hpp>
#include <msrnn/rope/rotation.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"

namespace rope_tests {

using msrnn::Rope;

namespace {
std::vector<float> turned(const Rope& rope, double position, float direction, const std::vector<float>& row) {
    std::vector<float> turn(2 * rope.count(row.size())), to(row.size());
    rope.at(position, turn, row.size());
    rope.apply(turn, direction, row, to);
    return to;
}
template <class Pairing>
std::vector<float> rotated(std::size_t rotary_dim, double theta, double position, std::vector<float> row) {
    msrnn::Rotation<Pairing>(msrnn::rope_frequencies(rotary_dim, theta))(row, position);
    return row;
}
const std::vector<float> row{1, -2, 3, 0.5f, -1, 4, 2};
}  // namespace

TEST_CASE("Rope turns a row as the library's rotation does, in halves and in neighbours, partly too, and back") {
    const Rope halves{.theta = 500, .rotary_dim = 6}, neighbours{.theta = 500, .pairs = Rope::Pairs::adjacent};
    const Rope part{.theta = 500, .rotary_dim = 4};
    for (const double at : {0.0, 1.0, 1000.0, -7.0}) {
        CHECK(all_close(turned(halves, at, 1, row), rotated<msrnn::HalfSplitPairs>(6, 500, at, row), 1e-6, 1e-6));
        CHECK(all_close(turned(neighbours, at, 1, row), rotated<msrnn::AdjacentPairs>(6, 500, at, row), 1e-6, 1e-6));
        CHECK(all_close(turned(part, at, 1, row), rotated<msrnn::HalfSplitPairs>(4, 500, at, row), 1e-6, 1e-6));
        CHECK(all_close(turned(part, at, -1, turned(part, at, 1, row)), row, 1e-6, 1e-6));
    }
}

TEST_CASE("a model's own frequencies take the place of theta, and pairs beyond the row are left out") {
    const Rope own{.rotary_dim = 2, .frequencies = {0.25, 0.5, 1, 2, 4}};
    CHECK(own.count(8) == 4);
    CHECK(own.count(100) == 5);
    const Rope by_theta{.theta = 16}, same{.frequencies = {1, 0.25}};
    CHECK(turned(by_theta, 3, 1, {1, 2, 3, 4}) == turned(same, 3, 1, {1, 2, 3, 4}));
}

TEST_CASE("the mean rotation is the mean of the rotations, where a pair stands still too") {
    const Rope rope{.frequencies = {1, 0.001, 0, 3}};
    std::vector<float> mean(8), one(8), sum(8);
    rope.mean_at(1000, 37, mean, 8);
    for (int position = 1000; position < 1037; ++position) {
        rope.at(position, one, 8);
        for (std::size_t i = 0; i < 8; ++i) sum[i] += one[i] / 37;
    }
    CHECK(all_close(mean, sum, 1e-5, 0));
}

TEST_CASE("Rope says what is wrong with its numbers, and tells lists of frequencies apart") {
    CHECK(Rope{.theta = 0}.problem().find("theta") == 0);
    CHECK(Rope{.rotary_dim = 3}.problem().find("rotary_dim is 3") == 0);
    CHECK(Rope{}.problem().empty());
    const std::vector<double> list{1, 2}, other{2, 1}, none;
    using Span = std::span<const double>;
    CHECK(Rope::digest_of(Span(list)) != Rope::digest_of(Span(other)));
    CHECK(Rope::digest_of(Span(none)) == 0);
}

TEST_CASE("the query to come stands behind the newest of the live tokens, wherever its text goes on") {
    struct Asks {
        void rate(msrnn::Ratings rating) const {
            rating.each([&](std::size_t s) { rating[s] = next(rating); });
        }
        static float next(const msrnn::Ratings& rating) {
            return static_cast<float>(msrnn::detail::next_position(rating));
        }
    };
    msrnn::Lane<Asks> lane(8);
    lane.append(50);
    lane.append(7);
    lane.append(9);
    lane.evict(msrnn::Slot(2));
    lane.rate();
    CHECK(lane.rating(msrnn::Slot(0)) == 8);
}

}  // namespace rope_tests
