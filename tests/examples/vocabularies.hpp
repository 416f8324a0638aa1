#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "files.hpp"
#include "formats/llama2c/tokenizer.hpp"

/// <unk>, BOS, EOS and the 256 byte tokens, as llama2.c's vocabularies begin.
inline std::vector<llama2c::Piece> bytes_vocabulary() {
    std::vector<llama2c::Piece> pieces{{"<unk>", 0}, {"\n<s>\n", 0}, {"\n</s>\n", 0}};
    for (int byte = 0; byte < 256; ++byte) {
        char name[8];
        std::snprintf(name, sizeof(name), "<0x%02X>", static_cast<unsigned>(byte));
        pieces.push_back({name, 0});
    }
    return pieces;
}

/// One piece per character, no byte tokens.
inline std::vector<llama2c::Piece> character_vocabulary(const std::string& characters) {
    std::vector<llama2c::Piece> pieces{{"<unk>", 0}, {"<s>", 0}, {"</s>", 0}};
    for (const char character : characters) pieces.push_back({std::string(1, character), 0});
    return pieces;
}

inline std::string tokenizer_file(const std::vector<llama2c::Piece>& pieces) {
    std::size_t longest = 0;
    std::string entries;
    for (const auto& [bytes, score] : pieces) {
        longest = std::max(longest, bytes.size());
        entries += bytes_of(score) + bytes_of(static_cast<std::int32_t>(bytes.size())) + bytes;
    }
    return bytes_of(static_cast<std::int32_t>(longest)) + entries;
}
