#include <cstdint>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>

#include "support/catch.hpp"
#include "support/policies.hpp"
#include "support/undone_walk.hpp"

namespace rollback_walks_tests {

using namespace msrnn;
using namespace undone;

namespace {
/// Counts and sums in columns of its own, and rates by them late.
struct Watched {
    Scope scope = Scope::kv_head;

    Memory memory(const Shape&) const { return {.columns = 2}; }
    void observe(const Attention& seen, Ratings rating) const {
        const auto count = rating.column(0), sum = rating.column(1);
        seen.sum([&](std::size_t slot, float weight) { count[slot] += 1, sum[slot] += weight; });
    }
    void rate(Ratings rating) const {
        for (std::size_t slot = 0; slot < rating.size(); ++slot)
            rating[slot] = rating.column(1)[slot] / rating.column(0)[slot];
    }
};

}  // namespace

TEST_CASE("random walks with tokens taken back are those of a list of copies, for every policy") {
    Met met;
    for_every_policy([&]<class P>(const P& policy) {
        Walk<P, float>(small, {.budget = 6}, policy, 4, 1).run(400, met);
        Walk<P, float>(one_layer, {.budget = 9}, policy, 1, 2).run(200, met);
    });
    CHECK(met.taken_back > 500);
    CHECK(met.whole_depths > 50);
    CHECK(met.evictions > 300);
    CHECK(met.given_up > 100);
    CHECK(met.refusals > 100);
    CHECK(met.cuts > 50);
    CHECK(met.prompts > 20);
}

TEMPLATE_TEST_CASE("random walks with tokens taken back are those of a list of copies, whatever rows are stored as", "",
                   Eigen::half, std::int8_t) {
    Met met;
    for (const char* name : {"tova", "h2o", "key-norm"})
        Walk<AnyPolicy, TestType>({.layers = 2, .query_heads = 4, .kv_heads = 2, .head_dim = 5}, {.budget = 6},
                                  AnyPolicy::named(name), 5, 3)
            .run(300, met);
    CHECK(met.taken_back > 100);
    CHECK(met.evictions > 50);
}

TEST_CASE("an unbounded state that has grown meanwhile takes its tokens back") {
    Met met;
    for (const char* name : {"tova", "h2o"})
        for (const int before : {55, 60, 63, 127}) {
            Walk<AnyPolicy, float> walk(small, {.budget = unbounded}, AnyPolicy::named(name), 12, 4);
            for (int t = 0; t < before; ++t) walk.come();
            for (int t = 0; t < 10; ++t) walk.come();
            walk.take_back(10, met);
            walk.run(60, met);
        }
    CHECK(met.growths >= 8);
    CHECK(met.evictions == 0);
}

TEST_CASE("the columns of a policy of one's own are taken back") {
    Met met;
    for (const Scope scope : {Scope::layer, Scope::kv_head})
        Walk<AnyPolicy, float>(small, {.budget = 6}, Watched{.scope = scope}, 4, 5).run(400, met);
    CHECK(met.evictions > 50);
}

}  // namespace rollback_walks_tests
