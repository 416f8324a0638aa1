#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/same_record.hpp"
#include "support/simple_policies.hpp"

namespace undo_tests {

using namespace msrnn;

TEST_CASE("a lane whose stamps were renumbered meanwhile takes its steps back") {
    using Narrow = Lane<AnyPolicy, std::int8_t>;
    constexpr std::size_t depth = 6;
    std::size_t taken_back = 0, ancient = 0;
    for (const AnyPolicy& policy : simple_policies())
        for (const std::uint64_t seed : {1u, 2u}) {
            Narrow lane({.budget = 50, .query_heads = 1, .head_dim = 1}, policy);
            std::vector<Narrow> past{lane};
            std::vector<LaneCheckpoint> kept;
            Random random{seed};
            for (int operation = 0; operation < 3000; ++operation) {
                CAPTURE(policy.name(), seed, operation);
                if (!kept.empty() && random.one_in(4)) {
                    lane.restore(kept.back());
                    kept.pop_back();
                    past.pop_back();
                    ++taken_back;
                } else {
                    kept.push_back(lane.checkpoint());
                    past.push_back(past.back());
                    std::vector<float> weights;
                    for (std::size_t i = 0; i < 51; ++i) weights.push_back(random.one_in(20) ? 0.0f : 0.5f);
                    for (Narrow* one : {&lane, &past.back()}) {
                        one->append(operation);
                        const std::size_t n = one->extent();
                        const Keys keys(weights.data(), 1, 1);
                        const Values values(weights.data(), 1, 1);
                        one->observe(Attention{.weights = weights.data(), .query_heads = 1, .slots = n, .stride = n},
                                     Query{weights.data(), 1, 1}, keys, values);
                        one->evict(keys, values);
                    }
                    if (kept.size() > depth) kept.erase(kept.begin());
                }
                REQUIRE(same_record(lane.record(), past.back().record()));
                REQUIRE(std::ranges::equal(lane.victims(), past.back().victims()));
                REQUIRE(lane.next() == past.back().next());
                for (std::size_t slot = 0; slot < lane.extent(); ++slot)
                    ancient += lane.live(Slot(slot)) && lane.seen() > 64 + lane.arrival(Slot(slot));
            }
        }
    CHECK(taken_back > 5000);
    CHECK(ancient > 1000);
}

}  // namespace undo_tests
