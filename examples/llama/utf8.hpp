// Where characters end in UTF-8 that may be broken.
#pragma once

#include <cstddef>
#include <string_view>

namespace llama {

/// The bytes of the well-formed character a text begins with (table 3-7 of the Unicode standard); 0 if it begins with
/// none: no overlong forms, no surrogates, nothing above U+10FFFF.
inline std::size_t character_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const auto follows = [&](std::size_t i, unsigned least = 0x80, unsigned most = 0xBF) {
        return least <= byte(i) && byte(i) <= most;
    };
    if (text.empty()) return 0;
    const unsigned lead = byte(0);
    if (lead < 0x80) return 1;
    if (lead < 0xC2 || lead > 0xF4) return 0;
    if (lead < 0xE0) return follows(1) ? 2 : 0;
    if (lead < 0xF0) return follows(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF) && follows(2) ? 3 : 0;
    return follows(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF) && follows(2) && follows(3) ? 4 : 0;
}

/// How many bytes of well-formed characters a text begins with.
inline std::size_t well_formed_length(std::string_view text) {
    std::size_t at = 0;
    while (const std::size_t length = character_length(text.substr(at))) at += length;
    return at;
}

}  // namespace llama
