#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <msrnn/adapt.hpp>
#include <msrnn/any_policy.hpp>
#include <set>
#include <vector>

#include "support/random.hpp"

/// A lane whose evidence depends on positions alone, and so not on the slots that its tokens lie in.
struct Fed {
    msrnn::Lane<msrnn::AnyPolicy> lane;
    std::uint64_t head = 0;
    std::vector<float> key = std::vector<float>(4);
    std::vector<float> weights = {}, query = std::vector<float>(4);

    msrnn::Query query_of(std::int64_t newest) {
        Random random{static_cast<std::uint64_t>(newest) + 500 + 1000 * head};
        for (float& x : query) x = random.unit() - 0.5f;
        return {query.data(), 1, 4};
    }
    auto row() {
        return [this](msrnn::Slot slot) {
            Random random{static_cast<std::uint64_t>(lane.position(slot).value()) + 1 + 1000 * head};
            for (float& x : key) x = random.unit() - 0.5f;
            return std::span<const float>(key);
        };
    }
    void see(std::int64_t newest) {
        weights.assign(lane.extent(), NAN);
        for (const msrnn::LaneToken token : lane.tokens())
            weights[token.slot] =
                Random{1000000 * head + static_cast<std::uint64_t>(1000 * newest + token.position.value())}.unit();
        const auto read = row();
        lane.observe(
            msrnn::Attention{.weights = weights.data(), .query_heads = 1, .slots = weights.size(), .stride = 0},
            query_of(newest), msrnn::Keys(read), msrnn::Values(read));
    }
    void rate() {
        const auto read = row();
        lane.rate(msrnn::Keys(read), msrnn::Values(read));
    }
    std::span<const msrnn::Slot> evict() {
        const auto read = row();
        return lane.evict(msrnn::Keys(read), msrnn::Values(read));
    }
    std::set<std::int64_t> kept() const {
        std::set<std::int64_t> all;
        for (const msrnn::LaneToken token : lane.tokens()) all.insert(token.position.value());
        return all;
    }
};
inline Fed fed(const msrnn::AnyPolicy& policy, std::size_t budget, std::size_t slack = 0, std::uint64_t head = 0) {
    return {msrnn::Lane<msrnn::AnyPolicy>(
                {.budget = budget, .capacity = 8 * budget, .slack = slack, .query_heads = 1, .head_dim = 4}, policy),
            head};
}
