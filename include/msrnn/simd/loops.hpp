// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

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

/// Calls use(at, chain) for packs that cover [0, count), count >= floats_per_pack: the last one may overlap the one
/// before it. Four chains in turn, for what would otherwise wait for itself.
template <class Use>
[[gnu::always_inline]] inline void each_pack(std::size_t count, Use use) {
    std::size_t at = 0;
    for (; at + 4 * floats_per_pack <= count; at += 4 * floats_per_pack) {
        use(at, 0);
        use(at + floats_per_pack, 1);
        use(at + 2 * floats_per_pack, 2);
        use(at + 3 * floats_per_pack, 3);
    }
    for (; at + floats_per_pack <= count; at += floats_per_pack) use(at, 0);
    if (at < count) use(count - floats_per_pack, 1);
}

/// The smallest value(rating, stamp) over all slots, element by element; there are at least floats_per_pack.
///
/// Written with vectors because loops that compilers vectorise when they stand alone stay scalar once they are inlined
/// here and there. Measured, g++ 12 and AVX-512, 4096 slots: a decision of Window takes 760 ns so, 6,000 as two loops
/// over sixteen minima that were not vectorised.
template <class Vector, class Value>
[[gnu::always_inline]] inline Vector minima(const float* ratings, const std::int32_t* stamps, std::size_t slots,
                                            Vector start, Value value) {
    Vector low[4] = {start, start, start, start};
    each_pack(
        slots, [&](std::size_t at, int chain) __attribute__((always_inline)) {
            const Vector x = value(load<Pack>(ratings + at), load<IntPack>(stamps + at));
            low[chain] = x < low[chain] ? x : low[chain];
        });
    const Vector a = low[0] < low[1] ? low[0] : low[1], b = low[2] < low[3] ? low[2] : low[3];
    return a < b ? a : b;
}

/// The stamps in [first, end): one comparison without a sign does for both ends.
struct StampsBetween {
    std::int32_t first;
    std::uint32_t width;
    StampsBetween(std::int32_t from, std::int32_t end)
        : first(from), width(from < end ? static_cast<std::uint32_t>(end) - static_cast<std::uint32_t>(from) : 0) {}
    auto operator()(IntPack stamp) const { return bits<BitPack>(stamp) - static_cast<std::uint32_t>(first) < width; }
};
inline Pack nan_lowest(Pack rating) { return rating == rating ? rating : all(-std::numeric_limits<float>::infinity()); }

/// The slot of this stamp, which is there.
inline std::size_t slot_of(const std::int32_t* stamps, std::size_t slots, std::int32_t wanted) {
    constexpr std::int32_t none = (std::numeric_limits<std::int32_t>::max)();
    std::int32_t counting[floats_per_pack];
    for (std::size_t i = 0; i < floats_per_pack; ++i) counting[i] = static_cast<std::int32_t>(i);
    const auto numbers = load<IntPack>(counting);
    const IntPack w = wanted - IntPack{}, nowhere = none - IntPack{};
    IntPack slot = nowhere;
    const auto look = [&](std::size_t at) {
        const IntPack number = numbers + static_cast<std::int32_t>(at);
        slot = load<IntPack>(stamps + at) == w ? number : slot;
    };
    constexpr std::size_t block = 4 * floats_per_pack;
    std::size_t at = 0;
    for (; at + block <= slots; at += block) {
        for (std::size_t i = 0; i < block; i += floats_per_pack) look(at + i);
        if (const std::int32_t found = smallest(slot); found != none) return static_cast<std::size_t>(found);
    }
    for (; at + floats_per_pack <= slots; at += floats_per_pack) look(at);
    look(slots - floats_per_pack);
    return static_cast<std::size_t>(smallest(slot));
}
/// See weakest_slot() in core/loops.hpp; for at least floats_per_pack slots.
///
/// One scan for the lowest rating, which keeps the minima of each block of slots; then, in the blocks that have it, for
/// the earliest stamp that carries it.
inline std::size_t weakest_in_packs(const float* ratings, const std::int32_t* stamps, std::size_t slots,
                                    std::int32_t first, std::int32_t end) {
    constexpr std::size_t most = 64, least = 256;
    constexpr std::int32_t none = (std::numeric_limits<std::int32_t>::max)();
    const std::size_t block = slots <= most * least ? least : (slots / most / least + 1) * least;
    const auto size = [=](std::size_t at) { return slots - at < block + floats_per_pack ? slots - at : block; };
    const StampsBetween candidate(first, end);
    const Pack highest = all(std::numeric_limits<float>::infinity());
    Pack low = highest, low_of[most];
    for (std::size_t at = 0, b = 0; at < slots; at += size(at), ++b) {
        low_of[b] = minima(ratings + at, stamps + at, size(at), highest,
                           [&](Pack rating, IntPack stamp) { return candidate(stamp) ? nan_lowest(rating) : highest; });
        low = low_of[b] < low ? low_of[b] : low;
    }
    const Pack lowest = all(smallest(low));
    std::int32_t earliest = none;
    std::size_t there = 0;
    for (std::size_t at = 0, b = 0; at < slots; at += size(at), ++b) {
        if (smallest(low_of[b] == lowest) == 0) continue;
        const std::int32_t stamp =
            smallest(minima(ratings + at, stamps + at, size(at), none - IntPack{}, [&](Pack rating, IntPack s) {
                return nan_lowest(rating) == lowest ? candidate(s) ? s : none - IntPack{} : none - IntPack{};
            }));
        if (stamp >= earliest) continue;
        earliest = stamp;
        there = at;
    }
    return earliest == none ? slots : there + slot_of(stamps + there, size(there), earliest);
}

}  // namespace msrnn::inline MSRNN_ABI::detail
