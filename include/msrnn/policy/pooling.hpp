// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "../config.hpp"
#include "../core/ratings.hpp"
#include "../core/slot.hpp"

namespace msrnn::inline MSRNN_ABI {

/// What a token takes over from its neighbours in time.
enum class Pooling : unsigned char { average, maximum };

constexpr const char* name_of(Pooling pooling) { return pooling == Pooling::maximum ? "maximum" : "average"; }

/// Calls use(slot, pooled) for the slots of `order`: the numbers of the `kernel` neighbours around each, in that order.
/// Their average is divided by `kernel` at the ends too, as if a neighbour beyond an end had 0; a maximum ignores what
/// is beyond. `kernel` is odd. Cost: order.size() * kernel.
template <class Use>
void pool(std::span<const Slot> order, std::size_t kernel, Pooling pooling, std::span<const float> numbers, Use use) {
    const std::size_t reach = kernel / 2;
    for (std::size_t i = 0; i < order.size(); ++i) {
        const std::size_t first = i < reach ? 0 : i - reach, end = (std::min)(i + reach + 1, order.size());
        float pooled = 0;
        for (std::size_t by = first; by < end; ++by)
            pooled = pooling == Pooling::maximum ? (std::max)(pooled, numbers[order[by]]) : pooled + numbers[order[by]];
        use(order[i], pooling == Pooling::maximum ? pooled : pooled / static_cast<float>(kernel));
    }
}

/// The live slots that arrived before the newest `window` tokens, in the order of their arrival.
inline std::span<const Slot> before_window(const Ratings& rating, std::size_t window) {
    const std::span<const Slot> all = rating.in_order();
    std::size_t count = all.size();
    while (count > 0 && rating.age(all[count - 1]) <= window) --count;
    return all.first(count);
}

}  // namespace msrnn::inline MSRNN_ABI
