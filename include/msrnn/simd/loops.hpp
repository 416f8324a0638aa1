// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include "../config.hpp"
#include "pack.hpp"

/// The loops of a decision in packs. core/loops.hpp has them in plain C++.
namespace msrnn::inline MSRNN_ABI::detail {

/// A whole pack of an array, from index `at` on.
struct PackAt {
    std::size_t at;
    Pack operator()(const float* numbers) const { return load(numbers + at); }
    void set(float* numbers, Pack value) const { store(numbers + at, value); }
    static Pack all(float x) { return detail::all(x); }
};
/// Calls use(place) for the whole packs of `count` floats; returns how many floats those are.
template <class Use>
std::size_t each_whole_pack(std::size_t count, Use use) {
    std::size_t at = 0;
    for (; at + floats_per_pack <= count; at += floats_per_pack) use(PackAt{at});
    return at;
}

/// Asks for the memory of these numbers, which is read soon. (g++ 12 removes calls of a function that does nothing but
/// that, unless an empty instruction forbids it.)
template <class Number>
void prefetch(const Number* numbers, std::size_t count) {
    constexpr std::size_t line = 64;
    const char* const bytes = reinterpret_cast<const char*>(numbers);
    for (std::size_t at = 0; at < count * sizeof(Number); at += line) __builtin_prefetch(bytes + at);
    asm volatile("");
}

/// Which numbers of a pack are chosen: one bit each.
inline auto chosen_by(std::uint32_t bits) {
    IntPack of_each{};
    for (std::size_t i = 0; i < floats_per_pack; ++i) of_each[i] = 1 << i;
    return ((static_cast<std::int32_t>(bits) - IntPack{}) & of_each) != 0;
}
inline Pack nan_lowest(Pack rating) { return rating == rating ? rating : all(-std::numeric_limits<float>::infinity()); }

/// Calls use(at, chosen, chain) for packs that cover [first, end), at least floats_per_pack: the last one may overlap
/// the one before it. `first` is a multiple of 64. Four chains in turn, for what would otherwise wait for itself.
template <class Use>
[[gnu::always_inline]] inline void each_chosen_pack(const std::uint64_t* chosen, std::size_t first, std::size_t end,
                                                    Use use) {
    constexpr std::size_t word = 64;
    std::size_t at = first;
    for (; at + word <= end; at += word) {
        const std::uint64_t bits = chosen[at / word];
#pragma GCC unroll 16
        for (std::size_t i = 0; i < word; i += floats_per_pack)
            use(at + i, chosen_by(static_cast<std::uint32_t>(bits >> i)), i / floats_per_pack % 4);
    }
    for (; at + floats_per_pack <= end; at += floats_per_pack)
        use(at, chosen_by(static_cast<std::uint32_t>(chosen[at / word] >> at % word)), 0);
    if (at == end) return;
    at = end - floats_per_pack;
    std::uint64_t bits = chosen[at / word] >> at % word;
    if (at % word + floats_per_pack > word) bits |= chosen[at / word + 1] << (word - at % word);
    use(at, chosen_by(static_cast<std::uint32_t>(bits)), 1);
}

/// See weakest_slot() in core/loops.hpp; for at least floats_per_pack slots.
///
/// One scan for the lowest rating, which keeps the minima of each block of slots; then for the slot, in the blocks that
/// have it. Stamps are read only where several slots may.
///
/// Written with vectors because loops that compilers vectorise when they stand alone stay scalar once they are inlined
/// here and there. Measured, g++ 12 and AVX-512, 4096 slots: a decision of Window took 760 ns so, 6,000 as two loops
/// over sixteen minima that were not vectorised.
inline std::size_t weakest_in_packs(const float* ratings, const std::int32_t* stamps, const std::uint64_t* chosen,
                                    std::size_t slots) {
    constexpr std::size_t most = 64, least = 256;
    constexpr std::int32_t none = (std::numeric_limits<std::int32_t>::max)();
    const std::size_t block = slots <= most * least ? least : (slots / most / least + 1) * least;
    const auto end = [=](std::size_t at) { return slots - at < block + floats_per_pack ? slots : at + block; };
    const Pack highest = all(std::numeric_limits<float>::infinity());
    Pack low = highest, low_of[most];
    for (std::size_t at = 0, b = 0; at < slots; at = end(at), ++b) {
        Pack lows[4] = {highest, highest, highest, highest};
        each_chosen_pack(
            chosen, at, end(at), [&](std::size_t i, auto is_chosen, std::size_t chain) __attribute__((always_inline)) {
                const Pack x = is_chosen ? nan_lowest(load(ratings + i)) : highest;
                lows[chain] = x < lows[chain] ? x : lows[chain];
            });
        const Pack x = lows[0] < lows[1] ? lows[0] : lows[1], y = lows[2] < lows[3] ? lows[2] : lows[3];
        low_of[b] = x < y ? x : y;
        low = low_of[b] < low ? low_of[b] : low;
    }
    const Pack lowest = all(smallest(low));
    const IntPack numbers = numbered(std::make_index_sequence<floats_per_pack>()), nowhere = none - IntPack{};
    IntPack slot = nowhere, count{};
    std::size_t blocks = 0;
    for (std::size_t at = 0, b = 0; at < slots && blocks < 2; at = end(at), ++b) {
        if (smallest(low_of[b] == lowest) == 0) continue;
        ++blocks;
        each_chosen_pack(
            chosen, at, end(at), [&](std::size_t i, auto is_chosen, std::size_t) __attribute__((always_inline)) {
                const auto hit = (nan_lowest(load(ratings + i)) == lowest) & is_chosen;
                const IntPack number = numbers + static_cast<std::int32_t>(i);
                slot = hit ? number : slot;
                count -= hit;
            });
    }
    const auto counted = fold_to_quad(count, [](auto a, auto b) { return a + b; });
    if (blocks == 1 && counted[0] + counted[1] + counted[2] + counted[3] == 1)
        return static_cast<std::size_t>(smallest(slot));
    IntPack earliest = nowhere;
    slot = nowhere;
    for (std::size_t at = 0, b = 0; at < slots; at = end(at), ++b) {
        if (smallest(low_of[b] == lowest) == 0) continue;
        each_chosen_pack(
            chosen, at, end(at), [&](std::size_t i, auto is_chosen, std::size_t) __attribute__((always_inline)) {
                const auto hit = (nan_lowest(load(ratings + i)) == lowest) & is_chosen;
                const IntPack stamp = hit ? load<IntPack>(stamps + i) : nowhere;
                const IntPack number = numbers + static_cast<std::int32_t>(i);
                slot = stamp < earliest ? number : slot;
                earliest = stamp < earliest ? stamp : earliest;
            });
    }
    const std::int32_t first = smallest(earliest);
    if (first == none) return slots;
    return static_cast<std::size_t>(smallest(earliest == first - IntPack{} ? slot : nowhere));
}

}  // namespace msrnn::inline MSRNN_ABI::detail
