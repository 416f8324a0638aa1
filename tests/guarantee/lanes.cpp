// The operations of a lane that allocate, whichever allocation fails: the lane is as it was.
#include <functional>
#include <msrnn/decide.hpp>
#include <string>
#include <utility>
#include <vector>

#include "guarantee/failing.hpp"
#include "support/catch.hpp"
#include "support/same_record.hpp"

using namespace msrnn;

namespace {

template <class P>
void token(Lane<P>& lane, int position) {
    lane.append(position);
    lane.observe(std::vector<float>(lane.extent(), 0.01f * static_cast<float>(position % 7)));
    lane.evict();
}
template <class P>
Lane<P> filled(std::size_t tokens) {
    Lane<P> lane(
        {.budget = 3000, .capacity = 4000, .query_heads = 1, .head_dim = 1});  // room for 64 at first, then by doubling
    for (std::size_t t = 0; t < tokens; ++t) token(lane, static_cast<int>(t));
    return lane;
}

}  // namespace

TEMPLATE_TEST_CASE("whichever allocation of a lane fails, the lane is as it was", "", H2O, DecayedAttention, Cake) {
    using L = Lane<TestType>;
    const L before = filled<TestType>(64), wider = filled<TestType>(200);
    const LaneRecord record = wider.record();
    const std::pair<std::string, std::function<void(L&)>> operations[] = {
        {"append", [](L& lane) { lane.append(64); }},
        {"append to a slot of the engine's", [](L& lane) { lane.append(64, Slot(500)); }},
        {"reserve", [](L& lane) { lane.reserve(1000); }},
        {"evict by name", [](L& lane) { lane.evict(Slot(63)); }},
        {"restore", [&](L& lane) { lane.restore(record); }},
        {"assignment", [&](L& lane) { lane = wider; }},
        {"record", [](L& lane) { static_cast<void>(lane.record()); }},
        {"checkpoint", [](L& lane) { static_cast<void>(lane.checkpoint()); }},
    };
    for (const auto& each : operations) {
        const auto& name = each.first;
        const auto& operation = each.second;
        std::size_t failures = 0;
        for (std::size_t n = 0;; ++n) {
            L lane = before;
            if (!failing::runs_out_of_memory(n, 0, [&] { operation(lane); })) break;
            ++failures;
            CAPTURE(name, n);
            REQUIRE(same_record(lane.record(), before.record()));
            REQUIRE(lane.evictions() == before.evictions());
            REQUIRE_NOTHROW(lane.evict());
            operation(lane);
            L expected = before;
            operation(expected);
            REQUIRE(same_record(lane.record(), expected.record()));
        }
        CAPTURE(name);
        CHECK(failures > 0);
    }
}
