// llama2.c's tokenizer.bin. Encoding: characters first, then greedy merges by score. Decoding: token by token.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "llama/file.hpp"
#include "llama/merging.hpp"
#include "llama/tokenizer.hpp"

namespace llama2c {

using namespace llama;

inline constexpr Token unknown_token = 0, begin_of_text = 1, end_of_text = 2;

struct Piece {
    std::string bytes;
    float score = 0;
};

class Tokenizer final : public llama::Tokenizer {
public:
    explicit Tokenizer(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {
        for (Token token = 0; token < pieces_.size(); ++token) tokens_.emplace(pieces_[token].bytes, token);
    }

    Encoding encode(std::string_view text) const override {
        if (text.empty()) return {};
        Encoding encoding;
        encoding.tokens.reserve(text.size() + 1);
        add_character(" ", encoding);  // llama2.c's dummy prefix
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t length = character_length(text.substr(at));
            add_character(text.substr(at, length), encoding);
            at += length;
        }
        encoding.tokens = merged(encoding.tokens, [&](Token first, Token second) { return merge_of(first, second); });
        return encoding;
    }

    std::size_t size() const override { return pieces_.size(); }
    Token begin() const override { return begin_of_text; }
    bool between_texts(Token token) const override { return token == begin_of_text || token == end_of_text; }
    const Piece& piece(Token token) const { return pieces_[token]; }

    std::optional<Token> find(const std::string& bytes) const {
        const auto found = tokens_.find(bytes);
        return found == tokens_.end() ? std::nullopt : std::optional<Token>(found->second);
    }

    /// The token that stands for one byte, if this vocabulary has byte tokens.
    std::optional<Token> byte_token(unsigned char byte) const {
        char name[8];
        std::snprintf(name, sizeof(name), "<0x%02X>", unsigned{byte});
        const Token token = Token{byte} + 3;
        if (token < size() && pieces_[token].bytes == name) return token;
        return std::nullopt;
    }

    /// What a token adds to a text. A byte token is that byte; the first token of a text loses the space that encode()
    /// has put there; the tokens between two texts are a line break.
    std::string text(Token token, Token previous) const override {
        if (between_texts(token)) return "\n";
        if (const auto byte = static_cast<unsigned char>(token - 3); byte_token(byte) == token)
            return std::string(1, static_cast<char>(byte));
        const std::string& bytes = pieces_[token].bytes;
        return previous == begin_of_text && bytes.substr(0, 1) == " " ? bytes.substr(1) : bytes;
    }

private:
    /// As llama2.c cuts: any byte, then the UTF-8 continuation bytes behind it, four bytes at most.
    static std::size_t character_length(std::string_view text) {
        std::size_t length = 1;
        while (length < 4 && length < text.size() && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80)
            ++length;
        return length;
    }

    void add_character(std::string_view character, Encoding& encoding) const {
        if (const auto token = find(std::string(character))) return encoding.tokens.push_back(*token);
        std::vector<Token> bytes;
        for (const char byte : character)
            if (const auto token = byte_token(static_cast<unsigned char>(byte))) bytes.push_back(*token);
        if (bytes.size() == character.size()) {
            encoding.tokens.insert(encoding.tokens.end(), bytes.begin(), bytes.end());
        } else {
            encoding.tokens.push_back(unknown_token);
            ++encoding.unknown;
        }
    }

    std::optional<Merge<Token>> merge_of(Token first, Token second) const {
        if (first == unknown_token || second == unknown_token) return std::nullopt;
        const auto result = find(pieces_[first].bytes + pieces_[second].bytes);
        if (!result) return std::nullopt;
        return Merge<Token>{pieces_[*result].score, *result};
    }

    std::vector<Piece> pieces_;
    std::unordered_map<std::string, Token> tokens_;
};

/// int32 longest piece (not needed here), then per piece: float32 score, int32 length, bytes.
inline Tokenizer read_tokenizer(const std::string& path, std::size_t vocabulary) {
    const std::string file = read_text(path);
    std::size_t at = sizeof(std::int32_t);
    if (file.size() < at) throw refusal(path, "a tokenizer begins with 4 bytes of header, this file has fewer");

    std::vector<Piece> pieces;
    while (at < file.size()) {
        const auto piece = "piece " + std::to_string(pieces.size()) + " at byte " + std::to_string(at);
        float score = 0;
        std::int32_t length = 0;
        if (file.size() - at < sizeof(score) + sizeof(length)) throw refusal(path, "the file ends inside " + piece);
        std::memcpy(&score, file.data() + at, sizeof(score));
        std::memcpy(&length, file.data() + at + sizeof(score), sizeof(length));
        at += sizeof(score) + sizeof(length);
        if (!std::isfinite(score)) throw refusal(path, "the score of " + piece + " is not a finite number");
        if (length < 0 || static_cast<std::size_t>(length) > file.size() - at)
            throw refusal(path, piece + " claims " + std::to_string(length) + " bytes, the file has " +
                                    std::to_string(file.size() - at) + " left");
        pieces.push_back({file.substr(at, static_cast<std::size_t>(length)), score});
        at += static_cast<std::size_t>(length);
    }
    if (pieces.size() != vocabulary)
        throw refusal(path, "the tokenizer has " + std::to_string(pieces.size()) +
                                " pieces, the checkpoint has a vocabulary of " + std::to_string(vocabulary));
    return Tokenizer(std::move(pieces));
}

}  // namespace llama2c
