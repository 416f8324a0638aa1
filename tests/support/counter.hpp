#pragma once

#include <msrnn/decide.hpp>

/// Counts tokens and choices in its floats of the lane: memory that is no slot's.
struct Counter {
    [[maybe_unused]] static constexpr const char* name = "counter";
    msrnn::Memory memory(msrnn::Shape) const { return {.columns = 1, .floats = 2}; }
    void observe(const msrnn::Attention& seen, msrnn::Ratings rating) const noexcept {
        seen.sum_into(rating.column(0), 1);
        rating.floats[0] += 1;
    }
    void rate(msrnn::Ratings rating) const noexcept {
        rating.floats[1] += 1;
        rating.each([&](std::size_t slot) { rating[slot] = rating.column(0)[slot] * rating.floats[0]; });
    }
};
