// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

/// Throws the sentence as std::invalid_argument, if there is one. Builds without exceptions print it and end: they ask
/// first (problem(), problem(), find()).
inline void refuse(const std::string& sentence) {
    if (sentence.empty()) return;
#ifdef __cpp_exceptions
    throw std::invalid_argument(sentence);
#else
    std::fprintf(stderr, "%s\n", sentence.c_str());
    std::abort();
#endif
}

}  // namespace msrnn::inline MSRNN_ABI::detail
