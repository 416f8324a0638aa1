// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>

#include "../config.hpp"

/// Memory for rows, out of large pages where the system has them (Linux with glibc).
///
/// Rows of many heads that lie in small pages at scattered places are read at two thirds of the speed or less, and a
/// large page has to be asked for before its 2 MiB are touched. So rows share pieces of several large pages, first fit.
/// Keys and values of a head that are asked for one after the other lie side by side. A piece goes back when it is
/// empty; of one that is not, large pages without a row cost address space only.
///
/// An address sanitizer would not see one row run into another, so under it (and elsewhere) every row block is an
/// allocation of its own.
namespace msrnn::inline MSRNN_ABI::detail {

inline constexpr std::align_val_t line_alignment{64};

#if MSRNN_OWN_ROW_MEMORY
// As glibc declares them. Its headers are not included: doors reach nothing but the C++ library.
extern "C" int madvise(void*, std::size_t, int) noexcept;
extern "C" int sched_yield() noexcept;
inline constexpr int advice_large_pages = 14, advice_not_needed = 4;  // MADV_HUGEPAGE, MADV_DONTNEED
#endif

class RowMemoryPool {
public:
    static constexpr std::size_t large_page = std::size_t{1} << 21, piece_bytes = 4 * large_page;
    /// Fewer bytes than that, or more, are allocations of their own.
    static constexpr std::size_t fewest = 16384, most = piece_bytes / 2;

    void* take(std::size_t bytes) {
        if (bytes < fewest) return ::operator new(bytes, line_alignment);
        if (bytes > most) return large(bytes);
        bytes = rounded(bytes);
        const Lock lock(busy_);
        for (Piece* piece = pieces_; piece != nullptr; piece = piece->next)
            if (void* const memory = cut(*piece, bytes); memory != nullptr) return memory;
        return cut(new_piece(), bytes);
    }
    void give_back(void* memory, std::size_t bytes) noexcept {
        if (bytes < fewest) return ::operator delete(memory, line_alignment);
        if (bytes > most) return ::operator delete (memory, std::align_val_t{large_page});
        bytes = rounded(bytes);
        const Lock lock(busy_);
        Piece** link = &pieces_;
        while (!holds(**link, memory)) link = &(*link)->next;
        Piece* const piece = *link;
        const Span& span = join(*piece, static_cast<char*>(memory), bytes);
        if (span.bytes != piece_bytes) return empty_pages(*piece, span, static_cast<char*>(memory), bytes);
        *link = piece->next;
        ::operator delete (piece->base, std::align_val_t{large_page});
        delete piece;
    }
    /// Address space of all pieces.
    std::size_t bytes() {
        const Lock lock(busy_);
        std::size_t sum = 0;
        for (const Piece* piece = pieces_; piece != nullptr; piece = piece->next) sum += piece_bytes;
        return sum;
    }

private:
    /// Free memory, which holds what is known of it; ordered by address.
    struct Span {
        Span* next;
        std::size_t bytes;
    };
    struct Piece {
        char* base;
        Span* free;
        Piece* next;
    };
    /// <atomic> would be a tenth of what the door of attention costs a compiler.
    class Lock {
    public:
        explicit Lock(bool& busy) : busy_(busy) {
            while (__atomic_test_and_set(&busy_, __ATOMIC_ACQUIRE)) wait();
        }
        Lock(const Lock&) = delete;
        Lock& operator=(const Lock&) = delete;
        ~Lock() { __atomic_clear(&busy_, __ATOMIC_RELEASE); }

    private:
        static void wait() {
#if MSRNN_OWN_ROW_MEMORY
            sched_yield();
#endif
        }
        bool& busy_;
    };

    static std::size_t rounded(std::size_t bytes) { return (bytes + 63) / 64 * 64; }
    static bool holds(const Piece& piece, const void* memory) {
        const auto* const at = static_cast<const char*>(memory);
        return at >= piece.base && at < piece.base + piece_bytes;
    }
    static void* large(std::size_t bytes) {
        void* const memory = ::operator new (bytes, std::align_val_t{large_page});
        ask_for_large_pages(memory, bytes);
        return memory;
    }
    static void ask_for_large_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#if MSRNN_OWN_ROW_MEMORY
        static_cast<void>(madvise(memory, bytes / large_page * large_page, advice_large_pages));
#endif
    }
    Piece& new_piece() {
        struct Unfinished {
            Piece* piece;
            ~Unfinished() { delete piece; }
        } unfinished{new Piece{nullptr, nullptr, pieces_}};
        unfinished.piece->base = static_cast<char*>(large(piece_bytes));
        unfinished.piece->free = new (unfinished.piece->base) Span{nullptr, piece_bytes};
        pieces_ = unfinished.piece;
        unfinished.piece = nullptr;
        return *pieces_;
    }
    static void* cut(Piece& piece, std::size_t bytes) {
        for (Span** link = &piece.free; *link != nullptr; link = &(*link)->next) {
            Span* const span = *link;
            if (span->bytes < bytes) continue;
            Span* const next = span->next;
            const std::size_t left = span->bytes - bytes;
            *link = left == 0 ? next : new (reinterpret_cast<char*>(span) + bytes) Span{next, left};
            return span;
        }
        return nullptr;
    }
    /// The free memory that these bytes are part of from now on.
    static const Span& join(Piece& piece, char* memory, std::size_t bytes) noexcept {
        Span** link = &piece.free;
        Span* before = nullptr;
        while (*link != nullptr && reinterpret_cast<char*>(*link) < memory) {
            before = *link;
            link = &before->next;
        }
        Span* const after = *link;
        Span* span = new (memory) Span{after, bytes};
        *link = span;
        if (after != nullptr && memory + bytes == reinterpret_cast<char*>(after)) {
            span->bytes += after->bytes;
            span->next = after->next;
        }
        if (before != nullptr && reinterpret_cast<char*>(before) + before->bytes == memory) {
            before->bytes += span->bytes;
            before->next = span->next;
            span = before;
        }
        return *span;
    }
    /// Gives the large pages that these bytes lay in to the system, where all of the page is free.
    static void empty_pages(const Piece& piece, const Span& span, const char* memory, std::size_t bytes) noexcept {
        const auto at = [&](const char* byte) { return static_cast<std::size_t>(byte - piece.base); };
        const std::size_t free = at(reinterpret_cast<const char*>(&span)), freed = at(memory);
        const std::size_t first = (std::max)(upwards(free + sizeof(Span)), freed / large_page * large_page);
        const std::size_t last = (std::min)((free + span.bytes) / large_page * large_page, upwards(freed + bytes));
        if (first < last) empty(piece.base + first, last - first);
    }
    static std::size_t upwards(std::size_t offset) { return (offset + large_page - 1) / large_page * large_page; }
    static void empty([[maybe_unused]] char* memory, [[maybe_unused]] std::size_t bytes) noexcept {
#if MSRNN_OWN_ROW_MEMORY
        static_cast<void>(madvise(memory, bytes, advice_not_needed));
#endif
    }

    bool busy_ = false;
    Piece* pieces_ = nullptr;
};

/// Of the whole program. It is never destroyed: rows may live as long as the program does.
inline RowMemoryPool& row_memory() {
    static RowMemoryPool pool;
    return pool;
}

/// Memory for rows; starts at a cache line, copies included.
template <class T>
struct RowAllocator {
    using value_type = T;

    RowAllocator() = default;
    template <class Other>
    constexpr RowAllocator(const RowAllocator<Other>&) {}

    T* allocate(std::size_t count) {
#if MSRNN_OWN_ROW_MEMORY
        return static_cast<T*>(row_memory().take(count * sizeof(T)));
#else
        return static_cast<T*>(::operator new(count * sizeof(T), line_alignment));
#endif
    }
    void deallocate(T* memory, [[maybe_unused]] std::size_t count) noexcept {
#if MSRNN_OWN_ROW_MEMORY
        row_memory().give_back(memory, count * sizeof(T));
#else
        ::operator delete(memory, line_alignment);
#endif
    }
    friend constexpr bool operator==(RowAllocator, RowAllocator) { return true; }
};

}  // namespace msrnn::inline MSRNN_ABI::detail
