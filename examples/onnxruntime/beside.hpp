// Whether a model in ONNX Runtime expects and keeps what our own decoder does.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bounded_model.hpp"
#include "llama/decoder.hpp"

/// The positions that a lane keeps, the smallest first.
inline std::vector<std::int64_t> kept(const auto& lane) {
    std::vector<std::int64_t> positions;
    for (const auto& token : lane.tokens()) positions.push_back(token.position.value());
    std::ranges::sort(positions);
    return positions;
}

/// Our own decoder reads the same text, and its lanes are compared after each token until one differs.
struct Beside {
    Beside(const llama::Model& model, const BoundedSettings& settings)
        : decoder(model, settings.policy ? settings.budget : msrnn::unbounded,
                  settings.policy.value_or(msrnn::AnyPolicy())) {}

    llama::Decoder decoder;
    std::size_t steps = 0, alike = 0;
    float farthest = 0;  // of two logits while all lanes are alike
    std::string different = {};
    std::vector<std::int64_t> ids = {};

    void read(const BoundedModel& model, std::span<const float> logits, std::int64_t token) {
        const llama::Vector own = decoder.step(static_cast<llama::Token>(token), ids.size());
        ids.push_back(token);
        ++steps;
        if (!different.empty()) return;
        for (std::size_t i = 0; i < logits.size(); ++i)
            farthest = std::max(farthest, std::abs(logits[i] - own[static_cast<Eigen::Index>(i)]));
        for (const BoundedModel::Layer& layer : model.layers())
            for (const BoundedModel::Lane& lane : layer.lanes)
                if (different.empty()) compare(lane);
        alike += different.empty();
    }
    void compare(const BoundedModel::Lane& lane) {
        const auto [layer, kv_head] = lane.id();
        const auto here = kept(lane), there = kept(decoder.state().lane(layer, kv_head));
        if (here == there) return;
        different = "; then layer " + std::to_string(layer) + ", KV head " + std::to_string(kv_head) + " keeps";
        different += only(here, there) + ", our decoder" + only(there, here);
    }
    std::string only(const std::vector<std::int64_t>& these, const std::vector<std::int64_t>& those) const {
        std::string text;
        for (const std::int64_t at : these)
            if (!std::ranges::binary_search(those, at))
                text +=
                    " token " + std::to_string(at) + " (id " + std::to_string(ids[static_cast<std::size_t>(at)]) + ")";
        return text;
    }
    void reset() {
        decoder.reset();
        ids.clear();
    }
};
