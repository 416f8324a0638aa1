// SPDX-License-Identifier: MIT
#ifndef MSRNN_SIMD_TARGET_HPP
#define MSRNN_SIMD_TARGET_HPP

#include "../config.hpp"

/// What packs and kernels are compiled for: the namespace that they lie in, the bytes of a pack, whether 16-bit and
/// 8-bit numbers become floats by instructions of AVX2 and F16C, and whether bytes are multiplied. This is `baseline`,
/// what the compiler may use in the whole unit. attention/kernels.hpp defines others and includes the same headers
/// again, so those have a guard that can be undone. (The compiler's own macros would not do: clang does not set them
/// for a part of a unit.)
#define MSRNN_TARGET baseline
#if defined(__AVX512F__)
#define MSRNN_TARGET_BYTES 64
#elif defined(__AVX__)
#define MSRNN_TARGET_BYTES 32
#else
#define MSRNN_TARGET_BYTES 16
#endif
#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__F16C__))
#define MSRNN_TARGET_CONVERTS 1
#else
#define MSRNN_TARGET_CONVERTS 0
#endif
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VNNI__)
#define MSRNN_TARGET_VNNI 1
#else
#define MSRNN_TARGET_VNNI 0
#endif

namespace msrnn::inline MSRNN_ABI::detail {
namespace baseline {}
using namespace baseline;
}  // namespace msrnn::inline MSRNN_ABI::detail

#endif
