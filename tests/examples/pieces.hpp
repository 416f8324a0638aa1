#pragma once

#include "llama/sentence_pieces.hpp"

#include <cstdio>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace sentence_pieces_tests {

using llama::Encoding;
using llama::SentencePieces;
using llama::Token;
using llama::TokenKind;
using llama::Vocabulary;

const std::string blank(SentencePieces::blank);

struct Entry {
    std::string name;
    float score = 0;
    TokenKind kind = TokenKind::normal;
};

/// <unk>, BOS, EOS, the byte tokens if asked for; then these.
struct Pieces {
    std::vector<Entry> entries{
        {"<unk>", 0, TokenKind::unknown}, {"<s>", 0, TokenKind::control}, {"</s>", 0, TokenKind::control}};

    explicit Pieces(bool with_bytes, const std::vector<Entry>& more = {}) {
        for (int byte = 0; byte < 256 && with_bytes; ++byte) {
            char name[8];
            std::snprintf(name, sizeof(name), "<0x%02X>", static_cast<unsigned>(byte));
            entries.push_back({name, 0, TokenKind::byte});
        }
        entries.insert(entries.end(), more.begin(), more.end());
    }

    SentencePieces tokenizer(bool space_prefix = true) const {
        Vocabulary vocabulary{{}, {}, 1, {1, 2}};
        SentencePieces::Settings settings{{}, Token{0}, space_prefix};
        for (const auto& [name, score, kind] : entries) {
            vocabulary.names.push_back(name);
            vocabulary.kinds.push_back(kind);
            settings.scores.push_back(score);
        }
        return {vocabulary, settings};
    }

    Token find(const std::string& name) const {
        for (Token token = 0; token < entries.size(); ++token)
            if (entries[token].name == name) return token;
        return entries.size();
    }

    bool is_piece(Token token) const {
        if (token == entries.size()) return false;
        const TokenKind kind = entries[token].kind;
        return kind == TokenKind::normal || kind == TokenKind::user_defined;
    }
};

/// Names of the tokens of a text.
inline std::vector<std::string> names(const Pieces& pieces, const std::string& text, bool space_prefix = true) {
    std::vector<std::string> found;
    for (const Token token : pieces.tokenizer(space_prefix).encode(text).tokens)
        found.push_back(pieces.entries[token].name);
    return found;
}

using Names = std::vector<std::string>;

}  // namespace sentence_pieces_tests
