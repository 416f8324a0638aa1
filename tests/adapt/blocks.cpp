#include <cmath>

#include "adapt/fed.hpp"
#include "support/assert_throws.hpp"
#include "support/by_arrival.hpp"
#include "support/catch.hpp"

namespace blocks_tests {

using namespace msrnn;

namespace {

constexpr std::size_t rows = 4, sinks = 4, recent = 8, most = 24;  // all multiples of a block, as OpenVINO demands

/// Sums that forget, so that blocks come and go. Half of a float is exact.
struct Forgets {
    Protection protection(std::size_t) const { return {.sinks = sinks, .recent = recent}; }
    void observe(const Attention& seen, Ratings rating) const {
        seen.sum([&](std::size_t slot, float weight) { rating[slot] = rating[slot] / 2 + weight; });
    }
};
Lane<Forgets> lane() { return Lane<Forgets>({.budget = most, .capacity = most + 16, .slack = rows - 1}); }

/// The weight of token `of` for the query of token `by`, in a layer; `levels` few make many ties.
float weight(std::size_t layer, std::int64_t by, std::int64_t of, std::size_t levels) {
    Random random{static_cast<std::uint64_t>(by * 100000 + of * 10) + layer};
    return static_cast<float>(random.below(levels)) / 16;
}

/// A layer by the words of cache_eviction.cpp: logical blocks, scores added up, blocks evicted when one is over.
struct OpenVino {
    struct Token {
        std::int64_t position;
        float score;
    };
    std::vector<Token> cache;

    std::vector<std::size_t> evict() {
        if (cache.size() <= most + rows - 1) return {};
        const std::size_t first = sinks / rows, end = cache.size() / rows - recent / rows;
        const std::size_t keep = (most - sinks - recent) / rows, count = end - first - keep;
        std::vector<std::size_t> gone;
        for (std::size_t i = 0; i < count; ++i) {
            std::size_t lowest = end;
            for (std::size_t block = first; block < end; ++block)
                if (std::ranges::count(gone, block) == 0 && (lowest == end || score(block) < score(lowest)))
                    lowest = block;
            gone.push_back(lowest);
        }
        std::ranges::sort(gone);
        for (std::size_t i = gone.size(); i-- > 0;)
            cache.erase(cache.begin() + static_cast<std::ptrdiff_t>(gone[i] * rows),
                        cache.begin() + static_cast<std::ptrdiff_t>((gone[i] + 1) * rows));
        return gone;
    }
    double score(std::size_t block) const {
        double sum = 0;
        for (std::size_t row = 0; row < rows; ++row) sum += double{cache[block * rows + row].score};
        return sum;
    }
    std::vector<std::int64_t> positions() const {
        std::vector<std::int64_t> all;
        for (const Token& token : cache) all.push_back(token.position);
        return all;
    }
};

template <class AnyLane>
void see(AnyLane& one, std::size_t layer, std::int64_t newest, std::size_t levels) {
    std::vector<float> weights(one.extent());
    for (const LaneToken token : one.tokens())
        weights[token.slot] = weight(layer, newest, token.position.value(), levels);
    one.observe(weights);
}

}  // namespace

TEST_CASE("lanes give up the blocks that OpenVINO's algorithm evicts, as many in every layer") {
    for (const std::size_t levels : {2u, 16u})
        for (const std::size_t chunk : {1u, 11u}) {
            CAPTURE(levels, chunk);
            std::vector<Lane<Forgets>> lanes(3, lane());
            std::vector<OpenVino> engine(3);
            Blocks blocks(rows);
            std::size_t evicted = 0, differ = 0;
            for (std::int64_t t = 0; t < 600;) {
                for (std::size_t token = 0; token < chunk; ++token, ++t)
                    for (std::size_t layer = 0; layer < 3; ++layer) {
                        lanes[layer].append(t);
                        see(lanes[layer], layer, t, levels);
                        engine[layer].cache.push_back({t, 0});
                        for (auto& held : engine[layer].cache)
                            held.score = held.score / 2 + weight(layer, t, held.position, levels);
                    }
                std::vector<std::vector<std::size_t>> expected, gone;
                for (OpenVino& layer : engine) expected.push_back(layer.evict());
                if (lanes[0].due()) {
                    for (auto& one : lanes) one.rate();
                    blocks.evict_equally(lanes, [&](auto& one, std::span<const std::size_t> its) {
                        gone.emplace_back(its.begin(), its.end());
                        close_gaps(one, [](RunMove) {});
                    });
                    evicted += gone[0].size();
                    differ += gone[0] != gone[1];
                } else {
                    gone.resize(3);
                }
                REQUIRE(gone == expected);
                for (std::size_t layer = 0; layer < 3; ++layer)
                    REQUIRE(by_arrival::positions(lanes[layer], by_arrival::slots(lanes[layer])) ==
                            engine[layer].positions());
            }
            CHECK(evicted * rows + lanes[0].size() == lanes[0].seen());
            CHECK(differ > 20);
        }
}

TEST_CASE("blocks that stay where they are hold the same tokens as blocks that are numbered anew") {
    Lane<Forgets> still = lane(), closed = lane();
    Blocks blocks(rows);
    Slot next(0);
    for (std::int64_t t = 0; t < 400; ++t) {
        if (next % rows == 0) {  // a pager gives out the first free block
            next = Slot(0);
            while (still.live(next)) next = Slot(next + rows);
        }
        still.append(t, next);
        next = Slot(next + std::size_t{1});
        closed.append(t);
        for (Lane<Forgets>* const one : {&still, &closed}) {
            std::vector<float> weights(one->extent(), NAN);
            for (const LaneToken token : one->tokens())
                weights[token.slot] = Random{static_cast<std::uint64_t>(1000 * t + token.position.value())}.unit();
            one->observe(weights);
            if (!one->due()) continue;
            one->rate();
            REQUIRE(blocks.due(*one) == 1);
            blocks.evict(*one, 1);
        }
        close_gaps(closed, [](RunMove) {});
        REQUIRE(by_arrival::kept(still) == by_arrival::kept(closed));
    }
}

TEST_CASE("of equal blocks the lower goes first, NaN before all, and blocks that are protected in part stay") {
    struct Given {
        std::vector<float> numbers;
        void rate(Ratings rating) const {
            for (std::size_t slot = 0; slot < rating.size(); ++slot) rating[slot] = numbers[slot];
        }
    };
    const auto gone = [](std::vector<float> numbers, std::size_t count) {
        Lane<Given> one({.budget = 4, .capacity = 12}, {std::move(numbers)});
        for (int t = 0; t < 11; ++t) one.append(t);
        CHECK(one.pin(Slot(5)));
        one.rate();
        Blocks pairs(2);
        CHECK(pairs.due(one) == 3);  // (11 - 4) / 2; block 2 is pinned in part, and row 10 is no block
        const auto blocks = pairs.evict(one, count);
        CHECK(one.victims().size() == 2 * count);
        return std::vector<std::size_t>(blocks.begin(), blocks.end());
    };
    using Numbers = std::vector<std::size_t>;
    CHECK(gone({1, 4, 2, 3, 0, 0, 5, 0, 9, 9, 0}, 1) == Numbers{0});
    CHECK(gone({1, 4, 2, 3, 0, 0, 5, 0, 9, 9, 0}, 2) == Numbers{0, 1});
    CHECK(gone({2, 4, 2, 3, 0, 0, 5, 0, 9, 9, 0}, 2) == Numbers{1, 3});
    CHECK(gone({2, 4, 2, 3, 0, 0, 5, 0, NAN, 9, 0}, 1) == Numbers{4});
    CHECK(gone({2, 4, INFINITY, NAN, 0, 0, 5, 0, 1, 1, 0}, 1) == Numbers{1});
}

TEST_CASE("what OpenVINO refuses is said in one sentence, and blocks of nothing are refused") {
    CHECK_THROWS_AS(Blocks(0), std::invalid_argument);
    CHECK(Blocks(4).problem(lane()).empty());
    CHECK(Blocks(5).problem(lane()) == "msrnn: budget is 24, not a multiple of a block of 5 rows; round it up");
    CHECK(Blocks(8).problem(lane()) == "msrnn: sinks is 4, not a multiple of a block of 8 rows; round it up");
    Lane<Protect<H2O>> odd({.budget = 24}, {H2O{.recent = 6}, {.sinks = 4}});
    CHECK(Blocks(4).problem(odd) == "msrnn: recent is 6, not a multiple of a block of 4 rows; round it up");
    Lane<Forgets> few = lane();
    few.append(0);
    CHECK_THROWS_AS(Blocks(4).evict(few, 1), msrnn_assertion_failed);
}

}  // namespace blocks_tests
