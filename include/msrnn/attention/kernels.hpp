// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../config.hpp"
#include "decode.hpp"
#include "prompt.hpp"
#include "targets.hpp"

/// The kernels once for each target, in a namespace of its own, and the call that chooses. again.hpp includes the same
/// headers anew: all that they contain, templates and lambdas too, has the instructions of the target, wherever it is
/// instantiated. What they include besides was read before and keeps to the instructions of the unit.
#if MSRNN_KERNELS_AVX2
#undef MSRNN_TARGET
#undef MSRNN_TARGET_BYTES
#undef MSRNN_TARGET_F16C
#undef MSRNN_TARGET_AVX2
#define MSRNN_TARGET avx2
#define MSRNN_TARGET_BYTES 32
#define MSRNN_TARGET_F16C 1
#define MSRNN_TARGET_AVX2 1
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi2"))), apply_to = function)
#include "again.hpp"
#pragma clang attribute pop
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,bmi2")
#include "again.hpp"
#pragma GCC pop_options
#endif
#endif

#if MSRNN_KERNELS_AVX512
#undef MSRNN_TARGET
#undef MSRNN_TARGET_BYTES
#undef MSRNN_TARGET_F16C
#undef MSRNN_TARGET_AVX2
#define MSRNN_TARGET avx512
#define MSRNN_TARGET_BYTES 64
#define MSRNN_TARGET_F16C 1
#define MSRNN_TARGET_AVX2 1
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi2"))), \
                             apply_to = function)
#include "again.hpp"
#pragma clang attribute pop
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi2")
#include "again.hpp"
#pragma GCC pop_options
#endif
#endif

namespace msrnn::inline MSRNN_ABI::detail {

/// decode() of a target that runs.
template <class... Arguments>
void decode_on([[maybe_unused]] Target target, const Arguments&... arguments) {
#if MSRNN_KERNELS_AVX512
    if (target == Target::avx512) return avx512::decode(arguments...);
#endif
#if MSRNN_KERNELS_AVX2
    if (target == Target::avx2) return avx2::decode(arguments...);
#endif
    baseline::decode(arguments...);
}
/// attend_prompt() of a target that runs.
template <class... Arguments>
void attend_prompt_on([[maybe_unused]] Target target, const Arguments&... arguments) {
#if MSRNN_KERNELS_AVX512
    if (target == Target::avx512) return avx512::attend_prompt(arguments...);
#endif
#if MSRNN_KERNELS_AVX2
    if (target == Target::avx2) return avx2::attend_prompt(arguments...);
#endif
    baseline::attend_prompt(arguments...);
}

}  // namespace msrnn::inline MSRNN_ABI::detail
