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
#if !MSRNN_KERNELS_AVX512 && !(defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__))
#define MSRNN_KERNELS_VNNI 0
#elif defined(__x86_64__) && !defined(_WIN32) && !defined(__AVX512VNNI__)
#define MSRNN_KERNELS_VNNI ((MSRNN_TARGETS & MSRNN_VNNI) == MSRNN_VNNI)
#else
#define MSRNN_KERNELS_VNNI 0
#endif

namespace msrnn::inline MSRNN_ABI::detail {

static_assert((MSRNN_TARGETS) >= 0 && (MSRNN_TARGETS) <= (MSRNN_AVX2 | MSRNN_VNNI) &&
                  ((MSRNN_TARGETS) & (MSRNN_VNNI)) != ((MSRNN_VNNI) & ~(MSRNN_AVX512)),
              "msrnn: MSRNN_TARGETS is MSRNN_AVX2, MSRNN_AVX512 or MSRNN_VNNI, the first one with | and another, or 0");

enum class Target { baseline, avx2, avx512, vnni };

/// Whether there are kernels for this target, and the processor and the system run them.
inline bool runs(Target target) {
    if (target == Target::baseline) return true;
#if MSRNN_KERNELS_AVX2 || MSRNN_KERNELS_AVX512 || MSRNN_KERNELS_VNNI
    unsigned a = 1, b, c = 0, d;
    // clang 14 knows no name for F16C. Volatile: else g++ asks at every call, before it looks whether it must.
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    const bool f16c = (c >> 29 & 1) != 0;
    __builtin_cpu_init();
    if (!f16c || !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return false;
    if (target == Target::avx2) return MSRNN_KERNELS_AVX2;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return false;
    if (target == Target::avx512) return MSRNN_KERNELS_AVX512;
    return MSRNN_KERNELS_VNNI && __builtin_cpu_supports("avx512vnni");
#else
    return false;
#endif
}
/// The last of the targets that run.
inline Target target_of_processor() {
    static const Target last = runs(Target::vnni)     ? Target::vnni
                               : runs(Target::avx512) ? Target::avx512
                               : runs(Target::avx2)   ? Target::avx2
                                                      : Target::baseline;
    return last;
}

}  // namespace msrnn::inline MSRNN_ABI::detail
