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

inline constexpr std::size_t bits_per_word = 64;

/// Which numbers of a pack are chosen: one bit each.
inline auto chosen_by(std::uint32_t bits) {
    IntPack of_each{};
    for (std::size_t i = 0; i < floats_per_pack; ++i) of_each[i] = 1 << i;
    return ((static_cast<std::int32_t>(bits) - IntPack{}) & of_each) != 0;
}
inline Pack nan_lowest(Pack rating) { return rating == rating ? rating : all(-std::numeric_limits<float>::infinity()); }
inline float nan_lowest(float rating) { return rating == rating ? rating : -std::numeric_limits<float>::infinity(); }

/// Calls use(at, chosen, chain) for the packs of [first, end), whole ones; `first` is a multiple of 64. Four chains in
/// turn, for what would otherwise wait for itself.
template <class Use>
[[gnu::always_inline]] inline void each_chosen_pack(const std::uint64_t* chosen, std::size_t first, std::size_t end,
                                                    Use use) {
    std::size_t at = first;
    for (; at + bits_per_word <= end; at += bits_per_word) {
        const std::uint64_t bits = chosen[at / bits_per_word];
#pragma GCC unroll 16
        for (std::size_t i = 0; i < bits_per_word; i += floats_per_pack)
            use(at + i, chosen_by(static_cast<std::uint32_t>(bits >> i)), i / floats_per_pack % 4);
    }
    for (; at < end; at += floats_per_pack)
        use(at, chosen_by(static_cast<std::uint32_t>(chosen[at / bits_per_word] >> at % bits_per_word)), 0);
}
/// Calls use(at, bits) for the same slots, word by word: bit i is that of slot at + i in test(at), test(at + pack) and
/// so on.
template <class Test, class Use>
[[gnu::always_inline]] inline void each_word(std::size_t first, std::size_t end, Test test, Use use) {
    std::size_t at = first;
    for (; at + bits_per_word <= end; at += bits_per_word) {
        std::uint64_t bits = 0;
#pragma GCC unroll 16
        for (std::size_t i = 0; i < bits_per_word; i += floats_per_pack) bits |= std::uint64_t{test(at + i)} << i;
        use(at, bits);
    }
    std::uint64_t bits = 0;
    for (std::size_t i = at; i < end; i += floats_per_pack) bits |= std::uint64_t{test(i)} << (i - at);
    if (at < end) use(at, bits);
}

/// See weakest_slot() in core/loops.hpp.
///
/// One scan for the lowest rating, which keeps the minima of each block of slots; then for the slot, in the blocks that
/// have it. Stamps are read only where several slots may. Slots behind the last whole pack are taken one by one: a pack
/// that overlaps what was just written in two pieces waits until both have left the processor.
///
/// Written with vectors because loops that compilers vectorise when they stand alone stay scalar once they are inlined
/// here and there. Measured, g++ 12 and AVX-512, 4096 slots: a decision of Window took 760 ns so, 6,000 as two loops
/// over sixteen minima that were not vectorised.
inline std::size_t weakest_in_packs(const float* ratings, const std::int32_t* stamps, const std::uint64_t* chosen,
                                    std::size_t slots) {
    constexpr std::size_t most = 64, least = 256;
    constexpr std::int32_t none = (std::numeric_limits<std::int32_t>::max)();
    const std::size_t whole = slots - slots % floats_per_pack;
    const std::size_t block = slots <= most * least ? least : (slots / most / least + 1) * least;
    const auto end = [=](std::size_t at) { return whole - at < block ? whole : at + block; };
    const auto is_chosen = [=](std::size_t slot) {
        return (chosen[slot / bits_per_word] >> slot % bits_per_word & 1) != 0;
    };
    const Pack highest = all(std::numeric_limits<float>::infinity());
    Pack low = highest, low_of[most];
    for (std::size_t at = 0, b = 0; at < whole; at = end(at), ++b) {
        Pack lows[4] = {highest, highest, highest, highest};
        each_chosen_pack(
            chosen, at, end(at), [&](std::size_t i, auto are_chosen, std::size_t chain) __attribute__((always_inline)) {
                const Pack x = are_chosen ? nan_lowest(load(ratings + i)) : highest;
                lows[chain] = x < lows[chain] ? x : lows[chain];
            });
        const Pack x = lows[0] < lows[1] ? lows[0] : lows[1], y = lows[2] < lows[3] ? lows[2] : lows[3];
        low_of[b] = x < y ? x : y;
        low = low_of[b] < low ? low_of[b] : low;
    }
    float lowest = smallest(low);
    for (std::size_t slot = whole; slot < slots; ++slot) {
        const float x = is_chosen(slot) ? nan_lowest(ratings[slot]) : lowest;
        lowest = x < lowest ? x : lowest;
    }
    const Pack lowests = all(lowest);
    std::size_t found = slots, hits = 0;
    const auto take = [&](std::size_t slot, std::uint64_t equal) {
        found = equal != 0 ? slot + static_cast<std::size_t>(__builtin_ctzll(equal)) : found;
        hits += equal != 0 ? 1u : 0u;
        hits += (equal & (equal - 1)) != 0 ? 1u : 0u;
    };
    for (std::size_t at = 0, b = 0; at < whole && hits < 2; at = end(at), ++b)
        if (equal_bits(low_of[b], lowests) != 0)
            each_word(
                at, end(at), [&](std::size_t i) { return equal_bits(nan_lowest(load(ratings + i)), lowests); },
                [&](std::size_t i, std::uint64_t equal) { take(i, equal & chosen[i / bits_per_word]); });
    for (std::size_t slot = whole; slot < slots; ++slot)
        take(slot, is_chosen(slot) && nan_lowest(ratings[slot]) == lowest ? 1u : 0u);
    if (hits == 1) return found;
    const IntPack numbers = numbered(std::make_index_sequence<floats_per_pack>()), nowhere = none - IntPack{};
    IntPack earliest = nowhere, slot_of = nowhere;
    for (std::size_t at = 0, b = 0; at < whole; at = end(at), ++b) {
        if (equal_bits(low_of[b], lowests) == 0) continue;
        each_chosen_pack(
            chosen, at, end(at), [&](std::size_t i, auto are_chosen, std::size_t) __attribute__((always_inline)) {
                const auto hit = (nan_lowest(load(ratings + i)) == lowests) & are_chosen;
                const IntPack stamp = hit ? load<IntPack>(stamps + i) : nowhere;
                const IntPack number = numbers + static_cast<std::int32_t>(i);
                slot_of = stamp < earliest ? number : slot_of;
                earliest = stamp < earliest ? stamp : earliest;
            });
    }
    std::int32_t first = smallest(earliest);
    found =
        first == none ? slots : static_cast<std::size_t>(smallest(earliest == first - IntPack{} ? slot_of : nowhere));
    for (std::size_t slot = whole; slot < slots; ++slot)
        if (is_chosen(slot) && nan_lowest(ratings[slot]) == lowest && (found == slots || stamps[slot] < first)) {
            first = stamps[slot];
            found = slot;
        }
    return found;
}

}  // namespace msrnn::inline MSRNN_ABI::detail
