// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <new>
#include <vector>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The ordinary allocator under a name of our own, and whole cache lines: packs that lie across two of them are slow.
/// The functions of std::vector<float> exist once in a program, compiled for whichever processor the linker met first;
/// those of OwnVector<float> belong to MSRNN_ABI.
template <class T>
struct OwnAllocator {
    using value_type = T;

    OwnAllocator() = default;
    template <class Other>
    constexpr OwnAllocator(const OwnAllocator<Other>&) noexcept {}

    T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), line)); }
    void deallocate(T* memory, std::size_t) noexcept { ::operator delete(memory, line); }
    friend constexpr bool operator==(OwnAllocator, OwnAllocator) { return true; }

private:
    static constexpr std::align_val_t line{64};
};

/// A std::vector whose functions belong to MSRNN_ABI.
template <class T>
using OwnVector = std::vector<T, OwnAllocator<T>>;

}  // namespace msrnn::inline MSRNN_ABI
