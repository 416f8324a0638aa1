#pragma once

#include <cstring>
#include <msrnn/lane/record.hpp>

template <class Numbers>
bool same_bits(const Numbers& a, const Numbers& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0);
}

inline bool same_record(const msrnn::LaneRecord& a, const msrnn::LaneRecord& b) {
    return a.budget == b.budget && a.seen == b.seen && a.observed == b.observed && a.prompt_end == b.prompt_end &&
           a.rejected == b.rejected && a.positions == b.positions && a.arrivals == b.arrivals && a.pinned == b.pinned &&
           same_bits(a.ratings, b.ratings) && same_bits(a.columns, b.columns) && same_bits(a.floats, b.floats);
}
