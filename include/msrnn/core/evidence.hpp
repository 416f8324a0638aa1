// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "slot.hpp"

namespace msrnn {

/// What one query saw: its softmax weights over the slots of a lane, one row per query head that shares the lane.
///
/// weights[head * stride + slot], float, after the softmax, the newest token included. `slots` is the lane's extent.
/// Columns of vacant slots may hold anything.
struct Attention {
    const float* weights = nullptr;
    std::size_t query_heads = 0;
    std::size_t slots = 0;
    std::size_t stride = 0;

    /// The weights of one query head, one per slot.
    std::span<const float> row(std::size_t head) const { return {weights + head * stride, slots}; }

    /// Calls use(slot, total) for every slot, `total` being the sum over query heads, added in the order of the heads.
    /// Blocks of a fixed length let the compiler vectorise `use`; a plain loop over slots stays scalar.
    template <class Use>
    void sum(Use use) const {
        fold(use, [](float total) { return total; });
    }

    /// Calls use(slot, mean) for every slot: the sum above, divided by the number of query heads.
    template <class Use>
    void mean(Use use) const {
        fold(use, [heads = static_cast<float>(query_heads)](float total) { return total / heads; });
    }

private:
    static constexpr std::size_t block = 16;

    template <class Use, class Finish>
    void fold(Use& use, Finish finish) const {
        std::size_t first = 0;
        for (; first + block <= slots; first += block) {
            float total[block];
            for (std::size_t i = 0; i < block; ++i) total[i] = weights[first + i];
            for (std::size_t head = 1; head < query_heads; ++head) {
                const float* more = weights + head * stride + first;
                for (std::size_t i = 0; i < block; ++i) total[i] += more[i];
            }
            for (std::size_t i = 0; i < block; ++i) use(first + i, finish(total[i]));
        }
        for (; first < slots; ++first) {
            float total = weights[first];
            for (std::size_t head = 1; head < query_heads; ++head) total += weights[head * stride + first];
            use(first, finish(total));
        }
    }
};

/// The keys of one KV head, wherever they lie: any callable from a `Slot` to its row as `std::span<const float>`.
/// A row need only live until the next call, so the callable may convert 16-bit or quantised rows into scratch.
template <class RowOf>
struct Keys {
    RowOf row_of;
    std::span<const float> operator()(Slot slot) const { return row_of(slot); }
};
template <class RowOf>
Keys(RowOf) -> Keys<RowOf>;

/// The values of one KV head, in the same form as `Keys`.
template <class RowOf>
struct Values {
    RowOf row_of;
    std::span<const float> operator()(Slot slot) const { return row_of(slot); }
};
template <class RowOf>
Values(RowOf) -> Values<RowOf>;

}  // namespace msrnn
