// SPDX-License-Identifier: MIT
#pragma once

#include "../config.hpp"

/// Which targets the kernels are compiled for besides the one of the whole unit, `baseline`: those of MSRNN_TARGETS that
/// have instructions which the compiler may not use anyway.
#if defined(__x86_64__) && (MSRNN_TARGETS & MSRNN_AVX512) && !defined(__AVX512F__)
#define MSRNN_KERNELS_AVX512 1
#else
#define MSRNN_KERNELS_AVX512 0
#endif
#if defined(__x86_64__) && (MSRNN_TARGETS & MSRNN_AVX2) && !defined(__AVX512F__) && \
    !(defined(__AVX2__) && defined(__FMA__) && defined(__F16C__))
#define MSRNN_KERNELS_AVX2 1
#else
#define MSRNN_KERNELS_AVX2 0
#endif

namespace msrnn::inline MSRNN_ABI::detail {

enum class Target { baseline, avx2, avx512 };

#if MSRNN_KERNELS_AVX512 || MSRNN_KERNELS_AVX2
inline bool converts_halves() {
    unsigned a = 1, b = 0, c = 0, d = 0;
    asm("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return (c >> 29 & 1) != 0;
}
#endif
/// Whether there are kernels for this target and the processor runs them.
inline bool runs([[maybe_unused]] Target target) {
#if MSRNN_KERNELS_AVX512 || MSRNN_KERNELS_AVX2
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                      __builtin_cpu_supports("bmi2") && converts_halves();
    if (target == Target::avx2) return MSRNN_KERNELS_AVX2 && avx2;
    if (target == Target::avx512)
        return MSRNN_KERNELS_AVX512 && avx2 && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
#endif
    return target == Target::baseline;
}
/// Of the targets that run, the widest; chosen at first use.
inline Target target_of_processor() {
    static const Target widest = runs(Target::avx512) ? Target::avx512
                                 : runs(Target::avx2) ? Target::avx2
                                                      : Target::baseline;
    return widest;
}

}  // namespace msrnn::inline MSRNN_ABI::detail
