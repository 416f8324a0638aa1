// SPDX-License-Identifier: MIT
#pragma once

#define MSRNN_VERSION_MAJOR 0
#define MSRNN_VERSION_MINOR 1
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
