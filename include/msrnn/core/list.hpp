// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <new>
#include <vector>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The memory of a List.
template <class T>
struct ListAllocator {
    using value_type = T;

    ListAllocator() = default;
    template <class Other>
    constexpr ListAllocator(const ListAllocator<Other>&) {}

    T* allocate(std::size_t count) {
        static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
        return static_cast<T*>(::operator new(count * sizeof(T)));
    }
    void deallocate(T* memory, std::size_t) { ::operator delete(memory); }
    friend constexpr bool operator==(ListAllocator, ListAllocator) { return true; }
};

/// A std::vector of numbers, for use in here. The functions of std::vector<float> itself have the same names in units
/// compiled for different processors, and the linker keeps one of each: with instructions that an older processor does
/// not have. Those of a List belong to MSRNN_ABI. Vectors of our own types are safe as they are.
template <class T>
using List = std::vector<T, ListAllocator<T>>;

}  // namespace msrnn::inline MSRNN_ABI
