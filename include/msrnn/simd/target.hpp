// SPDX-License-Identifier: MIT
#ifndef MSRNN_SIMD_TARGET_HPP
#define MSRNN_SIMD_TARGET_HPP

#include "../config.hpp"

/// The target that packs and kernels are compiled for: the namespace that they lie in, the bytes of a pack, and which
/// conversions are instructions. Here it is the one of the whole unit, `baseline`; attention/kernels.hpp defines others
/// and includes the same headers again. The macros of a compiler would not do: clang does not set them for a part of a
/// unit.
#define MSRNN_TARGET baseline
#if defined(__AVX512F__)
#define MSRNN_TARGET_BYTES 64
#elif defined(__AVX__)
#define MSRNN_TARGET_BYTES 32
#else
#define MSRNN_TARGET_BYTES 16
#endif
#if defined(__AVX512F__) || defined(__F16C__)
#define MSRNN_TARGET_F16C 1
#else
#define MSRNN_TARGET_F16C 0
#endif
#if defined(__AVX512F__) || defined(__AVX2__)
#define MSRNN_TARGET_AVX2 1
#else
#define MSRNN_TARGET_AVX2 0
#endif

namespace msrnn::inline MSRNN_ABI::detail {
namespace baseline {}
using namespace baseline;
}  // namespace msrnn::inline MSRNN_ABI::detail

#endif
