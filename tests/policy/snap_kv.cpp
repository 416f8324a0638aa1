#include <algorithm>
#include <msrnn/decide.hpp>
#include <vector>

#include "policy/snap_kv.mirror.hpp"
#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/checked_by_formula.hpp"

namespace snap_kv_tests {

using msrnn::Lane;
using msrnn::SnapKV;

namespace {
/// A prompt whose last `window` queries all see `weights`, shown to one lane; what is kept.
std::vector<std::int64_t> kept(const SnapKV& policy, std::size_t budget, const std::vector<float>& weights) {
    Lane<SnapKV> lane({.budget = budget, .capacity = std::max(weights.size(), budget + 1)}, policy);
    for (std::size_t t = 0; t < weights.size(); ++t) {
        lane.append(t);
        if (weights.size() - t <= policy.observation_window()) lane.observe(std::span(weights).first(t + 1));
    }
    lane.evict();
    std::vector<std::int64_t> positions;
    for (std::size_t s = 0; s < lane.extent(); ++s)
        if (lane.live(msrnn::Slot(s))) positions.push_back(lane.position(msrnn::Slot(s)).value());
    return positions;
}
}  // namespace

TEST_CASE("SnapKV keeps its window and the best pooled sums before it") {
    //                                0  1  2  3  4  5  6  7  8  9 | the window
    const std::vector<float> weights{0, 0, 0, 9, 0, 0, 0, 0, 8, 0, 5, 5};
    const SnapKV plain{.window = 2, .kernel = 1};
    CHECK(kept(plain, 4, weights) == std::vector<std::int64_t>{3, 8, 10, 11});
}

TEST_CASE("average pooling lifts the neighbours, and beyond the ends there is nothing") {
    const std::vector<float> weights{7.5, 0, 0, 0, 0, 9, 0, 0, 0, 0, 1, 1};
    // Averages over 3, window of 2: 2.5 2.5 0 0 3 3 3 0 0 0. Divided by the two that are there, the first were 3.75.
    CHECK(kept({.window = 2, .kernel = 3}, 5, weights) == std::vector<std::int64_t>{4, 5, 6, 10, 11});
    CHECK(kept({.window = 2, .kernel = 3}, 7, weights) == std::vector<std::int64_t>{0, 1, 4, 5, 6, 10, 11});
}

TEST_CASE("what the window itself gets is not pooled into the tokens before it") {
    const std::vector<float> weights{1, 1, 0, 0, 0, 0, 100, 100};
    CHECK(kept({.window = 2, .kernel = 3}, 4, weights) == std::vector<std::int64_t>{0, 1, 6, 7});
}

TEST_CASE("maximum pooling spreads a peak undiluted") {
    const std::vector<float> weights{5, 5, 5, 0, 0, 0, 9, 0, 0, 1, 1};
    CHECK(kept({.window = 2, .kernel = 3, .pooling = SnapKV::Pooling::maximum}, 5, weights) ==
          std::vector<std::int64_t>{5, 6, 7, 9, 10});
    CHECK(kept({.window = 2, .kernel = 3}, 5, weights) == std::vector<std::int64_t>{0, 1, 2, 9, 10});
}

TEST_CASE("only the last `window` queries vote") {
    Lane<SnapKV> lane({.budget = 3, .capacity = 6}, {.window = 2, .kernel = 1});
    CHECK(lane.facts().observation_window == 2);
    for (std::size_t t = 0; t < 6; ++t) {
        lane.append(t);
        std::vector<float> weights(t + 1, 0.0f);
        weights[t < 4 ? 0 : 2] = 1;  // before the window everyone looks at 0, in it at 2
        if (6 - t <= lane.facts().observation_window) lane.observe(weights);
    }
    lane.evict();
    CHECK(lane.live(msrnn::Slot(2)));
    CHECK_FALSE(lane.live(msrnn::Slot(0)));
}

TEST_CASE("SnapKV rates and evicts as its formula says") { formula::check<SnapKV>(); }

TEST_CASE("SnapKV by the largest of the heads keeps what one head alone looks at") {
    const auto kept = [](SnapKV::Group group) {
        Lane<SnapKV> lane({.budget = 2, .capacity = 3, .query_heads = 2, .head_dim = 1},
                          {.window = 1, .kernel = 1, .group = group});
        for (std::int64_t t = 0; t < 3; ++t) lane.append(t);
        by_arrival::observe(lane, {{0.75f, 0.5f, 0.0f}, {0.0f, 0.5f, 0.5f}});
        lane.evict();
        return by_arrival::kept(lane);
    };
    CHECK(kept(SnapKV::Group::mean) == std::vector<std::int64_t>{1, 2});
    CHECK(kept(SnapKV::Group::maximum) == std::vector<std::int64_t>{0, 2});
}

TEST_CASE("SnapKV needs weights by head for the largest of them alone") {
    const msrnn::Shape shape{.query_heads = 4, .head_dim = 8};
    const SnapKV by_head{.group = SnapKV::Group::maximum};
    CHECK(msrnn::facts_of(SnapKV{}, shape, 40).needs == msrnn::Needs{.at_observe = msrnn::Attention::bit});
    CHECK(msrnn::facts_of(by_head, shape, 40).needs == msrnn::Needs{.at_observe = msrnn::Heads::bit});
    CHECK(msrnn::facts_of(msrnn::Protect<SnapKV>{.policy = by_head}, shape, 40).needs.at_observe == msrnn::Heads::bit);
    CHECK(msrnn::facts_of(SnapKV{}, shape, 40).memory == msrnn::Memory{.columns = 1, .floats = 0});
    CHECK(msrnn::facts_of(by_head, shape, 40).memory == msrnn::Memory{.columns = 4, .floats = 0});
}

TEST_CASE("SnapKV normalised: a query counts times the tokens before it") {
    Lane<SnapKV> lane({.budget = 3, .capacity = 4}, {.window = 2, .kernel = 1, .normalised = true});
    lane.prompt(4);
    lane.append(0), lane.append(1), lane.append(2);
    by_arrival::observe(lane, {{0.5f, 0.25f, 0.25f}});
    lane.append(3);
    by_arrival::observe(lane, {{0.25f, 0.5f, 0.125f, 0.125f}});
    lane.rate();
    // In thirds of the last row, which has three tokens before it: 2/3 of the first row and the second.
    CHECK(lane.rating(msrnn::Slot(0)) == 0.5f * (2.0f / 3) + 0.25f);
    CHECK(lane.rating(msrnn::Slot(1)) == 0.25f * (2.0f / 3) + 0.5f);
}

}  // namespace snap_kv_tests
