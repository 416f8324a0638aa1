#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"
#include "support/golden_replay.hpp"

namespace golden_tests {

namespace {

/// An engine as door 1 expects it: its own rows of keys, its own loops, and one lane for `heads` consecutive KV heads.
template <class P>
class Engine {
public:
    Engine(const Golden& golden, const P& policy, std::size_t first_head, std::size_t heads)
        : golden_(golden),
          lane_({.budget = golden.budget}, policy),
          width_(heads * golden.head_dim),
          first_query_(first_head * group_()),
          queries_(heads * group_()),
          first_element_(first_head * golden.head_dim),
          keys_(lane_.capacity() * width_),
          weights_(queries_ * lane_.capacity()) {}

    std::vector<std::int64_t> step(std::size_t token) {
        const std::size_t slot = lane_.append(token);
        const auto key = golden_.keys[token].begin() + static_cast<std::ptrdiff_t>(first_element_);
        std::copy_n(key, width_, keys_.begin() + static_cast<std::ptrdiff_t>(slot * width_));
        for (std::size_t q = 0; q < queries_; ++q) attend_(token, q);
        lane_.observe(weights_.data(), queries_, lane_.capacity());
        lane_.evict();
        auto kept = by_arrival::kept(lane_);
        std::sort(kept.begin(), kept.end());
        return kept;
    }

private:
    std::size_t group_() const { return golden_.query_heads / golden_.kv_heads; }

    void attend_(std::size_t token, std::size_t q) {
        const float* query = golden_.queries[token].data() + (first_query_ + q) * golden_.head_dim;
        float* row = weights_.data() + q * lane_.capacity();
        double largest = -INFINITY, sum = 0;
        std::vector<double> logits(lane_.size());
        for (std::size_t slot = 0; slot < logits.size(); ++slot) {
            const float* key = keys_.data() + slot * width_ + q / group_() * golden_.head_dim;
            for (std::size_t d = 0; d < golden_.head_dim; ++d)
                logits[slot] += static_cast<double>(query[d]) * static_cast<double>(key[d]);
            logits[slot] /= std::sqrt(static_cast<double>(golden_.head_dim));
            largest = std::max(largest, logits[slot]);
        }
        for (double& logit : logits) sum += logit = std::exp(logit - largest);
        for (std::size_t slot = 0; slot < logits.size(); ++slot) row[slot] = static_cast<float>(logits[slot] / sum);
    }

    const Golden& golden_;
    msrnn::Lane<P> lane_;
    std::size_t width_, first_query_, queries_, first_element_;
    std::vector<float> keys_, weights_;
};

/// Lanes share the KV heads of a layer evenly.
template <class P>
void replay(const Golden& golden, const P& policy, Compared& compared) {
    CHECK(golden.margin > 1e-6);
    const std::size_t lanes = golden.kept.at(0).size(), heads = golden.kv_heads / lanes;
    std::vector<Engine<P>> engines;
    for (std::size_t lane = 0; lane < lanes; ++lane) engines.emplace_back(golden, policy, lane * heads, heads);
    for (std::size_t token = 0; token < golden.tokens; ++token, ++compared.calls)
        for (std::size_t lane = 0; lane < lanes; ++lane, ++compared.sets) {
            INFO(golden.name << ", token " << token << ", lane " << lane);
            REQUIRE(engines[lane].step(token) == golden.kept.at(token).at(lane));
        }
}

}  // namespace

TEST_CASE("an engine with a lane of its own keeps what the authors' classes kept, after every call") {
    replay_golden_files(
        "lane", [](const Golden& golden, const auto& policy, Compared& compared) { replay(golden, policy, compared); });
}

}  // namespace golden_tests
