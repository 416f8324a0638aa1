#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "support/mirror.hpp"

namespace differential {

/// The mirror of one lane of a state, with its rows and its past.
template <class Scalar>
struct LaneTwin {
    mirror::Lane lane;
    std::vector<mirror::Lane> before = {};  // its last steps, of those that can be taken back
    std::size_t prompt = 0;                 // tokens of a prompt before those that can be taken back
    std::vector<mirror::Lane> before_prompt = {}, steps_before_prompt = {};
    std::vector<Scalar> keys = {}, values = {};  // [arrival][heads of the lane][head_dim]
    std::size_t width;

    void come(std::int64_t position, std::span<const Scalar> key, std::span<const Scalar> value) {
        keys.resize(lane.seen * width);
        values.resize(lane.seen * width);
        keys.insert(keys.end(), key.begin(), key.end());
        values.insert(values.end(), value.begin(), value.end());
        lane.append(position);
    }
    const Scalar* key(std::uint64_t arrival, std::size_t head) const { return at(keys, arrival, head); }
    const Scalar* value(std::uint64_t arrival, std::size_t head) const { return at(values, arrival, head); }
    /// So many tokens in chunks, of which all or none are undone here.
    void begin_prompt(std::size_t tokens, std::size_t depth) {
        if (tokens == 0) return;
        steps_before_prompt = before;
        before.clear();
        prompt = tokens <= depth ? tokens : 0;
        before_prompt.assign(1, lane);
    }
    void forget() {
        before.clear();
        prompt = 0;
    }
    std::size_t reversible(std::size_t depth) const { return std::min(depth, before.size() + prompt); }
    bool splits_prompt(std::size_t steps) const { return steps > before.size() && steps < before.size() + prompt; }
    void undo(std::size_t steps) {
        if (steps > before.size()) {
            lane = before_prompt.front();
            before = steps_before_prompt;
            prompt = 0;
            return;
        }
        for (; steps > 0; --steps) {
            lane = before.back();
            before.pop_back();
        }
    }

private:
    const Scalar* at(const std::vector<Scalar>& rows, std::uint64_t arrival, std::size_t offset) const {
        return rows.data() + arrival * width + offset;
    }
};

}  // namespace differential
