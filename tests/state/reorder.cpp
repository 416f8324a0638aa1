#include <algorithm>
#include <cstddef>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <numeric>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/simple_policies.hpp"
#include "support/tokens.hpp"

namespace reorder_tests {

using namespace msrnn;

namespace {

constexpr Shape small{.layers = 2, .query_heads = 4, .kv_heads = 2, .head_dim = 4};
using Parents = std::vector<std::size_t>;
template <class P, class S = float>
using Beams = std::vector<State<P, S>>;

template <class Numbers>
void append(std::string& bytes, const Numbers& numbers) {
    if (numbers.size() > 0)
        bytes.append(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof numbers[0]);
}
/// Everything that can be seen of a state, in one string.
template <class P, class S>
std::string contents(const State<P, S>& state) {
    std::string bytes = std::to_string(state.reversible());
    for (const Lane<P>& lane : state.lanes()) {
        const LaneRecord record = lane.record();
        append(bytes, std::vector<std::size_t>{record.budget, record.seen, lane.evictions(), lane.next()});
        append(bytes, record.positions);
        append(bytes, record.arrivals);
        append(bytes, record.pinned);
        append(bytes, record.ratings);
        append(bytes, lane.victims());
    }
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer)
        for (std::size_t h = 0; h < state.shape().kv_heads; ++h) {
            const std::size_t rows = state.lane(layer, h).capacity();
            append(bytes, state.rows(layer, h).keys.first(rows));
            append(bytes, state.rows(layer, h).values.first(rows));
            append(bytes, state.rows(layer, h).keys.first_scales(rows));
            append(bytes, state.rows(layer, h).values.first_scales(rows));
        }
    return bytes;
}
template <class P, class S>
std::vector<std::string> contents(const Beams<P, S>& beams) {
    std::vector<std::string> all;
    for (const auto& beam : beams) all.push_back(contents(beam));
    return all;
}

template <class P, class S>
void steps(State<P, S>& state, int from, int to, std::uint64_t text) {
    Random random{text};
    for (int t = from; t < to; ++t)
        for (std::size_t layer = 0; layer < small.layers; ++layer) {
            Token token(small, random);
            state.step(layer, t, token.q, token.k, token.v, token.out);
        }
}
/// Beams that differ in text and length.
template <class P, class S = float>
Beams<P, S> beams_of(std::size_t count, const P& policy, Limits limits, std::size_t depth) {
    Beams<P, S> beams;
    for (std::size_t i = 0; i < count; ++i) {
        beams.emplace_back(small, limits, policy, Rollback{depth});
        steps(beams.back(), 0, 4 + static_cast<int>(i), 100 + i);
    }
    return beams;
}

/// The plain way: all beams copied aside, then each taken from its parent.
template <class P, class S>
void reorder_aside(Beams<P, S>& beams, const Parents& parent) {
    const Beams<P, S> old = beams;
    for (std::size_t i = 0; i < beams.size(); ++i) beams[i] = old[parent[i]];
}

std::size_t in_cycles(const Parents& parent) {
    std::size_t count = 0;
    for (std::size_t beam = 0; beam < parent.size(); ++beam) {
        std::size_t at = parent[beam];
        for (std::size_t i = 0; i < parent.size() && at != beam; ++i) at = parent[at];
        count += at == beam && parent[beam] != beam;
    }
    return count;
}

/// Reorders both ways, and sees that the beams are alike, go on alike and take back alike.
template <class P, class S>
void compare(Beams<P, S>& beams, const Parents& parent) {
    Beams<P, S> expected = beams;
    reorder_aside(expected, parent);
    reorder(beams, parent);
    CAPTURE(parent);
    REQUIRE(contents(beams) == contents(expected));
    for (std::size_t i = 0; i < beams.size(); ++i) {
        steps(beams[i], 50, 51, i);
        steps(expected[i], 50, 51, i);
    }
    REQUIRE(contents(beams) == contents(expected));
    for (auto* all : {&beams, &expected})
        for (auto& beam : *all) REQUIRE(beam.rollback(std::min<std::size_t>(2, beam.reversible())));
    REQUIRE(contents(beams) == contents(expected));
}

}  // namespace

TEST_CASE("every way that four beams can follow four beams is as if all had been copied aside") {
    for (const std::size_t depth : {0u, 3u}) {
        const Beams<H2O> start = beams_of(4, H2O{}, {.budget = 5}, depth);
        const auto before = contents(start);
        REQUIRE(std::set<std::string>(before.begin(), before.end()).size() == 4);
        std::size_t lists = 0, cyclic = 0;
        for (std::size_t list = 0; list < 256; ++list) {
            const Parents parent{list % 4, list / 4 % 4, list / 16 % 4, list / 64};
            Beams<H2O> beams = start;
            compare(beams, parent);
            ++lists;
            cyclic += in_cycles(parent) > 0;
        }
        CHECK(lists == 256);
        CHECK(cyclic == 256 - 125);  // of the 4^4 lists (4 + 1)^(4 - 1) have no cycle but beams that stay
    }
}

TEST_CASE("beams reordered again and again stay as if all had been copied aside, for every policy") {
    std::size_t cyclic = 0, lists = 0;
    for (const AnyPolicy& policy : simple_policies()) {
        Random random{lists};
        for (const std::size_t count : {1u, 2u, 3u, 5u, 8u, 12u}) {
            Beams<AnyPolicy> beams = beams_of(count, policy, {.budget = 6}, 2);
            for (int round = 0; round < 12; ++round, ++lists) {
                Parents parent(count);
                for (std::size_t& p : parent) p = random.below(count);
                if (round % 3 == 0) {  // a permutation, cut short to one cycle with trees on it every other time
                    std::iota(parent.begin(), parent.end(), 1);
                    parent.back() = round % 2 == 0 ? 0 : count / 2;
                }
                cyclic += in_cycles(parent) > 1;
                compare(beams, parent);
                for (std::size_t i = 0; i < count; ++i) steps(beams[i], 60, 62, random.next());
            }
        }
    }
    CHECK(lists == simple_policies().size() * 6 * 12);
    CHECK(cyclic > lists / 4);
}

TEST_CASE("rows of bytes are reordered with their scales") {
    Beams<Tova, std::int8_t> beams = beams_of<Tova, std::int8_t>(5, {}, {.budget = 4}, 1);
    compare(beams, {1, 2, 0, 2, 3});
    compare(beams, {4, 4, 1, 3, 0});
}

TEST_CASE("beams of other budgets and lengths are reordered all the same") {
    Beams<Tova> bounded = beams_of(4, Tova{}, {.budget = 6}, 2);
    bounded[0].set_budget(1, 0, 9);
    bounded[2].set_budget(0, 0, 3);
    Beams<Tova> whole = beams_of(4, Tova{}, {.budget = unbounded}, 2);
    steps(whole[1], 5, 140, 7);
    steps(whole[3], 7, 70, 8);
    for (const Parents& parent : {Parents{2, 0, 1, 2}, Parents{1, 1, 3, 0}, Parents{3, 2, 1, 0}}) {
        compare(bounded, parent);
        compare(whole, parent);
    }
}

TEST_CASE("no beams, one beam, and beams in a span") {
    Beams<Tova> none, one = beams_of(1, Tova{}, {.budget = 6}, 0), more = beams_of(4, Tova{}, {.budget = 6}, 0);
    reorder(none, Parents{});
    CHECK(none.empty());
    const auto before = contents(one), all = contents(more);
    reorder(one, Parents{0});
    CHECK(contents(one) == before);
    const Parents swapped{1, 0};
    reorder(std::span(more).subspan(1, 2), swapped);
    CHECK(contents(more) == std::vector{all[0], all[2], all[1], all[3]});
}

TEST_CASE("wrong parents are refused in a sentence, and no beam changes") {
    Beams<Tova> beams = beams_of(3, Tova{}, {.budget = 6}, 1);
    const auto before = contents(beams);
    const auto refusal = [&](const Parents& parent) -> std::string {
        try {
            reorder(beams, parent);
        } catch (const std::invalid_argument& error) {
            CHECK(contents(beams) == before);
            return error.what();
        }
        return "nothing was thrown";
    };
    CHECK(refusal({1, 0}) == "msrnn: 3 beams and 2 parents; give each beam one");
    CHECK(refusal({}) == "msrnn: 3 beams and 0 parents; give each beam one");
    CHECK(refusal({1, 0, 2, 2}) == "msrnn: 3 beams and 4 parents; give each beam one");
    CHECK(refusal({1, 0, 3}) == "msrnn: a beam's parent is 3 of 3 beams; they are counted from 0");
    CHECK(refusal({1, std::size_t{0} - 1, 2}) ==
          "msrnn: a beam's parent is 18446744073709551615 of 3 beams; they are counted from 0");
}

}  // namespace reorder_tests
