#include <cmath>
#include <cstring>

#include "adapt/fed.hpp"
#include "support/assert_throws.hpp"
#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/simple_policies.hpp"

namespace ranks_tests {

using namespace msrnn;

namespace {

constexpr std::size_t budget = 16;

/// Ranks one after the other. Each runs twice: a copy of it ends when it has given its numbers to the reduction; then
/// all get the sum, added in the order of the ranks. `run(rank, number, reduce)` makes one reduction.
struct Given {};
template <class Rank, class Run>
void on_all(std::vector<Rank>& ranks, Run run) {
    std::vector<float> sum;
    for (std::size_t r = 0; r < ranks.size(); ++r) {
        Rank copy = ranks[r];
        const auto give = [&](float* numbers, std::size_t count) {
            if (r == 0) sum.assign(count, -0.0f);
            REQUIRE(count == sum.size());
            for (std::size_t i = 0; i < count; ++i) sum[i] += numbers[i];
            throw Given{};
        };
        CHECK_THROWS_AS(run(copy, r, give), Given);
    }
    for (std::size_t r = 0; r < ranks.size(); ++r)
        run(ranks[r], r,
            [&](float* numbers, std::size_t count) { std::memcpy(numbers, sum.data(), count * sizeof(float)); });
}

struct TensorRank {
    Lane<AnyPolicy> lane;
    Parts parts;
    RankWeights weights;
};
struct SequenceRank {
    Fed fed;
    RankWeights weights;
    RankVictims victims;
};

bool same_bits(std::span<const float> a, std::span<const float> b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

/// Whether the tokens that lie here have the same ratings in both.
template <class Here>
bool rated_alike(const Lane<AnyPolicy>& a, const Lane<AnyPolicy>& b, Here here) {
    for (const LaneToken token : a.tokens())
        if (here(token.slot) && token.rating != b.rating(token.slot)) return false;
    return true;
}

/// 500 tokens of a layer with 12 query heads, on one rank and on several.
void tensor_parallel(const AnyPolicy& policy, std::size_t count, std::size_t heads, bool exact) {
    Lane<AnyPolicy> alone({.budget = budget, .query_heads = heads}, policy);
    std::vector<TensorRank> ranks(count, {alone, {}, {}});
    Random random{count};
    for (std::int64_t t = 0; t < 500; ++t) {
        alone.append(t);
        const std::size_t slots = alone.extent(), each = heads / count;
        std::vector<float> all(heads * slots);
        for (float& weight : all)
            weight = exact ? static_cast<float>(random.below(256)) / 256 : random.unit();  // sums are exact, or are not
        alone.observe(all);
        const std::vector<std::int64_t> gone = by_arrival::positions(alone, alone.evict());
        for (TensorRank& rank : ranks) rank.lane.append(t);
        on_all(ranks, [&](TensorRank& rank, std::size_t r, auto reduce) {
            rank.parts.start(slots);
            for (std::size_t head = r * each; head < (r + 1) * each; ++head)
                rank.parts.add(
                    {.weights = all.data() + head * slots, .query_heads = 1, .slots = slots, .stride = slots});
            const Attention seen = rank.weights.sum(rank.parts.whole(), reduce);
            REQUIRE(seen.query_heads == heads);
            rank.lane.observe(seen);
            rank.lane.evict();
        });
        for (const TensorRank& rank : ranks) {
            REQUIRE(by_arrival::positions(rank.lane, rank.lane.victims()) == gone);
            REQUIRE(same_bits(rank.lane.ratings(), alone.ratings()));
        }
    }
}

}  // namespace

TEST_CASE("tensor-parallel lanes evict at every step what a lane with all heads evicts, with the same bits") {
    for (const AnyPolicy& policy : {AnyPolicy(Tova{}), AnyPolicy(H2O{}), AnyPolicy(DecayedAttention{})})
        for (const std::size_t count : {1u, 2u, 3u, 4u}) {
            CAPTURE(policy.name(), count);
            tensor_parallel(policy, count, 12, true);      // whatever the order of addition
            tensor_parallel(policy, count, count, false);  // a head a rank: the order of one lane
        }
}

TEST_CASE("sequence-parallel lanes evict at every step what one lane evicts, each rating its own slots") {
    for (const AnyPolicy& policy : simple_policies()) {
        if (std::string(policy.name()) == "snap-kv") continue;  // looks at neighbours
        for (const std::size_t count : {1u, 2u, 3u, 4u})
            for (const std::size_t slack : {0u, 7u}) {
                CAPTURE(policy.name(), count, slack);
                Fed alone = fed(policy, budget, slack);
                std::vector<SequenceRank> ranks(count, {alone, {}, {}});
                for (std::int64_t t = 0; t < 500; ++t) {
                    alone.lane.append(t);
                    alone.see(t);
                    const std::vector<std::int64_t> gone = by_arrival::positions(alone.lane, alone.evict());
                    const auto here_of = [&](std::size_t r) {
                        return [=](Slot slot) { return slot / 3 % count == r; };
                    };
                    for (std::size_t r = 0; r < count; ++r) {
                        Fed& own = ranks[r].fed;
                        own.lane.append(t);
                        std::vector<float> weights = alone.weights;
                        for (const LaneToken token : own.lane.tokens())
                            if (!here_of(r)(token.slot)) weights[token.slot] = 0;
                        const auto read = own.row();
                        own.lane.observe(
                            Attention{
                                .weights = weights.data(), .query_heads = 1, .slots = weights.size(), .stride = 0},
                            own.query_of(t), Keys(read), Values(read));
                    }
                    if (!ranks[0].fed.lane.due()) {
                        for (std::size_t r = 0; r < count; ++r)
                            ranks[r].victims.evict(
                                ranks[r].fed.lane, here_of(r), {r, count},
                                [](float*, std::size_t) { FAIL("nothing to reduce"); }, Keys(ranks[r].fed.row()),
                                Values(ranks[r].fed.row()));
                    } else {
                        on_all(ranks, [&](SequenceRank& rank, std::size_t r, auto reduce) {
                            const auto read = rank.fed.row();
                            rank.victims.evict(rank.fed.lane, here_of(r), {r, count}, reduce, Keys(read), Values(read));
                        });
                    }
                    for (std::size_t r = 0; r < count; ++r) {
                        const Lane<AnyPolicy>& lane = ranks[r].fed.lane;
                        REQUIRE(by_arrival::positions(lane, lane.victims()) == gone);
                        REQUIRE(by_arrival::kept(lane) == by_arrival::kept(alone.lane));
                        REQUIRE(rated_alike(lane, alone.lane, here_of(r)));
                    }
                }
            }
    }
}

TEST_CASE("joined weights serve every policy on ranks that hold different slots, with the bits of one rank") {
    for (const AnyPolicy& policy : simple_policies())
        for (const std::size_t count : {1u, 3u}) {
            CAPTURE(policy.name(), count);
            Fed alone = fed(policy, budget, 3);
            std::vector<SequenceRank> ranks(count, {alone, {}, {}});
            for (std::int64_t t = 0; t < 200; ++t) {
                alone.lane.append(t);
                alone.see(t);
                alone.evict();
                for (SequenceRank& rank : ranks) rank.fed.lane.append(t);
                on_all(ranks, [&](SequenceRank& rank, std::size_t r, auto reduce) {
                    const auto here = [=](Slot slot) { return slot % count == r; };
                    std::vector<float> weights = alone.weights;
                    for (std::size_t slot = 0; slot < weights.size(); ++slot)
                        if (!here(Slot(slot))) weights[slot] = NAN;
                    const Attention seen = rank.weights.join(
                        {.weights = weights.data(), .query_heads = 1, .slots = weights.size(), .stride = 0}, here,
                        reduce);
                    const auto read = rank.fed.row();
                    rank.fed.lane.observe(seen, rank.fed.query_of(t), Keys(read), Values(read));
                    rank.fed.evict();
                });
                for (const SequenceRank& rank : ranks) {
                    REQUIRE(std::ranges::equal(rank.fed.lane.victims(), alone.lane.victims()));
                    REQUIRE(rated_alike(rank.fed.lane, alone.lane, [](Slot) { return true; }));
                }
            }
        }
}

// Logits of 500 queries over slots that lie on several ranks; 3 heads, one lane for them.
TEST_CASE("a softmax in parts is the softmax, and lanes that see it evict what one lane evicts") {
    constexpr std::size_t heads = 3;
    struct Rank {
        Lane<H2O> lane;
        RankSoftmax softmax;
        RankVictims victims;
        std::vector<float> weights;
    };
    for (const std::size_t count : {1u, 2u, 3u, 4u}) {
        CAPTURE(count);
        Lane<H2O> alone(budget);
        std::vector<Rank> ranks(count, {alone, {}, {}, {}});
        std::size_t evicted = 0;
        for (std::int64_t t = 0; t < 500; ++t) {
            alone.append(t);
            const std::size_t slots = alone.extent();
            std::vector<float> logits(heads * slots), whole(heads * slots), whole_in_parts(heads * slots);
            Random random{static_cast<std::uint64_t>(t) + 1};
            for (std::size_t head = 0; head < heads; ++head) {
                double sum = 0;
                for (std::size_t slot = 0; slot < slots; ++slot) {
                    logits[head * slots + slot] = 20 * random.unit() - 10;
                    sum += std::exp(double{logits[head * slots + slot]});
                }
                for (std::size_t slot = 0; slot < slots; ++slot)
                    whole[head * slots + slot] =
                        static_cast<float>(std::exp(double{logits[head * slots + slot]}) / sum);
            }
            alone.observe(whole);
            alone.evict();
            evicted += alone.victims().size();

            const auto here_of = [&](std::size_t r) { return [=](Slot slot) { return slot % count == r; }; };
            for (Rank& rank : ranks) rank.lane.append(t);
            on_all(ranks, [&](Rank& rank, std::size_t r, auto reduce) {
                std::vector<float> maxima(heads, -INFINITY), sums(heads, 0);  // a rank may have no slot yet
                rank.weights.assign(heads * slots, 0);
                for (std::size_t head = 0; head < heads; ++head) {
                    for (std::size_t slot = r; slot < slots; slot += count)
                        maxima[head] = std::max(maxima[head], logits[head * slots + slot]);
                    for (std::size_t slot = r; slot < slots; slot += count)
                        sums[head] += rank.weights[head * slots + slot] =
                            std::exp(logits[head * slots + slot] - maxima[head]);
                }
                const auto scales = rank.softmax.scales(maxima, sums, {r, count}, reduce);
                for (std::size_t head = 0; head < heads; ++head)
                    for (std::size_t slot = r; slot < slots; slot += count) {
                        float& weight = rank.weights[head * slots + slot];
                        weight *= scales[head];
                        whole_in_parts[head * slots + slot] = weight;
                    }
            });
            bool close = true;
            for (std::size_t i = 0; i < whole.size(); ++i)
                close = close && std::abs(whole_in_parts[i] - whole[i]) <= 4e-6f * whole[i];
            REQUIRE(close);
            for (std::size_t r = 0; r < count; ++r) ranks[r].lane.observe(ranks[r].weights);
            if (ranks[0].lane.due())
                on_all(ranks, [&](Rank& rank, std::size_t r, auto reduce) {
                    rank.victims.evict(rank.lane, here_of(r), {r, count}, reduce);
                });
            for (const Rank& rank : ranks) REQUIRE(by_arrival::kept(rank.lane) == by_arrival::kept(alone));
        }
        CHECK(evicted == 500 - budget);
    }
}

TEST_CASE("what ranks cannot add up is caught") {
    RankSoftmax softmax;
    const auto alone = [](float*, std::size_t) {};
    const std::vector<float> none{-INFINITY}, zero{0}, two{1, 1};
    CHECK_THROWS_AS(softmax.scales(none, zero, {}, alone), msrnn_assertion_failed);
    CHECK_THROWS_AS(softmax.scales(zero, two, {}, alone), msrnn_assertion_failed);
    Lane<Window> lane(1);
    for (int t = 0; t < 2; ++t) lane.append(t);
    lane.observe(std::vector<float>(2, 0.5f));
    RankVictims victims;
    CHECK_THROWS_AS(victims.evict(
                        lane, [](Slot) { return false; }, {0, 2}, alone),
                    msrnn_assertion_failed);
}

}  // namespace ranks_tests
