// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>

#include "../config.hpp"
#include "slot.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The rows of a lane that a policy may read: nothing is read, or converted, before a policy asks for a row.
///
///     Keys(k + head * head_dim, row_stride, head_dim)               // float rows in memory
///     Keys([&](Slot slot) -> std::span<const float> { ... })        // 16 bits, int8, pages: any callable
///
/// A callable may convert into scratch: a row is valid until the next one is read. Where it captures references or a
/// few numbers it is copied; a larger one needs a name and must outlive this object. One that is noexcept saves the
/// copy that a lane keeps for the case that reading fails.
class LaneRows {
public:
    LaneRows() = default;
    /// Slot s lies at first + s * stride, `width` floats of it.
    LaneRows(const float* first, std::size_t stride, std::size_t width)
        : first_(first), stride_(stride), width_(width) {}
    /// Any callable from a Slot to a row.
    template <class RowOf>
        requires std::is_invocable_r_v < std::span<const float>,
    const std::remove_cvref_t<RowOf>&, Slot > LaneRows(RowOf&& row_of) {
        using Callable = std::remove_cvref_t<RowOf>;
        may_throw_ = !std::is_nothrow_invocable_v<const Callable&, Slot>;
        if constexpr (sizeof(Callable) <= sizeof callable_ && std::is_trivially_copyable_v<Callable>) {
            std::memcpy(callable_, &row_of, sizeof row_of);
            read_ = [](const unsigned char* callable, Slot slot) -> std::span<const float> {
                return (*reinterpret_cast<const Callable*>(callable))(slot);
            };
        } else {
            static_assert(std::is_lvalue_reference_v<RowOf>,
                          "msrnn: this callable captures much, and so is not copied; give it a name and pass that.");
            const Callable* const lasting = &row_of;
            std::memcpy(callable_, &lasting, sizeof lasting);
            read_ = [](const unsigned char* callable, Slot slot) -> std::span<const float> {
                return (**reinterpret_cast<const Callable* const*>(callable))(slot);
            };
        }
    }

    bool shown() const { return first_ != nullptr || read_ != nullptr; }
    /// Whether reading a row may throw: never where they lie in memory.
    bool may_throw() const { return may_throw_; }
    /// The row of this slot.
    std::span<const float> operator()(std::size_t slot) const {
        return read_ == nullptr ? std::span(first_ + slot * stride_, width_) : read_(callable_, Slot(slot));
    }

private:
    const float* first_ = nullptr;
    std::size_t stride_ = 0;
    std::size_t width_ = 0;
    bool may_throw_ = false;
    std::span<const float> (*read_)(const unsigned char*, Slot) = nullptr;
    alignas(std::max_align_t) unsigned char callable_[32] = {};
};

/// The keys of one KV head, as they are stored: rotated, if the model rotates them.
struct Keys : LaneRows {
    static constexpr unsigned bit = 8;
    using LaneRows::LaneRows;
};

/// The values of one KV head.
struct Values : LaneRows {
    static constexpr unsigned bit = 16;
    using LaneRows::LaneRows;
};

}  // namespace msrnn::inline MSRNN_ABI
