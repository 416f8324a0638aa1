// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "../config.hpp"
#if !MSRNN_PORTABLE
#include "../simd/loops.hpp"
#endif

/// The two loops in which a decision spends its time, in plain C++ for any compiler. With g++ and clang packs do the
/// bulk of the work, see MSRNN_PORTABLE. Both give the same bits.
///
/// Measured (Zen 5, -O3, 8 query heads): append, observe and evict of H2O, ns, in packs / in plain loops
///
///     slots   g++ 12       g++ 12, AVX-512   clang 14     clang 14, AVX-512
///       512    690 / 650     280 / 500        730 / 660     270 / 440
///     4,096   5,000 / 5,500  2,200 / 4,300   5,400 / 5,100  1,800 / 3,300
///
/// and of Window, which only selects, at 4,096 slots: 2,200 / 5,000, 610 / 3,400, 2,400 / 3,000, 570 / 3,000. Tried:
/// two scans of ratings as ordered integers, without a branch: 8,000 with g++, which does not vectorise them. The two
/// tests of the scan in one condition: 16,400 with clang and AVX-512.
namespace msrnn::inline MSRNN_ABI {

/// A rating as selection compares it. NaN counts as the lowest; -0 and +0 are equal.
constexpr float comparable(float rating) { return rating == rating ? rating : -std::numeric_limits<float>::infinity(); }

namespace detail {

#if MSRNN_PORTABLE
/// Asks for the memory of these numbers, which is read soon, where a compiler has a word for it.
template <class Number>
void prefetch(const Number*, std::size_t) {}
#endif

/// The float of an array at index `at`.
struct FloatAt {
    std::size_t at;
    float operator()(const float* numbers) const { return numbers[at]; }
    void set(float* numbers, float value) const { numbers[at] = value; }
    static float all(float x) { return x; }
};
/// Calls use(place) for the first `count` floats of whatever arrays it reads: for one float at a time or for several.
template <class Use>
void each_float(std::size_t count, Use use) {
    std::size_t at = 0;
#if !MSRNN_PORTABLE
    each_whole_pack(count, use);
    at = count - count % floats_per_pack;  // as it returns: g++ 12 would warn of a loop that goes on for ever
#endif
    for (; at < count; ++at) use(FloatAt{at});
}

/// Of the slots whose bit is set the one with the lowest rating, of equals the earliest stamp; `slots` where there is
/// none. Bit i of chosen[j] is that of slot 64 j + i.
template <class Stamp>
std::size_t weakest_slot(const float* ratings, const Stamp* stamps, const std::uint64_t* chosen, std::size_t slots) {
#if !MSRNN_PORTABLE
    if constexpr (std::is_same_v<Stamp, std::int32_t>) return weakest_in_packs(ratings, stamps, chosen, slots);
#endif
    std::size_t found = slots;
    float lowest = std::numeric_limits<float>::infinity();
    for (std::size_t slot = 0; slot < slots; ++slot) {
        const float rating = comparable(ratings[slot]);
        if (rating > lowest || (chosen[slot / 64] >> slot % 64 & 1) == 0) continue;
        if (rating == lowest && found != slots && stamps[slot] > stamps[found]) continue;
        found = slot;
        lowest = rating;
    }
    return found;
}

}  // namespace detail
}  // namespace msrnn::inline MSRNN_ABI
