// Here a NaN is let through, as in a release build. The policies are this file's own types, so that no other file
// compiles the same lanes with assertions.
#undef MSRNN_ASSERT
#define MSRNN_ASSERT(condition, why) static_cast<void>(0)

#include <cstdint>
#include <limits>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/differential.hpp"

namespace nan_tests {

namespace {

struct Tova : msrnn::Tova {};
struct H2O : msrnn::H2O {};
struct DecayedAttention : msrnn::DecayedAttention {};
struct KeyNorm : msrnn::KeyNorm {};

using Positions = std::vector<std::int64_t>;

const float not_a_number = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("without assertions a NaN rating is evicted first, of several the one that arrived first") {
    msrnn::Lane<Tova> lane(3);
    for (std::int64_t t = 0; t < 3; ++t)
        by_arrival::step(lane, t, {std::vector<float>(static_cast<std::size_t>(t) + 1, 1.0f)});
    CHECK(by_arrival::step(lane, 3, {{0.5f, not_a_number, -1e30f, -not_a_number}}) == Positions{1});
    CHECK(by_arrival::step(lane, 4, {{0.5f, 0.0f, not_a_number, 0.5f}}) == Positions{3});
}

TEST_CASE("without assertions policies fed with NaN decide as the mirror") {
    const auto compare = [](const auto& policy) {
        const auto outcome = differential::run(5, 5000, policy, differential::mirrored(policy), 500, {.nans = true});
        INFO(outcome.mismatch);
        CHECK(outcome.mismatch.empty());
    };
    compare(Tova{});
    compare(H2O{});
    compare(DecayedAttention{});
    compare(KeyNorm{});
}

}  // namespace nan_tests
