#include "generate/sampler.hpp"

#include <map>

#include "support/catch.hpp"
#include "support/close.hpp"

namespace sampler_tests {

namespace {

using generate::Sampler;
using llama::Token;
using llama::Vector;

/// How often each token is drawn.
std::map<Token, double> shares(Sampler sampler, const Vector& logits) {
    constexpr int draws = 20'000;
    std::map<Token, double> share;
    for (int i = 0; i < draws; ++i) share[sampler.choose(logits)] += 1.0 / draws;
    return share;
}

/// Logits of these probabilities, off by a constant.
Vector logits_of(std::initializer_list<float> probabilities) {
    Vector logits(static_cast<Eigen::Index>(probabilities.size()));
    Eigen::Index i = 0;
    for (const float p : probabilities) logits[i++] = std::log(p) + 3;
    return logits;
}

const Vector logits = logits_of({0.1f, 0.5f, 0.15f, 0.25f});

}  // namespace

TEST_CASE("at temperature 0 the likeliest token is chosen, of equals the first") {
    Sampler sampler(0, 0.9, 1);
    REQUIRE(sampler.choose(logits) == 1);
    REQUIRE(sampler.choose(logits_of({0.2f, 0.4f, 0.4f})) == 1);
}

TEST_CASE("at temperature 1 tokens are drawn as often as their probability says") {
    auto share = shares(Sampler(1, 1, 1), logits);
    REQUIRE(close(share[0], 0.1, 0.01, 0));
    REQUIRE(close(share[1], 0.5, 0.01, 0));
    REQUIRE(close(share[2], 0.15, 0.01, 0));
    REQUIRE(close(share[3], 0.25, 0.01, 0));
}

TEST_CASE("a temperature of 1/2 squares the probabilities, one of 2 takes their roots") {
    const double squares = 0.01 + 0.25 + 0.0225 + 0.0625;
    REQUIRE(close(shares(Sampler(0.5, 1, 1), logits)[1], 0.25 / squares, 0.01, 0));
    const double roots = std::sqrt(0.1) + std::sqrt(0.5) + std::sqrt(0.15) + 0.5;
    REQUIRE(close(shares(Sampler(2, 1, 1), logits)[0], std::sqrt(0.1) / roots, 0.01, 0));
}

TEST_CASE("top-p draws from the fewest tokens that hold its share") {
    REQUIRE(shares(Sampler(1, 0.4, 1), logits).size() == 1);
    auto two = shares(Sampler(1, 0.7, 1), logits);
    REQUIRE(two.size() == 2);
    REQUIRE(close(two[1], 0.5 / 0.75, 0.01, 0));
    REQUIRE(close(two[3], 0.25 / 0.75, 0.01, 0));
    REQUIRE(shares(Sampler(1, 0.8, 1), logits).size() == 3);
    REQUIRE(shares(Sampler(1, 0.95, 1), logits).size() == 4);
}

TEST_CASE("of tokens alike the first ones are kept by top-p") {
    const auto share = shares(Sampler(1, 0.5, 1), logits_of({0.25f, 0.25f, 0.25f, 0.25f}));
    REQUIRE(share.size() == 2);
    REQUIRE(share.count(0) == 1);
    REQUIRE(share.count(1) == 1);
}

TEST_CASE("the seed decides the draws") {
    Sampler one(1, 1, 7), same(1, 1, 7), other(1, 1, 8);
    int differences = 0;
    for (int i = 0; i < 100; ++i) {
        const Token token = one.choose(logits);
        REQUIRE(same.choose(logits) == token);
        differences += other.choose(logits) != token;
    }
    REQUIRE(differences > 10);
}

TEST_CASE("temperatures next to 0 and far above 1 still draw") {
    REQUIRE(shares(Sampler(1e-300, 0.9, 1), logits).size() == 1);
    REQUIRE(shares(Sampler(1e6, 1, 1), logits).size() == 4);
}

}  // namespace sampler_tests
