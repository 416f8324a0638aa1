// Numbers as people read them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdio>
#include <string>

namespace compare {

template <class... Values>
std::string format(const char* pattern, Values... values) {
    std::array<char, 256> line{};
    std::snprintf(line.data(), line.size(), pattern, values...);
    return line.data();
}

/// 1234567 -> 1,234,567
inline std::string grouped(std::size_t number) {
    if (number < 1000) return std::to_string(number);
    return grouped(number / 1000) + format(",%03zu", number % 1000);
}

}  // namespace compare
