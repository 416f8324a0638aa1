// SentencePiece's byte-pair encoding: characters first, then greedy merges by score; a character without a piece
// becomes its bytes. "\u2581", which stands for a space in the pieces, stands for one in a text too.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "merging.hpp"
#include "tokenizer.hpp"
#include "utf8.hpp"
#include "vocabulary.hpp"

namespace llama {

class SentencePieces final : public Tokenizer {
public:
    static constexpr std::string_view blank = "\xE2\x96\x81", unknown_mark = " \xE2\x81\x87 ";

    struct Settings {
        std::vector<float> scores;       // one for each token
        std::optional<Token> unknown{};  // for what has neither a piece nor bytes
        bool space_prefix = true;        // a text gets a space in front, which its first token loses again
    };

    /// Names of byte tokens are "<0x00>" to "<0xFF>"; no two names are the same.
    SentencePieces(Vocabulary vocabulary, Settings settings)
        : vocabulary_(std::move(vocabulary)), settings_(std::move(settings)), texts_(vocabulary_.names.size()) {
        for (Token token = 0; token < size(); ++token) add(token);
    }

    /// "<0x41>" is byte 0x41; a name of another form is none.
    static std::optional<unsigned char> byte_named(std::string_view name) {
        constexpr std::string_view digits = "0123456789ABCDEF";
        if (name.size() != 6 || name.substr(0, 3) != "<0x" || name[5] != '>') return std::nullopt;
        const auto high = digits.find(name[3]), low = digits.find(name[4]);
        if (high == digits.npos || low == digits.npos) return std::nullopt;
        return static_cast<unsigned char>(16 * high + low);
    }

    std::size_t size() const override { return texts_.size(); }
    Token begin() const override { return vocabulary_.begin; }
    bool between_texts(Token token) const override { return vocabulary_.is_between(token); }

    Encoding encode(std::string_view text) const override {
        if (text.empty()) return {};
        const std::string blanked = (settings_.space_prefix ? std::string(blank) : "") + with_blanks(text);
        Parts parts;
        const auto merge_of = [&](const Span& first, const Span& second) { return merge(first, second, parts); };
        Encoding encoding;
        for (const Span& span : merged(spans(blanked), merge_of)) add(span, parts, encoding);
        return encoding;
    }

    std::string text(Token token, Token previous) const override {
        if (between_texts(token)) return "\n";
        const bool loses_space = settings_.space_prefix && previous == begin() && begins_with_blank(token);
        return loses_space ? texts_[token].substr(1) : texts_[token];
    }

private:
    struct Span {
        std::string_view bytes{};
        std::optional<Token> literal{};  // a user-defined piece, which never merges

        bool operator==(const Span&) const = default;
    };

    /// The two halves of an unused piece, as they were met last.
    using Parts = std::unordered_map<Token, std::pair<std::string_view, std::string_view>>;

    static std::string with_blanks(std::string_view text) {
        std::string blanked;
        for (const char character : text)
            if (character == ' ')
                blanked += blank;
            else
                blanked += character;
        return blanked;
    }

    static std::string with_spaces(std::string_view piece) {
        std::string spaced;
        while (!piece.empty()) {
            const bool is_blank = piece.substr(0, blank.size()) == blank;
            spaced += is_blank ? ' ' : piece[0];
            piece.remove_prefix(is_blank ? blank.size() : 1);
        }
        return spaced;
    }

    void add(Token token) {
        const std::string& name = vocabulary_.names[token];
        switch (vocabulary_.kinds[token]) {
            case TokenKind::control:
                return;
            case TokenKind::unknown:
                texts_[token] = unknown_mark;
                return;
            case TokenKind::byte:
                if (const auto byte = byte_named(name)) {
                    bytes_[*byte] = token;
                    texts_[token] = std::string(1, static_cast<char>(*byte));
                }
                return;
            case TokenKind::user_defined:
                literals_.add(with_blanks(name), token);
                break;
            case TokenKind::normal:
            case TokenKind::unused:
                pieces_.emplace(name, token);
                break;
        }
        texts_[token] = with_spaces(name);
    }

    bool is(TokenKind kind, Token token) const { return vocabulary_.kinds[token] == kind; }

    bool begins_with_blank(Token token) const {
        return !is(TokenKind::byte, token) && !is(TokenKind::unknown, token) && texts_[token].substr(0, 1) == " ";
    }

    /// User-defined pieces, and characters; a byte that belongs to no character counts as one.
    std::vector<Span> spans(std::string_view text) const {
        std::vector<Span> found;
        while (!text.empty()) {
            const auto [token, length] = literals_.at_front(text);
            const std::size_t end = length != 0 ? length : std::max<std::size_t>(1, character_length(text));
            found.push_back({text.substr(0, end), length != 0 ? std::optional(token) : std::nullopt});
            text.remove_prefix(end);
        }
        return found;
    }

    /// Neighbours lie side by side in the text, so that both together are one stretch of it.
    std::optional<Merge<Span>> merge(const Span& first, const Span& second, Parts& parts) const {
        if (first.literal || second.literal) return std::nullopt;
        const std::string_view both(first.bytes.data(), first.bytes.size() + second.bytes.size());
        const auto token = find(pieces_, both);
        if (!token) return std::nullopt;
        if (is(TokenKind::unused, *token)) parts[*token] = {first.bytes, second.bytes};
        return Merge<Span>{settings_.scores[*token], {both}};
    }

    /// An unused piece helps to build longer ones; where it is left over it falls apart again.
    void add(const Span& span, const Parts& parts, Encoding& encoding) const {
        if (span.literal) return encoding.tokens.push_back(*span.literal);
        std::vector<std::string_view> waiting{span.bytes};
        while (!waiting.empty()) {
            const std::string_view bytes = waiting.back();
            waiting.pop_back();
            const auto token = find(pieces_, bytes);
            if (token && !is(TokenKind::unused, *token)) {
                encoding.tokens.push_back(*token);
            } else if (const auto halves = token ? parts.find(*token) : parts.end(); halves != parts.end()) {
                waiting.push_back(halves->second.second);
                waiting.push_back(halves->second.first);
            } else {
                add_bytes(bytes, encoding);
            }
        }
    }

    /// Without a token for each byte: one <unk> for all such characters in a row.
    void add_bytes(std::string_view character, Encoding& encoding) const {
        std::vector<Token> tokens;
        for (const char byte : character)
            if (const auto found = bytes_.find(static_cast<unsigned char>(byte)); found != bytes_.end())
                tokens.push_back(found->second);
        if (tokens.size() == character.size()) {
            encoding.tokens.insert(encoding.tokens.end(), tokens.begin(), tokens.end());
            return;
        }
        ++encoding.unknown;
        const bool in_a_row = !encoding.tokens.empty() && settings_.unknown == encoding.tokens.back();
        if (settings_.unknown && !in_a_row) encoding.tokens.push_back(*settings_.unknown);
    }

    Vocabulary vocabulary_;
    Settings settings_;
    std::vector<std::string> texts_;  // what each token adds to a text
    TokenIndex pieces_;               // without control tokens, byte tokens and the unknown one
    std::unordered_map<unsigned char, Token> bytes_;
    Literals literals_;
};

}  // namespace llama
