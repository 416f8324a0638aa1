#pragma once

/// With a sanitizer a random run is several times as slow, and shorter, and tests of every scalar take two of them: the
/// whole runs without.
#ifdef MSRNN_TESTS_SANITIZED
inline constexpr bool sanitized = true;
#define MSRNN_EVERY_SCALAR float, std::int8_t
#define MSRNN_LONG_TEST "[.]"
#else
inline constexpr bool sanitized = false;
#define MSRNN_EVERY_SCALAR float, Eigen::bfloat16, Eigen::half, std::int8_t
#define MSRNN_LONG_TEST ""
#endif
