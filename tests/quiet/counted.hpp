#pragma once

#include <atomic>
#include <cstddef>

/// What the allocating functions were asked for; counted in allocations.cpp.
namespace counted {
extern std::atomic<std::size_t> allocations;
extern std::atomic<std::size_t> largest;  // bytes
}  // namespace counted

template <class Work>
std::size_t allocations_of(Work work) {
    const std::size_t before = counted::allocations;
    work();
    return counted::allocations - before;
}
/// The most bytes that were asked for at once.
template <class Work>
std::size_t largest_allocation_of(Work work) {
    counted::largest = 0;
    work();
    return counted::largest;
}
