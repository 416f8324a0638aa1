// SPDX-License-Identifier: MIT
#pragma once

#include "../config.hpp"

/// Which targets the kernels are compiled for besides `baseline`: those of MSRNN_TARGETS that have instructions which
/// the compiler may not use anyway. (Not on Windows, where g++ does not align longer packs on the stack.)
#if defined(__x86_64__) && !defined(_WIN32) && !defined(__AVX512F__)
#define MSRNN_KERNELS_AVX512 ((MSRNN_TARGETS & MSRNN_AVX512) != 0)
#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define MSRNN_KERNELS_AVX2 0
#else
#define MSRNN_KERNELS_AVX2 ((MSRNN_TARGETS & MSRNN_AVX2) != 0)
#endif
#else
#define MSRNN_KERNELS_AVX512 0
#define MSRNN_KERNELS_AVX2 0
#endif

namespace msrnn::inline MSRNN_ABI::detail {

static_assert((MSRNN_TARGETS) >= 0 && (MSRNN_TARGETS) <= (MSRNN_AVX2 | MSRNN_AVX512),
              "msrnn: MSRNN_TARGETS is MSRNN_AVX2, MSRNN_AVX512, (MSRNN_AVX2 | MSRNN_AVX512) or 0");

enum class Target { baseline, avx2, avx512 };

/// Whether there are kernels for this target, and the processor and the system run them.
inline bool runs(Target target) {
    if (target == Target::baseline) return true;
#if MSRNN_KERNELS_AVX2 || MSRNN_KERNELS_AVX512
    unsigned a = 1, b, c = 0, d;
    // clang 14 knows no name for F16C. Volatile: else g++ asks at every call, before it looks whether it must.
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    const bool f16c = (c >> 29 & 1) != 0;
    __builtin_cpu_init();
    if (!f16c || !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return false;
    if (target == Target::avx2) return MSRNN_KERNELS_AVX2;
    return MSRNN_KERNELS_AVX512 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
    return false;
#endif
}
/// Of the targets that run, the one with the longest packs.
inline Target target_of_processor() {
    static const Target longest = runs(Target::avx512) ? Target::avx512
                                  : runs(Target::avx2) ? Target::avx2
                                                       : Target::baseline;
    return longest;
}

}  // namespace msrnn::inline MSRNN_ABI::detail
