#include <msrnn/adapt.hpp>
#include <vector>

#include "quiet/counted.hpp"
#include "support/catch.hpp"

namespace adapt_tests {

using namespace msrnn;

namespace {
constexpr std::size_t budget = 64, slack = 7;

/// The weights of a token, without an allocation.
std::vector<float>& weights(std::size_t slots, int t) {
    static std::vector<float> all(budget + slack + 1);
    for (std::size_t slot = 0; slot < slots; ++slot)
        all[slot] = static_cast<float>((slot * 37 + static_cast<std::size_t>(t) * 11) % 64);
    return all;
}
void see(Lane<H2O>& lane, int t) {
    lane.append(t);
    lane.observe(weights(lane.extent(), t).data(), 1, lane.extent());
}
/// step(t) allocates nothing once it has been done often.
template <class Step>
void is_quiet(Step step) {
    for (int t = 0; t < 300; ++t) step(t);
    CHECK(allocations_of([&] {
              for (int t = 300; t < 900; ++t) step(t);
          }) == 0);
}
}  // namespace

TEST_CASE("a decision in an engine's words allocates nothing in steady use") {
    Lane<H2O> lane({.budget = budget, .slack = slack});
    std::vector<Lane<H2O>> lanes(2, lane);
    CellRanges ranges;
    KeepList keep;
    std::size_t words = 0;
    is_quiet([&](int t) {
        see(lane, t);
        lane.evict();
        words += ranges.positions(lane).size() + ranges.cells(lane).size();
        if (!lane.victims().empty()) make_way(lane, lane.victims().front(), [](Move) {});
        keep.read(lane);
        words += keep.pairs().size();
        close_gaps(lane, [&](RunMove run) { words += run.rows; });
    });
    CHECK(words > 1000);

    Blocks blocks(slack + 1);
    is_quiet([&](int t) {
        for (auto& one : lanes) see(one, t);
        if (!lanes[0].due()) return;
        for (auto& one : lanes) one.rate();
        blocks.evict_equally(lanes, [](auto& one, std::span<const std::size_t>) { close_gaps(one, [](RunMove) {}); });
    });
    Consensus consensus;
    is_quiet([&](int t) {
        for (auto& one : lanes) see(one, t);
        if (!lanes[0].due()) return;
        for (auto& one : lanes) one.rate();
        if (t % 2 == 0) consensus.union_of_kept(lanes);
        consensus.mean_of_ranks(lanes);
    });

    const auto alone = [](float*, std::size_t) {};
    const std::vector<float> numbers(8, 1.0f);
    RankWeights sums;
    RankSoftmax softmax;
    RankVictims victims;
    is_quiet([&](int t) {
        lane.append(t);
        lane.observe(sums.sum({.weights = weights(lane.extent(), t).data(),
                               .query_heads = 1,
                               .slots = lane.extent(),
                               .stride = lane.extent()},
                              alone));
        softmax.scales(numbers, numbers, {}, alone);
        victims.evict(
            lane, [](Slot) { return true; }, {}, alone);
    });
    CHECK(lane.evictions() > 1000);
}

}  // namespace adapt_tests
