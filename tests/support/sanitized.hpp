#pragma once

/// With a sanitizer a random run is several times as slow, and shorter: the whole of it runs without.
#ifdef MSRNN_TESTS_SANITIZED
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
