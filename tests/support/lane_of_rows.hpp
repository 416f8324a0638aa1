#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <msrnn/decide.hpp>
#include <span>
#include <utility>
#include <vector>

#include "support/by_arrival.hpp"

/// A lane beside rows of keys, values and queries that an engine would own. A row that is read is gone when the next
/// is.
template <class P>
struct LaneOfRows {
    using Row = std::vector<float>;

    LaneOfRows(std::size_t budget, const P& policy, std::size_t head_dim = 2, std::size_t query_heads = 1)
        : lane({.budget = budget, .capacity = 64, .query_heads = query_heads, .head_dim = head_dim}, policy),
          keys(64, Row(head_dim)),
          values(64, Row(head_dim)) {}

    /// The query has its heads one after the other.
    void append(std::int64_t position, const Row& key, const Row& value = {}, const Row& query = {}) {
        const msrnn::Slot slot = lane.append(position);
        keys[slot] = key;
        values[slot] = value.empty() ? key : value;
        if (lane.facts().observes && lane.observes()) {
            const std::size_t heads = lane.shape().query_heads;
            const Row zeros(heads * key.size());
            lane.observe(msrnn::Query{(query.empty() ? zeros : query).data(), heads, key.size()}, shown_keys());
        }
    }
    std::vector<std::int64_t> evict() { return by_arrival::positions(lane, lane.evict(shown_keys(), shown_values())); }
    /// The ratings of the live tokens in the order of their arrival.
    Row ratings() {
        lane.rate(shown_keys(), shown_values());
        Row list;
        for (const msrnn::Slot slot : by_arrival::slots(lane)) list.push_back(lane.rating(slot));
        return list;
    }

    msrnn::Keys shown_keys() const {
        return msrnn::Keys([this](msrnn::Slot slot) -> std::span<const float> { return scratch = keys[slot]; });
    }
    msrnn::Values shown_values() const {
        return msrnn::Values([this](msrnn::Slot slot) -> std::span<const float> { return scratch = values[slot]; });
    }

    msrnn::Lane<P> lane;
    std::vector<Row> keys, values;
    mutable Row scratch;
};
