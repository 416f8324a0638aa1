// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "../config.hpp"
#include "loops.hpp"
#include "slot.hpp"

namespace msrnn::inline MSRNN_ABI {

/// What one query saw: its softmax weights over the slots of a lane, one row per query head that shares the lane.
///
/// weights[row * stride + slot], float, after the softmax, the newest token included. `slots` is the lane's extent.
/// Columns of vacant slots may hold anything. Rows that were summed over heads already are fewer than the query heads
/// they stand for, see Parts.
struct Attention {
    static constexpr unsigned bit = 1;
    const float* weights = nullptr;
    std::size_t query_heads = 0;  ///< that the rows stand for
    std::size_t slots = 0;
    std::size_t stride = 0;
    std::size_t rows = query_heads;  ///< 1 where the heads are summed

    bool shown() const { return weights != nullptr; }
    /// The weights of one row, one per slot.
    std::span<const float> row(std::size_t row) const { return {weights + row * stride, slots}; }

    /// Calls use(slot, total) for every slot, `total` being the sum over query heads, added in the order of the heads.
    template <class Use>
    void sum(Use use) const {
        each(use, [](float total) { return total; });
    }
    /// Calls use(slot, mean) for every slot: the sum above, divided by the number of query heads.
    template <class Use>
    void mean(Use use) const {
        each(use, [heads = static_cast<float>(query_heads)](float total) { return total / heads; });
    }

    /// numbers[slot] <- keep * numbers[slot] + the sum; at keep 0 the old numbers do not count, whatever they are.
    void sum_into(std::span<float> numbers, float keep) const {
        into(numbers, keep, [](const auto& total) { return total; });
    }
    /// numbers[slot] <- keep * numbers[slot] + the mean.
    void mean_into(std::span<float> numbers, float keep) const {
        const auto heads = static_cast<float>(query_heads);
        const bool power_of_two = (query_heads & (query_heads - 1)) == 0;
        if (power_of_two)  // the same number without a division
            into(numbers, keep, [one = 1 / heads](const auto& total) { return total * one; });
        else
            into(numbers, keep, [heads](const auto& total) { return total / heads; });
    }

private:
    // Slots go in blocks, and within a block head after head: rows of weights are long, and read best in one piece.
    static constexpr std::size_t block = 256;
    struct alignas(64) Totals {
        float of[block];
    };

    /// Calls use(first, count, totals) for every block.
    template <class Use>
    void fold(Use use) const {
        if (rows == 1) return use(0, slots, weights);
        Totals totals;
        for (std::size_t first = 0; first < slots; first += block) {
            const std::size_t count = slots - first < block ? slots - first : block;
            add(weights + first, weights + stride + first, count, rows - 1, totals.of);
            use(first, count, totals.of);
        }
    }
    static constexpr std::size_t most_rows = 8;
    /// sums <- the total and `more` rows. Eight rows at a time, since reading and storing sums costs as much as a row.
    void add(const float* total, const float* row, std::size_t count, std::size_t more, float* sums) const {
        for (; more > 0; total = sums) {
            const std::size_t taken = more < most_rows ? more : most_rows;
            add_rows(std::make_index_sequence<most_rows>(), taken, total, row, count, sums);
            more -= taken;
            row += taken * stride;
        }
    }
    /// The same for `taken` rows: the loop that has that number compiled in.
    template <std::size_t... I>
    void add_rows(std::index_sequence<I...>, std::size_t taken, const float* total, const float* row, std::size_t count,
                  float* sums) const {
        (void)((taken == I + 1 && (add_these(std::make_index_sequence<I + 1>(), total, row, count, sums), true)) ||
               ...);
    }
    template <std::size_t... I>
    void add_these(std::index_sequence<I...>, const float* total, const float* row, std::size_t count,
                   float* sums) const {
        const float* const rows_at[] = {row + I * stride...};
        detail::each_float(count, [=](auto at) { at.set(sums, (at(total) + ... + at(rows_at[I]))); });
    }
    template <class Use, class Finish>
    void each(Use& use, Finish finish) const {
        fold([&](std::size_t first, std::size_t count, const float* total) {
            for (std::size_t i = 0; i < count; ++i) use(first + i, finish(total[i]));
        });
    }
    template <class Finish>
    void into(std::span<float> numbers, float keep, Finish finish) const {
        fold([&](std::size_t first, std::size_t count, const float* total) {
            // By value: what is captured by reference is read again after every store to a float.
            float* const number = numbers.data() + first;
            if (keep == 0)
                detail::each_float(count, [=](auto place) { place.set(number, finish(place(total))); });
            else
                detail::each_float(count, [=](auto place) {
                    place.set(number, place.all(keep) * place(number) + finish(place(total)));
                });
        });
    }
};

/// The same weights for policies that look at each query head: a sum over heads does not do.
struct Heads {
    static constexpr unsigned bit = 2;
    const float* weights = nullptr;
    std::size_t query_heads = 0;
    std::size_t slots = 0;
    std::size_t stride = 0;

    bool shown() const { return weights != nullptr; }
    /// The weights of one query head, one per slot.
    std::span<const float> operator()(std::size_t head) const { return {weights + head * stride, slots}; }
};

/// The query of the newest token, head by head, as attention used it: rotated, not scaled.
struct Query {
    static constexpr unsigned bit = 4;
    const float* first = nullptr;  ///< query head h lies at first + h * stride
    std::size_t query_heads = 0;
    std::size_t head_dim = 0;
    std::size_t stride = head_dim;

    bool shown() const { return first != nullptr; }
    /// The numbers of one query head.
    std::span<const float> operator()(std::size_t head) const { return {first + head * stride, head_dim}; }
};

/// The outputs of attention for the newest token, head by head: the sums of weight times value.
struct Outputs {
    static constexpr unsigned bit = 32;
    const float* first = nullptr;  ///< that of query head h lies at first + h * stride
    std::size_t query_heads = 0;
    std::size_t value_dim = 0;
    std::size_t stride = value_dim;

    bool shown() const { return first != nullptr; }
    /// The numbers of one query head.
    std::span<const float> operator()(std::size_t head) const { return {first + head * stride, value_dim}; }
};

}  // namespace msrnn::inline MSRNN_ABI
