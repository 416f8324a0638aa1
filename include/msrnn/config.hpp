// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#if defined(_MSVC_LANG) ? _MSVC_LANG < 202002L : __cplusplus < 202002L
#error msrnn is written in C++20: compile with -std=c++20 (or target_compile_features(... cxx_std_20) in CMake)
#include "compile_with_std_c++20"  // there is none: the compiler stops here, before hundreds of other errors
#endif

/// MAJOR.MINOR.PATCH: before 1.0 a minor version may change the interface, a patch never does.
#define MSRNN_VERSION_MAJOR 0
/// See MSRNN_VERSION_MAJOR.
#define MSRNN_VERSION_MINOR 2
/// See MSRNN_VERSION_MAJOR.
#define MSRNN_VERSION_PATCH 0

/// A broken precondition of the caller. A host may define its own before the first include; gone where NDEBUG is set.
#ifndef MSRNN_ASSERT
#ifdef NDEBUG
#define MSRNN_ASSERT(condition, why) static_cast<void>(0)
#else
#include <cassert>
#define MSRNN_ASSERT(condition, why) assert((condition) && (why))
#endif
#endif

/// How decide.hpp and any_policy.hpp are written: 1 in plain C++20, for any compiler; 0 with the vector types of g++ 12
/// and clang where that is faster (core/loops.hpp has numbers). Decisions and ratings are the same, bit for bit. A host
/// may define it before the first include.
#ifndef MSRNN_PORTABLE
#if defined(__clang__) || (defined(__GNUC__) && __GNUC__ >= 12)
#define MSRNN_PORTABLE 0
#else
#define MSRNN_PORTABLE 1
#endif
#endif

/// Where the rows of a State lie: 1 in large pages that all states share; 0 in an allocation for each block of rows,
/// as for an address sanitizer, which would not see one block run into another. A host may define it as 0 before the
/// first include.
#ifndef MSRNN_OWN_ROW_MEMORY
#if defined(__SANITIZE_ADDRESS__)
#define MSRNN_OWN_ROW_MEMORY 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define MSRNN_OWN_ROW_MEMORY 0
#endif
#endif
#endif
#ifndef MSRNN_OWN_ROW_MEMORY
#if defined(__linux__) && defined(__GLIBC__) && (defined(__x86_64__) || defined(__aarch64__))
#define MSRNN_OWN_ROW_MEMORY 1
#else
#define MSRNN_OWN_ROW_MEMORY 0
#endif
#endif

/// Attention is compiled for the instructions that the compiler may use anyway, and besides for these where they are
/// more, on x86-64; the first call chooses what the processor runs. A host may define fewer before the first include,
/// for less to compile: MSRNN_AVX2, MSRNN_AVX512 or MSRNN_VNNI, (MSRNN_AVX2 | MSRNN_AVX512), or 0 for none. Types and
/// what is stored are the same.
#define MSRNN_AVX2 1
/// See MSRNN_TARGETS: AVX-512 F, BW, DQ and VL. MSRNN_AVX2 has FMA and F16C too.
#define MSRNN_AVX512 2
/// See MSRNN_TARGETS: MSRNN_AVX512, and AVX-512 VNNI for steps over int8 rows.
#define MSRNN_VNNI 6
#ifndef MSRNN_TARGETS
#define MSRNN_TARGETS (MSRNN_AVX2 | MSRNN_VNNI)
#endif

/// MSRNN_ABI, the inline namespace of everything here, is named after the version, the instructions that the
/// compiler may use, MSRNN_TARGETS, MSRNN_PORTABLE and MSRNN_OWN_ROW_MEMORY. Two translation units compiled for
/// different processors therefore have different types and functions: they link into one program and each runs its own
/// code. What is the same in both, the linker keeps once, as always.
#ifdef __SSE4_1__
#define MSRNN_ISA_SSE41 _sse41
#else
#define MSRNN_ISA_SSE41
#endif
#ifdef __SSE4_2__
#define MSRNN_ISA_SSE42 _sse42
#else
#define MSRNN_ISA_SSE42
#endif
#ifdef __AVX__
#define MSRNN_ISA_AVX _avx
#else
#define MSRNN_ISA_AVX
#endif
#ifdef __F16C__
#define MSRNN_ISA_F16C _f16c
#else
#define MSRNN_ISA_F16C
#endif
#ifdef __FMA__
#define MSRNN_ISA_FMA _fma
#else
#define MSRNN_ISA_FMA
#endif
#ifdef __AVX2__
#define MSRNN_ISA_AVX2 _avx2
#else
#define MSRNN_ISA_AVX2
#endif
#ifdef __BMI2__
#define MSRNN_ISA_BMI2 _bmi2
#else
#define MSRNN_ISA_BMI2
#endif
#ifdef __AVX512F__
#define MSRNN_ISA_AVX512F _avx512f
#else
#define MSRNN_ISA_AVX512F
#endif
#if defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define MSRNN_ISA_AVX512V4 _v4
#elif defined(__AVX512VL__)
#define MSRNN_ISA_AVX512V4 _vl
#elif defined(__AVX512BW__)
#define MSRNN_ISA_AVX512V4 _bw
#elif defined(__AVX512DQ__)
#define MSRNN_ISA_AVX512V4 _dq
#else
#define MSRNN_ISA_AVX512V4
#endif
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#define MSRNN_ISA_VNNI _vnni
#else
#define MSRNN_ISA_VNNI
#endif
#ifdef __AVX512BF16__
#define MSRNN_ISA_BF16 _bf16
#else
#define MSRNN_ISA_BF16
#endif
#ifdef __AVX512FP16__
#define MSRNN_ISA_FP16 _fp16
#else
#define MSRNN_ISA_FP16
#endif
#ifdef __ARM_FEATURE_SVE
#define MSRNN_ISA_SVE _sve
#else
#define MSRNN_ISA_SVE
#endif
#if MSRNN_TARGETS == (MSRNN_AVX2 | MSRNN_VNNI)
#define MSRNN_MORE
#elif MSRNN_TARGETS == MSRNN_VNNI
#define MSRNN_MORE _or_vnni
#elif MSRNN_TARGETS == (MSRNN_AVX2 | MSRNN_AVX512)
#define MSRNN_MORE _or_avx2_or_avx512
#elif MSRNN_TARGETS == MSRNN_AVX512
#define MSRNN_MORE _or_avx512
#elif MSRNN_TARGETS == MSRNN_AVX2
#define MSRNN_MORE _or_avx2
#else
#define MSRNN_MORE _alone
#endif
#if MSRNN_PORTABLE
#define MSRNN_LOOPS _portable
#else
#define MSRNN_LOOPS
#endif
#if MSRNN_OWN_ROW_MEMORY
#define MSRNN_ROWS
#else
#define MSRNN_ROWS _rows
#endif
#define MSRNN_PASTE(major, minor, patch, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) \
    v##major##_##minor##_##patch##a##b##c##d##e##f##g##h##i##j##k##l##m##n##o##p
#define MSRNN_PASTE_EXPANDED(...) MSRNN_PASTE(__VA_ARGS__)
#define MSRNN_ABI                                                                                               \
    MSRNN_PASTE_EXPANDED(MSRNN_VERSION_MAJOR, MSRNN_VERSION_MINOR, MSRNN_VERSION_PATCH, MSRNN_ISA_SSE41,        \
                         MSRNN_ISA_SSE42, MSRNN_ISA_AVX, MSRNN_ISA_F16C, MSRNN_ISA_FMA, MSRNN_ISA_AVX2,         \
                         MSRNN_ISA_BMI2, MSRNN_ISA_AVX512F, MSRNN_ISA_AVX512V4, MSRNN_ISA_VNNI, MSRNN_ISA_BF16, \
                         MSRNN_ISA_FP16, MSRNN_ISA_SVE, MSRNN_MORE, MSRNN_LOOPS, MSRNN_ROWS)
