// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <string_view>

#include "../config.hpp"

/// Numbers as people write them. Not by `charconv`: not every library has it for float. Not by strtod: it asks the
/// locale what a decimal point is.
namespace msrnn::inline MSRNN_ABI::detail {

constexpr bool is_digit(char c) { return '0' <= c && c <= '9'; }

/// All of `text` as a whole number without sign; false where it is none, or more than 64 bits hold.
inline bool read_number(std::string_view text, std::uint64_t& number) {
    number = 0;
    for (const char c : text) {
        const auto digit = static_cast<std::uint64_t>(c - '0');
        if (!is_digit(c) || number > (UINT64_MAX - digit) / 10) return false;
        number = 10 * number + digit;
    }
    return !text.empty();
}

/// All of `text` as a decimal number, "-0.5" or "2e-3"; false where it is none, or too large. Near enough for a float
/// to be read back as it was written; the last bit of a double may differ.
inline bool read_number(std::string_view text, double& number) {
    std::size_t at = 0;
    const auto next_is = [&](std::string_view any) { return at < text.size() && any.find(text[at]) != any.npos; };
    const auto take = [&](std::string_view any) { return next_is(any) && ++at != 0; };

    const bool negative = take("-");
    constexpr std::uint64_t full = 100'000'000'000'000'000;  // more digits change nothing
    std::uint64_t digits = 0;
    std::int64_t tens = 0;
    bool found = false;
    const auto take_digits = [&](bool behind_point) {
        for (; at < text.size() && is_digit(text[at]); ++at, found = true) {
            const bool counts = digits < full;
            if (counts) digits = 10 * digits + static_cast<std::uint64_t>(text[at] - '0');
            tens += (counts ? 0 : 1) - (behind_point ? 1 : 0);
        }
    };
    take_digits(false);
    if (take(".")) take_digits(true);
    if (!found) return false;
    if (take("eE")) {
        constexpr std::int64_t most = 1'000'000;
        const bool below_one = next_is("-");
        take("+-");
        const std::size_t first = at;
        std::int64_t power = 0;
        for (; at < text.size() && is_digit(text[at]); ++at)
            if (power < most) power = 10 * power + (text[at] - '0');
        if (at == first) return false;
        tens += below_one ? -power : power;
    }
    if (at != text.size()) return false;

    number = static_cast<double>(digits);
    for (; tens > 0 && number != 0 && number <= (std::numeric_limits<double>::max)(); tens -= tens < 22 ? tens : 22) {
        double factor = 1;
        for (std::int64_t i = 0; i < 22 && i < tens; ++i) factor *= 10;  // exact up to 10^22
        number *= factor;
    }
    for (; tens < 0 && number != 0; tens += tens > -22 ? -tens : 22) {
        double factor = 1;
        for (std::int64_t i = 0; i < 22 && i < -tens; ++i) factor *= 10;
        number /= factor;
    }
    if (negative) number = -number;
    return number <= (std::numeric_limits<double>::max)() && number >= std::numeric_limits<double>::lowest();
}

/// With as few digits as read_number() needs to give it back.
inline std::string number_text(double number) {
    char digits[64];
    const bool is_float = static_cast<double>(static_cast<float>(number)) == number;
    for (int precision = is_float ? 6 : 15;; ++precision) {
        const int length = std::snprintf(digits, sizeof digits, "%.*g", precision, number);
        std::string text(digits, static_cast<std::size_t>(length));
        for (char& c : text)
            if (c == ',') c = '.';
        double again = 0;
        if (precision >= (is_float ? 9 : 17) || !read_number(text, again)) return text;
        if (is_float ? static_cast<float>(again) == static_cast<float>(number) : again == number) return text;
    }
}

}  // namespace msrnn::inline MSRNN_ABI::detail
