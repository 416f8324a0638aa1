// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

/// What copies of a value share and never change: it counts its owners, on several threads too. A copy has none yet.
class SharedPart {
public:
    SharedPart() = default;
    SharedPart(const SharedPart&) noexcept {}
    SharedPart& operator=(const SharedPart&) = delete;
    virtual ~SharedPart() = default;

private:
    template <class T>
    friend class Shared;
    mutable std::atomic<std::size_t> owners_{0};
};

/// An owner of a SharedPart, or of none. As std::shared_ptr, without <memory>: that is 20,000 lines, and the macros of
/// windows.h break it in libstdc++.
template <class T>
class Shared {
public:
    Shared() = default;
    explicit Shared(T* made) noexcept : part_(made) { join(); }
    Shared(const Shared& other) noexcept : part_(other.part_) { join(); }
    Shared(Shared&& other) noexcept : part_(std::exchange(other.part_, nullptr)) {}
    template <class Derived>
        requires std::is_convertible_v<Derived*, T*> Shared(const Shared<Derived>& other)
    noexcept : Shared(other.get()) {}
    Shared& operator=(Shared other) noexcept {
        std::swap(part_, other.part_);
        return *this;
    }
    ~Shared() { reset(); }

    void reset() noexcept {
        T* const left = std::exchange(part_, nullptr);
        if (left != nullptr && owners(left).fetch_sub(1, std::memory_order_acq_rel) == 1) delete left;
    }
    T* get() const { return part_; }
    T* operator->() const { return part_; }
    T& operator*() const { return *part_; }
    bool empty() const { return part_ == nullptr; }

private:
    static std::atomic<std::size_t>& owners(const SharedPart* part) { return part->owners_; }
    void join() noexcept {
        if (part_ != nullptr) owners(part_).fetch_add(1, std::memory_order_relaxed);
    }

    T* part_ = nullptr;
};

}  // namespace msrnn::inline MSRNN_ABI::detail
