#pragma once

#include <cstddef>
#include <msrnn/decide.hpp>
#include <vector>

/// Shows a lane of one query head and head_dim 1 everything that any policy may ask for, all of it these numbers.
namespace show_all {

template <class Lane>
void observe(Lane& lane, const std::vector<float>& numbers) {
    const float* const first = numbers.data();
    const std::size_t n = lane.extent();
    lane.observe(msrnn::Attention{.weights = first, .query_heads = 1, .slots = n, .stride = n},
                 msrnn::Query{first, 1, 1}, msrnn::Keys(first, 1, 1), msrnn::Values(first, 1, 1));
}
template <class Lane>
auto evict(Lane& lane, const std::vector<float>& numbers) {
    return lane.evict(msrnn::Keys(numbers.data(), 1, 1), msrnn::Values(numbers.data(), 1, 1));
}

}  // namespace show_all
