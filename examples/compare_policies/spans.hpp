// Tokens as they can be shown: tokens that form a character only together are one span.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "llama/utf8.hpp"
#include "text.hpp"

namespace compare {

struct Span {
    std::size_t first = 0, count = 1;  // tokens
    std::string bytes;
};

namespace detail {

/// Whether more bytes can make one character of these.
inline bool begins_character(std::string_view bytes) {
    if (bytes.empty() || bytes.size() > 3) return false;
    for (const char second : {'\x80', '\x90', '\xA0'})
        for (std::size_t more = 1; bytes.size() + more <= 4; ++more) {
            std::string whole(bytes);
            whole += second;
            whole.append(more - 1, '\x80');
            if (llama::character_length(whole) == whole.size()) return true;
        }
    return false;
}

/// The bytes at the end that are the beginning of a character.
inline std::string_view unfinished(std::string_view bytes) {
    for (std::size_t length = std::min<std::size_t>(3, bytes.size()); length > 0; --length)
        if (const auto tail = bytes.substr(bytes.size() - length); begins_character(tail)) return tail;
    return {};
}

inline bool goes_on(std::string_view bytes, std::string_view next) {
    const std::string_view tail = unfinished(bytes);
    if (tail.empty() || next.empty()) return false;
    const std::string both = std::string(tail) + std::string(next.substr(0, 4 - tail.size()));
    return llama::character_length(both) != 0 || begins_character(both);
}

}  // namespace detail

inline std::vector<Span> spans_of(const std::vector<std::string>& tokens) {
    std::vector<Span> spans;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (!spans.empty() && detail::goes_on(spans.back().bytes, tokens[i])) {
            spans.back().bytes += tokens[i];
            ++spans.back().count;
        } else {
            spans.push_back({.first = i, .bytes = tokens[i]});
        }
    }
    return spans;
}

/// Bytes that belong to no character, where a window cuts one for instance, as numbers: "<E4 B8>" in angle quotes.
inline std::string shown(std::string_view bytes) {
    std::string text;
    while (!bytes.empty()) {
        const std::size_t whole = llama::well_formed_length(bytes);
        text += bytes.substr(0, whole);
        bytes.remove_prefix(whole);
        if (bytes.empty()) break;
        text += "\u2039";
        for (std::string space; !bytes.empty() && llama::character_length(bytes) == 0;
             bytes.remove_prefix(1), space = " ")
            text += space + format("%02X", unsigned{static_cast<unsigned char>(bytes[0])});
        text += "\u203A";
    }
    return text;
}

}  // namespace compare
