// Byte-level pair encoding against the plainest program that could be right, and each rule for cutting words by hand.
#include "llama/byte_level.hpp"

#include <map>
#include <set>

#include "byte_vocabularies.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace byte_level_tests {

using llama::ByteAlphabet;
using llama::ByteLevel;
using llama::PreTokenizer;
using llama::Token;
using llama::TokenKind;

using Words = std::vector<std::string>;

Words cut(const std::string& rule, const std::string& text) {
    Words words;
    for (const std::string_view word : PreTokenizer(llama::word_rule(rule)->patterns).words(text))
        words.emplace_back(word);
    return words;
}

const Words every_rule{"llama-bpe", "smollm", "gpt-2", "default"};

/// Looks at every pair again after every merge.
std::vector<std::string> oracle(const ByteVocabulary& vocabulary, const std::string& word) {
    std::vector<std::string> parts;
    for (const char byte : word) parts.emplace_back(1, byte);
    for (;;) {
        std::size_t lowest = vocabulary.merges.size(), place = 0;
        for (std::size_t i = 0; i + 1 < parts.size(); ++i)
            for (std::size_t rank = 0; rank < lowest; ++rank)
                if (vocabulary.merges[rank] == std::pair(parts[i], parts[i + 1])) {
                    lowest = rank;
                    place = i;
                }
        if (lowest == vocabulary.merges.size()) return parts;
        parts[place] += parts[place + 1];
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(place) + 1);
    }
}

std::vector<std::string> encoded(const ByteLevel& tokenizer, const std::string& text) {
    std::vector<std::string> parts;
    for (const Token token : tokenizer.encode(text).tokens) parts.push_back(tokenizer.text(token, tokenizer.begin()));
    return parts;
}

std::string joined(const std::vector<std::string>& parts) {
    std::string text;
    for (const std::string& part : parts) text += part;
    return text;
}

/// Merges of what earlier ones have made, some of them twice.
ByteVocabulary random_vocabulary(Random& random, const std::string& letters) {
    ByteVocabulary vocabulary;
    std::vector<std::string> parts;
    for (const char letter : letters) parts.emplace_back(1, letter);
    for (int i = 0; i < 40; ++i) {
        const std::string first = parts[random.below(parts.size())], second = parts[random.below(parts.size())];
        vocabulary.merges.emplace_back(first, second);
        parts.push_back(first + second);
    }
    return vocabulary;
}

std::string random_bytes(Random& random, std::size_t length) {
    const Words pieces{" ", "  ", "\n", "a", "Z", "'s", "'", "12", "\xC3\xA9", "\xE4\xBD\xA0", "\xF0\x9F\x98\x80", "."};
    std::string text;
    while (text.size() < length)
        text += random.one_in(3) ? std::string(1, static_cast<char>(random.below(256)))
                                 : pieces[random.below(pieces.size())];
    return text;
}

/// The length of a well-formed character, by decoding it and writing it anew.
std::size_t oracle_length(const std::string& text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(text[i])); };
    const unsigned lead = byte(0);
    const std::size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (length == 0 || text.size() < length) return 0;
    unsigned point = length == 1 ? lead : lead & (0x7Fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if (byte(i) >> 6 != 2) return 0;
        point = point << 6 | (byte(i) & 0x3F);
    }
    constexpr unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool is_surrogate = point >= 0xD800 && point < 0xE000;
    return point < least[length] || is_surrogate || point > 0x10FFFF ? 0 : length;
}

TEST_CASE("well-formed and broken characters are told apart, whatever the first three bytes") {
    for (unsigned first = 0; first < 256; ++first)
        for (unsigned second = 0; second < 256; ++second)
            for (const char third : {'\x00', '\x7F', '\x80', '\xBF', '\xC0'})
                for (const char fourth : {'a', '\x80', '\xBF', '\xFF'}) {
                    const std::string text{static_cast<char>(first), static_cast<char>(second), third, fourth};
                    for (std::size_t length = 1; length <= text.size(); ++length)
                        if (llama::character_length(text.substr(0, length)) != oracle_length(text.substr(0, length)))
                            FAIL(first << " " << second << " of " << length);
                }
    REQUIRE(llama::character_length("") == 0);
    REQUIRE(llama::well_formed_length("a\xC3\xA9\xC3") == 3);
}

TEST_CASE("every byte has a letter of its own in GPT-2's alphabet, and the letter gives the byte") {
    const ByteAlphabet alphabet;
    std::set<std::string> letters;
    for (int byte = 0; byte < 256; ++byte) {
        const std::string& letter = alphabet.letter(static_cast<unsigned char>(byte));
        letters.insert(letter);
        REQUIRE(alphabet.bytes(letter) == std::string(1, static_cast<char>(byte)));
        REQUIRE(llama::character_length(letter) == letter.size());
    }
    REQUIRE(letters.size() == 256);
    REQUIRE(alphabet.letter('a') == "a");
    REQUIRE(alphabet.letter(' ') == "\u0120");
    REQUIRE(alphabet.letter('\n') == "\u010A");
    REQUIRE(alphabet.letter(0xAD) == "\u0143");  // the last of those that cannot be seen
    REQUIRE(alphabet.letter(0xFF) == "\u00FF");
    REQUIRE(!alphabet.bytes("a b"));
    REQUIRE(!alphabet.bytes("\u0144"));
    REQUIRE(!alphabet.bytes("a\xC4"));
}

TEST_CASE("bytes are merged as rescanning for the lowest rank does") {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Random random{seed};
        const std::string letters = seed % 2 == 0 ? "ab" : "abcd";
        const ByteVocabulary vocabulary = random_vocabulary(random, letters);
        const ByteLevel tokenizer = vocabulary.tokenizer("gpt-2");
        for (const std::size_t length : {1u, 2u, 3u, 7u, 30u, 80u}) {
            std::string word;
            for (std::size_t i = 0; i < length; ++i) word += letters[random.below(letters.size())];
            REQUIRE(encoded(tokenizer, word) == oracle(vocabulary, word));
        }
    }
}

TEST_CASE("no merge crosses a word") {
    ByteVocabulary vocabulary;
    vocabulary.merges = {{"a", " "}, {" ", "a"}, {"a", "1"}, {" a", "1"}};
    REQUIRE(encoded(vocabulary.tokenizer("gpt-2"), "a a1") == Words{"a", " a", "1"});
}

TEST_CASE("llama-bpe cuts contractions in any case, digits by three, one odd character before letters") {
    REQUIRE(cut("llama-bpe", "I'll DON'T he'S") == Words{"I", "'ll", " DON", "'T", " he", "'S"});
    REQUIRE(cut("llama-bpe", "'stop 'VEt") == Words{"'s", "top", " '", "VEt"});
    REQUIRE(cut("llama-bpe", "'STOP'vEt") == Words{"'S", "TOP", "'vE", "t"});
    REQUIRE(cut("llama-bpe", "1234567 12") == Words{"123", "456", "7", " ", "12"});
    REQUIRE(cut("llama-bpe", "(word) $word\tword") == Words{"(word", ")", " $", "word", "\tword"});
    REQUIRE(cut("llama-bpe", "wait...\n\nWell") == Words{"wait", "...\n\n", "Well"});
    REQUIRE(cut("llama-bpe", "a  \n \n  b") == Words{"a", "  \n \n", " ", " b"});
    REQUIRE(cut("llama-bpe", "a   b  ") == Words{"a", "  ", " b", "  "});
    REQUIRE(cut("llama-bpe", "\r\na") == Words{"\r\n", "a"});
    REQUIRE(cut("llama-bpe", "'\u017Ft") == Words{"'\u017F", "t"});  // the long s is an s in another case
}

TEST_CASE("gpt-2 cuts contractions in small letters, numbers whole, a space before each") {
    REQUIRE(cut("gpt-2", "I'll DON'T") == Words{"I", "'ll", " DON", "'", "T"});
    REQUIRE(cut("gpt-2", "1234567 12a") == Words{"1234567", " 12", "a"});
    REQUIRE(cut("gpt-2", "(word) $word\tword") == Words{"(", "word", ")", " $", "word", "\t", "word"});
    REQUIRE(cut("gpt-2", "wait...\n\nWell") == Words{"wait", "...", "\n", "\n", "Well"});
    REQUIRE(cut("gpt-2", "a   b  ") == Words{"a", "  ", " b", "  "});
}

TEST_CASE("smollm cuts out each digit first, and then sees nothing of what stood beside it") {
    REQUIRE(cut("smollm", "in 1984") == Words{"in", " ", "1", "9", "8", "4"});
    REQUIRE(cut("smollm", "a  1  b") == Words{"a", "  ", "1", " ", " b"});
    REQUIRE(cut("smollm", "\u00BD\u2167x") == Words{"\u00BD", "\u2167", "x"});
    REQUIRE(cut("smollm", "we've 3") == Words{"we", "'ve", " ", "3"});
}

TEST_CASE("default cuts out punctuation first, then as gpt-2, then numbers, then three digits") {
    REQUIRE(cut("default", "don't") == Words{"don", "'", "t"});
    REQUIRE(cut("default", "a <= b") == Words{"a", " ", "<=", " b"});
    REQUIRE(cut("default", "x 1234567") == Words{"x", " ", "123", "456", "7"});
    REQUIRE(cut("default", "it costs 5\u20AC") == Words{"it", " costs", " ", "5", "\u20AC"});
}

TEST_CASE("letters, numbers and spaces are Unicode's") {
    REQUIRE(cut("gpt-2", "\u043C\u0438\u0440 \u4F60\u597D") == Words{"\u043C\u0438\u0440", " \u4F60\u597D"});
    REQUIRE(cut("gpt-2", "e\u0301") == Words{"e", "\u0301"});  // a combining mark is no letter
    REQUIRE(cut("gpt-2", "a\u3000\u3000b") == Words{"a", "\u3000", "\u3000", "b"});
    REQUIRE(cut("gpt-2", "!\u0085!") == Words{"!", "\u0085", "!"});
    REQUIRE(cut("gpt-2", "!\u180E!") == Words{"!\u180E!"});  // no space since Unicode 6.3
    REQUIRE(cut("gpt-2", "!\u200B!") == Words{"!\u200B!"});
}

TEST_CASE("a byte that belongs to no character is a word, and the text ends there") {
    REQUIRE(cut("gpt-2",
                "a\xFF"
                "b") == Words{"a", "\xFF", "b"});
    REQUIRE(cut("gpt-2", "a  \xE4\xBD") == Words{"a", "  ", "\xE4", "\xBD"});
    REQUIRE(cut("llama-bpe", "\xED\xA0\x80") == Words{"\xED", "\xA0", "\x80"});
}

TEST_CASE("words joined are the text, and decoding gives every text again, whatever its bytes") {
    Random random{7};
    for (const std::string& rule : every_rule) {
        const ByteLevel tokenizer = random_vocabulary(random, "ab 1\xC3\xA9\n'").tokenizer(rule);
        for (std::size_t length = 0; length < 200; ++length) {
            const std::string text = random_bytes(random, length);
            REQUIRE(joined(cut(rule, text)) == text);
            REQUIRE(joined(encoded(tokenizer, text)) == text);
            REQUIRE(tokenizer.encode(text).unknown == 0);
        }
    }
}

TEST_CASE("a megabyte of any one character is encoded") {
    constexpr std::size_t size = 1'000'000;
    for (const std::string& rule : every_rule)
        for (const std::string piece : {"a", " ", "\n", "!", "7", "'", "\xFF", "\u3000", " \n", "ab", "\xE4\xBD\xA0"}) {
            std::string text;
            while (text.size() < size) text += piece;
            for (const char* end : {"", "x"}) {
                std::size_t found = 0;
                for (const std::string_view word : PreTokenizer(llama::word_rule(rule)->patterns).words(text + end))
                    found += word.size();
                REQUIRE(found == text.size() + std::string(end).size());
            }
        }
}

TEST_CASE("a megabyte that is one word is merged without rescanning") {
    ByteVocabulary vocabulary;
    vocabulary.merges = {{"t", "h"}, {"th", "e"}, {"a", "n"}, {"an", "d"}, {"the", "and"}};
    Random random{1};
    std::string word;
    while (word.size() < 1'000'000) word += "theand"[random.below(6)];
    const auto parts = encoded(vocabulary.tokenizer("gpt-2"), word);
    REQUIRE(parts.size() < word.size());
    REQUIRE(joined(parts) == word);
}

TEST_CASE("llama-bpe takes a word that is a token whole, the others only by merging") {
    ByteVocabulary vocabulary;
    vocabulary.merges = {{"a", "b"}};
    vocabulary.more = {{" abc", TokenKind::normal}};
    REQUIRE(encoded(vocabulary.tokenizer("llama-bpe"), "ab abc") == Words{"ab", " abc"});
    REQUIRE(encoded(vocabulary.tokenizer("gpt-2"), "ab abc") == Words{"ab", " ", "ab", "c"});
}

TEST_CASE("a text that spells a control token or an unused one is text") {
    for (const std::string& rule : every_rule)
        for (const TokenKind kind : {TokenKind::control, TokenKind::unused, TokenKind::unknown}) {
            ByteVocabulary vocabulary;
            vocabulary.more = {{"stop", kind}, {"st", kind}};
            vocabulary.merges = {{"s", "t"}};
            REQUIRE(encoded(vocabulary.tokenizer(rule), "stop") == Words{"s", "t", "o", "p"});
        }
}

TEST_CASE("user-defined tokens are found first, the longest at a place, and cut the text") {
    ByteVocabulary vocabulary;
    vocabulary.merges = {{"a", "<"}, {" ", "a"}};
    vocabulary.more = {{"<t>", TokenKind::user_defined},      {"<t>s", TokenKind::user_defined},
                       {"<long>er", TokenKind::user_defined}, {"<long>", TokenKind::user_defined},
                       {"  ", TokenKind::user_defined},       {"\u0120\u0121", TokenKind::user_defined}};
    const ByteLevel tokenizer = vocabulary.tokenizer("gpt-2");
    REQUIRE(encoded(tokenizer, "a<t>st <t>") == Words{"a", "<t>s", "t", " ", "<t>"});
    REQUIRE(encoded(tokenizer, "<long>er<long>e") == Words{"<long>er", "<long>", "e"});
    REQUIRE(encoded(tokenizer, "   a") == Words{"  ", " a"});
    REQUIRE(encoded(tokenizer, "<t") == Words{"<", "t"});
    REQUIRE(encoded(tokenizer, "\u0120\u0121") == Words{"\u0120\u0121"});  // its own characters, no byte's letter
}

TEST_CASE("bytes without a token are left out and counted") {
    ByteVocabulary vocabulary;
    vocabulary.missing = "xy";
    vocabulary.merges = {{"a", "b"}};
    const ByteLevel tokenizer = vocabulary.tokenizer("gpt-2");
    REQUIRE(tokenizer.encode("axb y").unknown == 2);
    REQUIRE(encoded(tokenizer, "axb y") == Words{"ab", " "});  // as Hugging Face's tokenizers: neighbours, then
}

TEST_CASE("of two merges of the same tokens the first counts") {
    ByteVocabulary vocabulary;
    vocabulary.merges = {{"a", "b"}, {"b", "c"}, {"a", "b"}};
    REQUIRE(encoded(vocabulary.tokenizer("gpt-2"), "abc") == Words{"ab", "c"});
}

TEST_CASE("between two byte-level texts there is a line break, and a control token adds nothing") {
    ByteVocabulary vocabulary;
    vocabulary.more = {{"<|pad|>", TokenKind::control}};
    const ByteLevel tokenizer = vocabulary.tokenizer("gpt-2");
    REQUIRE(tokenizer.text(tokenizer.begin(), 0) == "\n");
    REQUIRE(tokenizer.between_texts(tokenizer.begin()));
    REQUIRE(tokenizer.text(tokenizer.size() - 1, 0).empty());
    REQUIRE(!tokenizer.between_texts(tokenizer.size() - 1));
}

}  // namespace byte_level_tests
