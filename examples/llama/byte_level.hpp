// GPT-2's byte-pair encoding: a text is cut into words, the bytes of a word are merged by rank.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "merging.hpp"
#include "pre_tokenizer.hpp"
#include "tokenizer.hpp"
#include "vocabulary.hpp"

namespace llama {

/// GPT-2 writes each byte as a printable character: those of Latin-1 that can be seen as themselves, the others, in
/// order, as U+0100 and those behind it.
class ByteAlphabet {
public:
    ByteAlphabet() {
        unsigned next = 0x100;
        for (unsigned byte = 0; byte < letters_.size(); ++byte) {
            const bool is_seen = (byte > ' ' && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
            letters_[byte] = utf8(is_seen ? byte : next++);
            bytes_.emplace(letters_[byte], static_cast<char>(byte));
        }
    }

    const std::string& letter(unsigned char byte) const { return letters_[byte]; }

    /// The bytes of a token's name; nothing if a character of it stands for no byte.
    std::optional<std::string> bytes(std::string_view name) const {
        std::string bytes;
        for (std::size_t length = 0; !name.empty(); name.remove_prefix(length)) {
            length = character_length(name);
            const auto found = bytes_.find(std::string(name.substr(0, length)));
            if (found == bytes_.end()) return std::nullopt;
            bytes += found->second;
        }
        return bytes;
    }

private:
    static std::string utf8(unsigned character) {
        if (character < 0x80) return std::string(1, static_cast<char>(character));
        return {static_cast<char>(0xC0 | character >> 6), static_cast<char>(0x80 | (character & 0x3F))};
    }

    std::array<std::string, 256> letters_;
    std::unordered_map<std::string, char> bytes_;
};

/// Bytes that have no token are left out and counted as unknown; where there are none, a text comes back as it was, be
/// it UTF-8 or not.
class ByteLevel final : public Tokenizer {
public:
    /// Two tokens that become a third.
    struct Rule {
        Token first = 0, second = 0, result = 0;
    };

    /// The rules by rank; of two for the same tokens the first counts.
    ByteLevel(Vocabulary vocabulary, const std::vector<Rule>& rules, const WordRule& words)
        : vocabulary_(std::move(vocabulary)),
          texts_(vocabulary_.names.size()),
          pre_tokenizer_(words.patterns),
          whole_words_(words.whole_words) {
        const ByteAlphabet alphabet;
        for (Token token = 0; token < size(); ++token) add(token, alphabet);
        for (std::size_t rank = 0; rank < rules.size(); ++rank) add(rules[rank], rank);
    }

    std::size_t size() const override { return texts_.size(); }
    Token begin() const override { return vocabulary_.begin; }
    bool between_texts(Token token) const override { return vocabulary_.is_between(token); }

    Encoding encode(std::string_view text) const override {
        Encoding encoding;
        std::size_t from = 0, at = 0;
        while (at < text.size()) {
            const auto [token, length] = literals_.at_front(text.substr(at));
            at += length == 0 ? 1 : length;
            if (length == 0) continue;
            add_words(text.substr(from, at - length - from), encoding);
            encoding.tokens.push_back(token);
            from = at;
        }
        add_words(text.substr(from), encoding);
        return encoding;
    }

    std::string text(Token token, Token) const override { return between_texts(token) ? "\n" : texts_[token]; }

private:
    bool is(TokenKind kind, Token token) const { return vocabulary_.kinds[token] == kind; }

    void add(Token token, const ByteAlphabet& alphabet) {
        const std::string& name = vocabulary_.names[token];
        if (is(TokenKind::user_defined, token)) literals_.add(name, token);
        const auto bytes = is(TokenKind::user_defined, token) ? std::nullopt : alphabet.bytes(name);
        if (!is(TokenKind::control, token)) texts_[token] = bytes.value_or(name);
        if (bytes && is(TokenKind::normal, token)) tokens_.emplace(*bytes, token);
    }

    /// Nothing but normal tokens is made of others.
    void add(const Rule& rule, std::size_t rank) {
        if (is(TokenKind::normal, rule.first) && is(TokenKind::normal, rule.second) &&
            is(TokenKind::normal, rule.result))
            merges_.emplace(pair(rule.first, rule.second), Merge<Token>{-static_cast<double>(rank), rule.result});
    }

    std::uint64_t pair(Token first, Token second) const { return std::uint64_t{first} * size() + second; }

    void add_words(std::string_view text, Encoding& encoding) const {
        for (const std::string_view word : pre_tokenizer_.words(text)) add_word(word, encoding);
    }

    void add_word(std::string_view word, Encoding& encoding) const {
        if (const auto token = whole_words_ ? find(tokens_, word) : std::nullopt) {
            encoding.tokens.push_back(*token);
            return;
        }
        const auto merge_of = [&](Token first, Token second) {
            const auto found = merges_.find(pair(first, second));
            return found == merges_.end() ? std::nullopt : std::optional<Merge<Token>>(found->second);
        };
        const std::vector<Token> tokens = merged(bytes_of(word, encoding), merge_of);
        encoding.tokens.insert(encoding.tokens.end(), tokens.begin(), tokens.end());
    }

    std::vector<Token> bytes_of(std::string_view word, Encoding& encoding) const {
        std::vector<Token> tokens;
        for (std::size_t i = 0; i < word.size(); ++i)
            if (const auto token = find(tokens_, word.substr(i, 1)))
                tokens.push_back(*token);
            else
                ++encoding.unknown;
        return tokens;
    }

    Vocabulary vocabulary_;
    std::vector<std::string> texts_;  // what each token adds to a text
    TokenIndex tokens_;               // the normal ones
    std::unordered_map<std::uint64_t, Merge<Token>> merges_;
    Literals literals_;
    PreTokenizer pre_tokenizer_;
    bool whole_words_;
};

}  // namespace llama
