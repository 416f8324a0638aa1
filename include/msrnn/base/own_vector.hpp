// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <new>
#include <vector>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The ordinary allocator under a name of our own. The functions of std::vector<float> exist once in a program,
/// compiled for whichever processor the linker met first; those of OwnVector<float> belong to MSRNN_ABI.
template <class T>
struct OwnAllocator {
    using value_type = T;

    OwnAllocator() = default;
    template <class Other>
    constexpr OwnAllocator(const OwnAllocator<Other>&) noexcept {}

    T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T))); }
    void deallocate(T* memory, std::size_t) noexcept { ::operator delete(memory); }
    friend constexpr bool operator==(OwnAllocator, OwnAllocator) { return true; }
};

/// A std::vector whose functions belong to MSRNN_ABI.
template <class T>
using OwnVector = std::vector<T, OwnAllocator<T>>;

}  // namespace msrnn::inline MSRNN_ABI
