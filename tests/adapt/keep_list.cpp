#include <cmath>

#include "adapt/fed.hpp"
#include "support/assert_throws.hpp"
#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/simple_policies.hpp"

namespace keep_list_tests {

using namespace msrnn;

namespace {

/// MNN's side, as KVMeta.hpp and onRealloc() have it: the tail goes, pairs of it come back, one after the other.
struct Mnn {
    std::vector<std::int64_t> past;

    void step(std::size_t remove, const int* reserve, int n_reserve, const std::vector<std::int64_t>& add) {
        const std::size_t start = past.size() - remove;
        std::size_t to = start;
        for (int n = 0; n < n_reserve; ++n) {
            REQUIRE(reserve[2 * n + 1] > 0);  // computeReverseSize() calls it invalid
            for (int i = 0; i < reserve[2 * n + 1]; ++i) {
                const std::size_t from = start + static_cast<std::size_t>(reserve[2 * n] + i);
                REQUIRE(to <= from);  // moveKV() goes forward, in place
                past[to++] = past.at(from);
            }
        }
        past.resize(to);
        past.insert(past.end(), add.begin(), add.end());
    }
};

}  // namespace

TEST_CASE("an engine that removes a tail and keeps pairs of it holds what the lane holds, in its order") {
    std::size_t several = 0, none = 0;
    for (const AnyPolicy& policy : simple_policies())
        for (const std::size_t slack : {0u, 6u}) {
            CAPTURE(policy.name(), slack);
            Fed one = fed(policy, 12, slack);
            KeepList keep;
            Mnn engine;
            for (std::int64_t t = 0; t < 250; ++t) {
                keep.read(one.lane);  // the engine acts before its next step
                engine.step(keep.remove(), keep.pairs().data(), keep.count(), {t});
                several += keep.count() > 1;
                none += keep.remove() == 0;
                close_gaps(one.lane, [](RunMove) {});
                one.lane.append(t);
                REQUIRE(engine.past == by_arrival::kept(one.lane));
                for (const LaneToken token : one.lane.tokens())
                    REQUIRE(engine.past[token.slot] == token.position.value());
                one.see(t);
                one.evict();
            }
        }
    CHECK(several > 100);
    CHECK(none > 100);
}

TEST_CASE("the tail begins at the first gap, and pairs count from there") {
    Lane<Window> lane(16);
    for (int t = 0; t < 10; ++t) lane.append(t);
    KeepList keep;
    keep.read(lane);
    CHECK(keep.remove() == 0);
    CHECK(keep.count() == 0);
    lane.evict(std::vector{Slot(2), Slot(3), Slot(6)});
    keep.read(lane);
    CHECK(keep.remove() == 8);
    CHECK(std::vector(keep.pairs().begin(), keep.pairs().end()) == std::vector{2, 2, 5, 3});
    lane.evict(std::vector{Slot(0), Slot(1), Slot(4), Slot(5), Slot(7), Slot(8), Slot(9)});
    keep.read(lane);
    CHECK(keep.remove() == 10);
    CHECK(keep.count() == 0);
}

}  // namespace keep_list_tests
