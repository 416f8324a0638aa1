// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdlib>
#include <string_view>

#include "../config.hpp"

/// In which order a step reads its rows. All shapes give the same bits, so they may be chosen by the call and by the
/// processor.
///
/// Whole rows: one row after the other, from its first number to its last, for one to four query heads. Best where
/// reading is the limit. The hardware follows addresses, and needs no prefetch or a near one.
///
/// Tiles: four rows by four query heads, sixteen sums in registers. Best where arithmetic is the limit. A tile reads
/// four rows side by side, which alone halves the bandwidth of some processors; so rows are prefetched into the
/// second-level cache before, in the order of addresses and evenly spread over the tiles.
namespace msrnn::inline MSRNN_ABI::detail {

/// What was best on a processor.
struct Tuning {
    /// Tiles from so many query heads on, for numbers of 4, 2 and 1 bytes.
    std::size_t tiles_from_4 = 2, tiles_from_2 = 2, tiles_from_1 = 2;
    std::size_t cached_bytes = 0;   ///< keys and values of a head below that: tiles from two query heads on
    std::size_t far_bytes = 16384;  ///< how far ahead tiles prefetch
    std::size_t far_small = 16384;  ///< the same for numbers of 2 bytes
    std::size_t near_floats = 0;    ///< the same for whole rows of floats and one query head; 0: not at all
    std::size_t near_narrow = 0;    ///< and of floats in rows of at most 256 bytes
    std::size_t near_small = 0;     ///< and of smaller numbers
    std::size_t near_in_short = 0;  ///< and of floats from memory in packs of 16 or 32 bytes
    bool into_first_level = false;  ///< of the caches; else into the second one
};

/// AMD's Zen 4 reads 34 GB/s and does 59 multiply-adds a ns, Zen 5 44 and 124: so floats of four query heads are best
/// read as whole rows by the first one, and in tiles by the second, where a prefetch brings as much as a load (and into
/// the first-level cache is 5 to 20 % faster than into the second; on Zen 4 values then take 1.7 to 3.3 times as long).
/// Others were not measured with these shapes.
inline Tuning tuning_of_processor() {
    Tuning tuning;
#if defined(__x86_64__) || defined(__i386__)
    if (__builtin_cpu_is("amd")) {
        if (__builtin_cpu_is("amdfam19h"))
            tuning = {
                .tiles_from_4 = 7, .tiles_from_2 = 4, .cached_bytes = 65536, .near_floats = 2048, .near_narrow = 2048};
        else
            tuning = {.far_bytes = 8192,
                      .near_narrow = 2048,
                      .near_small = 4096,
                      .near_in_short = 2048,
                      .into_first_level = true};
    }
#endif
    return tuning;
}
/// The environment variable MSRNN_READ says otherwise: "rows" or "tiles".
inline const Tuning& tuning() {
    static const Tuning chosen = [] {
        Tuning tuning = tuning_of_processor();
        if (const char* const told = std::getenv("MSRNN_READ"); told != nullptr) {
            if (std::string_view(told) == "rows") tuning.tiles_from_4 = tuning.tiles_from_2 = tuning.tiles_from_1 = 99;
            if (std::string_view(told) == "tiles") tuning.tiles_from_4 = tuning.tiles_from_2 = tuning.tiles_from_1 = 2;
        }
        return tuning;
    }();
    return chosen;
}

inline constexpr std::size_t most_whole_rows = 8;  // query heads

struct ReadShape {
    bool whole_rows = false;
    std::size_t ahead = 0;  ///< bytes; 0: nothing is prefetched
    bool into_first_level = false;
    bool in_cache = false;  ///< keys and values of a head stay in a cache

    /// How many rows may be walked together: of values, one stripe of columns after the other.
    std::size_t rows_together(std::size_t row_bytes) const {
        if (in_cache) return 64;
        std::size_t rows = 16;
        while (rows < 64 && 2 * rows * row_bytes <= ahead) rows *= 2;
        return rows;
    }
};
/// For so many query heads, numbers and rows of so many bytes, and so many bytes of keys and values.
inline ReadShape shape_of(std::size_t query_heads, std::size_t number, std::size_t row_bytes, std::size_t bytes,
                          const Tuning& tuning) {
    const std::size_t from = number == 4   ? tuning.tiles_from_4
                             : number == 2 ? tuning.tiles_from_2
                                           : tuning.tiles_from_1;
    const bool whole =
        query_heads == 1 || (query_heads < from && query_heads <= most_whole_rows && bytes >= tuning.cached_bytes);
    const std::size_t near_floats = row_bytes <= 256 ? tuning.near_narrow : tuning.near_floats;
    const std::size_t near_bytes = query_heads > 1 ? 0 : number == 4 ? near_floats : tuning.near_small;
    const std::size_t far_bytes = number == 2 ? tuning.far_small : tuning.far_bytes;
    return {whole, whole ? near_bytes : far_bytes, tuning.into_first_level, bytes <= 65536};
}

}  // namespace msrnn::inline MSRNN_ABI::detail
