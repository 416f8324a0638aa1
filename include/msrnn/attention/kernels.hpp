// SPDX-License-Identifier: MIT
#pragma once

#include "../config.hpp"
#include "decode.hpp"
#include "prompt.hpp"
#include "targets.hpp"

/// The kernels, once for each target in a namespace of its own, and the calls that choose one.
///
/// again.hpp includes all headers anew whose code depends on the target. What is written between the pragmas has the
/// instructions of the target wherever it is instantiated, templates and lambdas too. What those headers include
/// besides (the C++ library, rows, settings) was read before, so it keeps to the instructions of the unit: no function
/// that other code may share has instructions that its processor may not know (tests/isa asks the linker's names).
///
/// The kernels that multiply bytes lie within those of AVX-512 and take from there all that has nothing to do with
/// bytes. Only steps over int8 rows are compiled for them.
#undef MSRNN_TARGET
#undef MSRNN_TARGET_BYTES
#undef MSRNN_TARGET_CONVERTS
#undef MSRNN_TARGET_VNNI

#if MSRNN_KERNELS_AVX2
#define MSRNN_TARGET avx2
#define MSRNN_TARGET_BYTES 32
#define MSRNN_TARGET_CONVERTS 1
#define MSRNN_TARGET_VNNI 0
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif
#include "again.hpp"
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

#if MSRNN_KERNELS_AVX512
#define MSRNN_TARGET avx512
#define MSRNN_TARGET_BYTES 64
#define MSRNN_TARGET_CONVERTS 1
#define MSRNN_TARGET_VNNI 0
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")
#endif
#include "again.hpp"
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

#if MSRNN_KERNELS_VNNI
#if MSRNN_KERNELS_AVX512
#define MSRNN_TARGET avx512::vnni
#else
#define MSRNN_TARGET baseline::vnni
#endif
#define MSRNN_TARGET_BYTES 64
#define MSRNN_TARGET_CONVERTS 1
#define MSRNN_TARGET_VNNI 1
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma,f16c"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma,f16c")
#endif
#include "again_by_bytes.hpp"
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

#undef MSRNN_SIMD_TARGET_HPP
#include "../simd/target.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

#if MSRNN_KERNELS_VNNI && MSRNN_KERNELS_AVX512
namespace vnni = avx512::vnni;
#endif

/// decode() of a target that runs.
template <RowSource Keys, RowSource Values, class... Arguments>
void decode_by([[maybe_unused]] Target target, const Keys& keys, const Values& values, const Arguments&... arguments) {
#if MSRNN_KERNELS_VNNI
    if constexpr (vnni::by_bytes<typename Keys::Number> || vnni::by_bytes<typename Values::Number>)
        if (target == Target::vnni) return vnni::decode(keys, values, arguments...);
#endif
#if MSRNN_KERNELS_AVX512
    if (target >= Target::avx512) return avx512::decode(keys, values, arguments...);
#endif
#if MSRNN_KERNELS_AVX2
    if (target == Target::avx2) return avx2::decode(keys, values, arguments...);
#endif
    baseline::decode(keys, values, arguments...);
}
/// attend_prompt() of a target that runs.
template <class... Arguments>
void attend_prompt_by([[maybe_unused]] Target target, const Arguments&... arguments) {
#if MSRNN_KERNELS_AVX512
    if (target >= Target::avx512) return avx512::attend_prompt(arguments...);
#endif
#if MSRNN_KERNELS_AVX2
    if (target == Target::avx2) return avx2::attend_prompt(arguments...);
#endif
    baseline::attend_prompt(arguments...);
}

}  // namespace msrnn::inline MSRNN_ABI::detail
