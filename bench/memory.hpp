// Memory that no cache holds.
#pragma once

#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>

/// At least 1 GiB, and at least twice the last-level cache.
inline std::size_t bytes_beyond_cache() {
    std::size_t cache = 0;
    for (const auto& level : benchmark::CPUInfo::Get().caches)
        cache = std::max(cache, static_cast<std::size_t>(level.size));
    return std::max(std::size_t{1} << 30, 2 * cache);
}

/// One piece of memory for all cells of a grid, in large pages where there are some.
class Arena {
public:
    explicit Arena(std::size_t bytes) : bytes_(bytes) {
        constexpr std::size_t large_page = std::size_t{1} << 21;
        memory_ =
            static_cast<char*>(std::aligned_alloc(large_page, (bytes + large_page - 1) / large_page * large_page));
        if (memory_ == nullptr) throw std::bad_alloc();
        madvise(memory_, bytes, MADV_HUGEPAGE);
    }
    Arena(const Arena&) = delete;
    ~Arena() { std::free(memory_); }

    /// Repeats the pattern all over, unless it is there already.
    std::span<char> filled_with(std::span<const char> pattern) {
        if (pattern_ != pattern.data())
            for (std::size_t at = 0; at < bytes_; at += pattern.size())
                std::memcpy(memory_ + at, pattern.data(), std::min(pattern.size(), bytes_ - at));
        pattern_ = pattern.data();
        return {memory_, bytes_};
    }

private:
    std::size_t bytes_;
    char* memory_;
    const char* pattern_ = nullptr;
};
