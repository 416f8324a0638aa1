// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdio>
#include <string>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

/// A number in a sentence; as List is for vectors, this is for std::to_string.
template <std::unsigned_integral Number>
std::string text(Number number) {
    char digits[24];
    std::size_t first = sizeof digits;
    do digits[--first] = static_cast<char>('0' + number % 10);
    while ((number /= 10) != 0);
    return std::string(digits + first, sizeof digits - first);
}
template <std::signed_integral Number>
std::string text(Number number) {
    const auto magnitude = static_cast<unsigned long long>(number);
    return number < 0 ? "-" + text(0 - magnitude) : text(magnitude);
}
inline std::string text(float number) {
    char digits[64];
    const int length = std::snprintf(digits, sizeof digits, "%g", static_cast<double>(number));
    return std::string(digits, static_cast<std::size_t>(length));
}

}  // namespace msrnn::inline MSRNN_ABI::detail
