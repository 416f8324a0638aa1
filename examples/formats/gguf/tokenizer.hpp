// The tokenizer out of a GGUF file: SentencePiece's or byte-level pair encoding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "file.hpp"
#include "llama/byte_level.hpp"
#include "llama/sentence_pieces.hpp"
#include "llama/tokenizer.hpp"
#include "llama/vocabulary.hpp"

namespace gguf {

namespace detail {

using llama::Token;
using llama::TokenIndex;
using llama::TokenKind;
using llama::Vocabulary;

inline const std::string tokens_key = "tokenizer.ggml.tokens", kinds_key = "tokenizer.ggml.token_type",
                         scores_key = "tokenizer.ggml.scores", merges_key = "tokenizer.ggml.merges",
                         begin_key = "tokenizer.ggml.bos_token_id", end_key = "tokenizer.ggml.eos_token_id",
                         end_of_turn_key = "tokenizer.ggml.eot_token_id",
                         add_begin_key = "tokenizer.ggml.add_bos_token", add_end_key = "tokenizer.ggml.add_eos_token",
                         unknown_key = "tokenizer.ggml.unknown_token_id", words_key = "tokenizer.ggml.pre";

inline std::string token_title(Token token, std::string_view name) {
    return "token " + std::to_string(token) + ", " + in_quotes(name) + ",";
}

template <class Number>
std::vector<Number> one_for_each(const File& file, const std::string& key, std::vector<Number> numbers,
                                 std::size_t tokens) {
    if (numbers.size() != tokens)
        throw file.refused("key " + key + " has " + std::to_string(numbers.size()) + " elements for " +
                           std::to_string(tokens) + " tokens");
    return numbers;
}

inline std::optional<Token> token_at(const File& file, const std::string& key, std::size_t tokens) {
    if (!file.has(key)) return std::nullopt;
    const std::uint64_t token = file.whole(key);
    if (token >= tokens)
        throw file.refused("key " + key + " is " + std::to_string(token) + ", the vocabulary has " +
                           std::to_string(tokens) + " tokens");
    return static_cast<Token>(token);
}

inline std::vector<TokenKind> read_kinds(const File& file, std::size_t tokens) {
    constexpr TokenKind known[] = {TokenKind::normal,       TokenKind::unknown, TokenKind::control,
                                   TokenKind::user_defined, TokenKind::unused,  TokenKind::byte};
    std::vector<TokenKind> kinds;
    for (const std::int64_t number : one_for_each(file, kinds_key, file.wholes(kinds_key), tokens)) {
        if (number < 1 || number > 6)
            throw file.refused("key " + kinds_key + " is " + std::to_string(number) + " for token " +
                               std::to_string(kinds.size()) + ", expected 1 to 6");
        kinds.push_back(known[number - 1]);
    }
    return kinds;
}

/// Where each name is. Empty names are no tokens, as in llama.cpp; of a name that is there twice no one knows which
/// token is meant.
inline TokenIndex index_of(const File& file, const std::vector<std::string>& names) {
    TokenIndex index;
    for (Token token = 0; token < names.size(); ++token) {
        if (names[token].empty()) continue;
        const auto [first, is_new] = index.emplace(names[token], token);
        if (!is_new)
            throw file.refused(token_title(token, names[token]) + " is token " + std::to_string(first->second) +
                               " too, expected no name twice");
    }
    return index;
}

inline Vocabulary read_vocabulary(const File& file) {
    const std::vector<std::string>& names = file.texts(tokens_key);
    if (names.empty()) throw file.refused("key " + tokens_key + " is empty");
    Vocabulary vocabulary{names, read_kinds(file, names.size()), 0, {}};
    for (const std::string& key : {begin_key, end_key, end_of_turn_key})
        if (const auto token = token_at(file, key, names.size())) vocabulary.between.push_back(*token);
    if (!file.has(begin_key) && !file.has(end_key))
        throw file.refused("the file names no token that begins a text, neither in " + begin_key + " nor in " +
                           end_key);
    vocabulary.begin = vocabulary.between.front();
    for (const Token token : vocabulary.between) vocabulary.kinds[token] = TokenKind::control;  // no text holds one
    return vocabulary;
}

/// What the file leaves open is as in llama.cpp, which knows a BOS for SentencePiece and for Llama 3, and never an EOS.
inline llama::Framing read_framing(const File& file, bool bos, std::size_t tokens) {
    llama::Framing framing{.bos = file.flag_or(add_begin_key, bos)};
    if (file.has(add_begin_key)) framing.reason = "as " + add_begin_key + " says";
    if (!file.flag_or(add_end_key, false)) return framing;
    framing.end = token_at(file, end_key, tokens);
    if (!framing.end) throw file.refused("key " + add_end_key + " is true, and key " + end_key + " is missing");
    return framing;
}

/// How many of the 256 bytes have a token of their own.
inline std::size_t count_bytes(const File& file, const Vocabulary& vocabulary) {
    std::size_t count = 0;
    for (Token token = 0; token < vocabulary.names.size(); ++token) {
        if (vocabulary.kinds[token] != TokenKind::byte) continue;
        if (!llama::SentencePieces::byte_named(vocabulary.names[token]))
            throw file.refused(token_title(token, vocabulary.names[token]) +
                               " is of type byte, expected a name from <0x00> to <0xFF>");
        ++count;
    }
    return count;
}

inline std::optional<Token> read_unknown(const File& file, const Vocabulary& vocabulary) {
    if (const auto token = token_at(file, unknown_key, vocabulary.names.size())) return token;
    for (Token token = 0; token < vocabulary.kinds.size(); ++token)
        if (vocabulary.kinds[token] == TokenKind::unknown) return token;
    return std::nullopt;
}

/// SentencePiece can also rewrite a text before it is cut, which is not done here.
inline void refuse_rewriting(const File& file) {
    if (file.flag_or("tokenizer.ggml.remove_extra_whitespaces", false))
        throw file.refused(
            "key tokenizer.ggml.remove_extra_whitespaces is true, only tokenizers that keep every space "
            "are read");
    if (file.has("tokenizer.ggml.precompiled_charsmap"))
        throw file.refused(
            "key tokenizer.ggml.precompiled_charsmap asks for other characters than the text has, only "
            "tokenizers that keep them are read");
}

inline std::unique_ptr<llama::Tokenizer> read_sentence_pieces(const File& file) {
    refuse_rewriting(file);
    Vocabulary vocabulary = read_vocabulary(file);
    index_of(file, vocabulary.names);
    std::vector<float> scores = one_for_each(file, scores_key, file.reals(scores_key), vocabulary.names.size());
    llama::SentencePieces::Settings settings{std::move(scores), read_unknown(file, vocabulary),
                                             file.flag_or("tokenizer.ggml.add_space_prefix", true)};
    const std::size_t bytes = count_bytes(file, vocabulary);
    if (bytes < 256 && !settings.unknown)
        throw file.refused("the vocabulary has tokens for " + std::to_string(bytes) +
                           " of 256 bytes, and none for what it does not know: expected one in " + unknown_key);
    auto tokenizer = std::make_unique<llama::SentencePieces>(std::move(vocabulary), std::move(settings));
    tokenizer->framing = read_framing(file, true, tokenizer->size());
    return tokenizer;
}

inline const llama::WordRule& read_word_rule(const File& file) {
    std::string known;
    for (const llama::WordRule& rule : llama::word_rules())
        for (const std::string& name : rule.names) known += (known.empty() ? "" : ", ") + name;
    if (!file.has(words_key))
        throw file.refused("key " + words_key + " is missing: convert the model anew, known are " + known);
    const std::string& name = file.text(words_key);
    if (const llama::WordRule* rule = llama::word_rule(name)) return *rule;
    throw file.refused("key " + words_key + " is " + in_quotes(name) + ", known are " + known);
}

/// "a b" by rank: tokens a and b become token ab.
inline std::vector<llama::ByteLevel::Rule> read_merges(const File& file, const TokenIndex& index) {
    const std::vector<std::string>& merges = file.texts(merges_key);
    std::vector<llama::ByteLevel::Rule> rules;
    rules.reserve(merges.size());
    for (const std::string& merge : merges) {
        const std::string title = "merge " + std::to_string(rules.size()) + ", " + in_quotes(merge) + ",";
        const std::size_t space = merge.find(' ', 1);
        if (space == merge.npos || space + 1 == merge.size())
            throw file.refused(title + " does not name two tokens with a space between");
        const std::string first = merge.substr(0, space), second = merge.substr(space + 1);
        const auto token = [&](const std::string& name, const char* verb) {
            if (const auto found = llama::find(index, name)) return *found;
            throw file.refused(title + " " + verb + " " + in_quotes(name) + ", which is no token");
        };
        rules.push_back({token(first, "names"), token(second, "names"), token(first + second, "makes")});
    }
    return rules;
}

inline std::unique_ptr<llama::Tokenizer> read_byte_level(const File& file) {
    const llama::WordRule& words = read_word_rule(file);
    Vocabulary vocabulary = read_vocabulary(file);
    const auto rules = read_merges(file, index_of(file, vocabulary.names));
    auto tokenizer = std::make_unique<llama::ByteLevel>(std::move(vocabulary), rules, words);
    tokenizer->framing = read_framing(file, words.bos, tokenizer->size());
    return tokenizer;
}

}  // namespace detail

inline std::unique_ptr<llama::Tokenizer> read_tokenizer(const File& file) {
    const std::string& model = file.text("tokenizer.ggml.model");
    if (model == "llama") return detail::read_sentence_pieces(file);
    if (model == "gpt2") return detail::read_byte_level(file);
    throw file.refused("key tokenizer.ggml.model is " + in_quotes(model) +
                       ", only \"llama\" (SentencePiece) and \"gpt2\" (byte-level) are read");
}

}  // namespace gguf
