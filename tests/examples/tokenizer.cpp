// The encoder against the plainest program that could be right: look at every pair, merge the best, start again.
#include "formats/llama2c/tokenizer.hpp"

#include "files.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "vocabularies.hpp"

namespace tokenizer_tests {

using llama::Encoding;
using llama::Token;
using llama2c::Piece;
using llama2c::Tokenizer;

constexpr Token none = ~Token{0};

Token lookup(const std::vector<Piece>& pieces, const std::string& bytes) {
    for (Token token = 0; token < pieces.size(); ++token)
        if (pieces[token].bytes == bytes) return token;
    return none;
}

void oracle_character(const std::vector<Piece>& pieces, const std::string& character, Encoding& encoding) {
    if (const Token token = lookup(pieces, character); token != none) {
        encoding.tokens.push_back(token);
        return;
    }
    const std::vector<Piece> byte_names = bytes_vocabulary();
    for (const char c : character) {
        const Token token = static_cast<unsigned char>(c) + Token{3};
        if (token >= pieces.size() || pieces[token].bytes != byte_names[token].bytes) {
            encoding.tokens.push_back(0);
            ++encoding.unknown;
            return;
        }
    }
    for (const char c : character) encoding.tokens.push_back(static_cast<unsigned char>(c) + Token{3});
}

/// llama2.c's loop over the bytes.
Encoding oracle_characters(const std::vector<Piece>& pieces, const std::string& text) {
    Encoding encoding;
    if (!text.empty()) oracle_character(pieces, " ", encoding);
    std::string character;
    for (std::size_t i = 0; i < text.size(); ++i) {
        character += text[i];
        const bool goes_on = i + 1 < text.size() && (static_cast<unsigned char>(text[i + 1]) >> 6) == 2;
        if (goes_on && character.size() < 4) continue;
        oracle_character(pieces, character, encoding);
        character.clear();
    }
    return encoding;
}

Encoding oracle(const std::vector<Piece>& pieces, const std::string& text) {
    Encoding encoding = oracle_characters(pieces, text);
    auto& tokens = encoding.tokens;
    for (;;) {
        std::size_t best = 0;
        Token merged = none;
        for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
            if (tokens[i] == 0 || tokens[i + 1] == 0) continue;
            const Token candidate = lookup(pieces, pieces[tokens[i]].bytes + pieces[tokens[i + 1]].bytes);
            if (candidate == none || (merged != none && pieces[candidate].score <= pieces[merged].score)) continue;
            best = i;
            merged = candidate;
        }
        if (merged == none) return encoding;
        tokens[best] = merged;
        tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
}

/// Characters of one to four bytes, whole and broken.
const std::vector<std::string> alphabet{"a",
                                        "b",
                                        "c",
                                        " ",
                                        "\n",
                                        "\xC3\xA9",
                                        "\xE2\x82\xAC",
                                        "\xF0\x9F\x8C\xB1",
                                        "\x80",
                                        "\xE2\x82",
                                        "\xFF",
                                        std::string(1, '\0')};

std::string random_text(Random& random, std::size_t length, std::size_t letters) {
    std::string text;
    for (std::size_t i = 0; i < length; ++i) text += alphabet[random.below(letters)];
    return text;
}

/// Some characters, then pieces glued from two earlier ones; only four scores, so that ties are everywhere.
std::vector<Piece> random_vocabulary(Random& random, bool with_bytes) {
    std::vector<Piece> pieces = with_bytes ? bytes_vocabulary() : character_vocabulary("ab ");
    const std::size_t first = with_bytes ? pieces.size() : 3;
    for (const std::string& character : alphabet)
        if (random.below(3) != 0) pieces.push_back({character, 0});
    for (int i = 0; i < 60; ++i) {
        const std::size_t letters = pieces.size() - first;
        const std::string left = pieces[first + random.below(letters)].bytes;
        const std::string right = pieces[first + random.below(letters)].bytes;
        pieces.push_back({left + right, -static_cast<float>(random.below(4))});
    }
    return pieces;
}

void require_same(const std::vector<Piece>& pieces, const std::string& text) {
    const Encoding expected = oracle(pieces, text), found = Tokenizer(pieces).encode(text);
    REQUIRE(found.tokens == expected.tokens);
    REQUIRE(found.unknown == expected.unknown);
}

std::string decoded(const Tokenizer& tokenizer, const std::vector<Token>& tokens) {
    std::string text;
    for (const Token token : tokens) text += tokenizer.piece(token).bytes;
    return text;
}

TEST_CASE("the queue merges as rescanning does, whatever the text and the vocabulary") {
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        Random random{seed};
        const auto pieces = random_vocabulary(random, seed % 2 == 0);
        for (std::size_t length : {1u, 2u, 3u, 10u, 60u}) {
            require_same(pieces, random_text(random, length, alphabet.size()));
            require_same(pieces, random_text(random, length, 3));  // few letters: merges of merges
        }
    }
}

TEST_CASE("of merges with equal scores the leftmost goes first") {
    auto pieces = character_vocabulary(" a");
    pieces.push_back({"aa", -1});
    const Token a = 4, aa = 5;
    REQUIRE(Tokenizer(pieces).encode("aaa").tokens == std::vector<Token>{3, aa, a});
}

TEST_CASE("a better score goes before a place further left") {
    auto pieces = character_vocabulary(" abc");
    pieces.push_back({"ab", -2});
    pieces.push_back({"bc", -1});
    REQUIRE(Tokenizer(pieces).encode("abc").tokens == std::vector<Token>{3, 4, 8});
}

TEST_CASE("a pair that waits is forgotten when one of its two has merged with another") {
    auto pieces = character_vocabulary(" abcde");
    for (const char* piece : {"bc", "abc", "ab", "cd", "de", "cde", "abcde"})
        pieces.push_back({piece, -static_cast<float>(pieces.size())});
    for (const char* text : {"abcb", "abcde", "abcdeabcde", "cdede", "abab", "bcde"}) require_same(pieces, text);
}

TEST_CASE("a text gets one leading space, an empty text gets nothing") {
    const Tokenizer tokenizer(character_vocabulary(" a"));
    REQUIRE(tokenizer.encode("a").tokens == std::vector<Token>{3, 4});
    REQUIRE(tokenizer.encode(" a").tokens == std::vector<Token>{3, 3, 4});
    REQUIRE(tokenizer.encode("").tokens.empty());
}

TEST_CASE("a text is taken byte for byte: nothing trimmed, newlines and zero bytes kept") {
    const Tokenizer tokenizer(bytes_vocabulary());
    const std::string text("\r\n a\0b \n\n", 9);
    std::vector<Token> expected{' ' + 3};
    for (const char c : text) expected.push_back(static_cast<unsigned char>(c) + Token{3});
    REQUIRE(tokenizer.encode(text).tokens == expected);
}

TEST_CASE("a character outside the vocabulary becomes its bytes") {
    const Encoding encoding = Tokenizer(bytes_vocabulary()).encode("\xE2\x82\xAC");
    REQUIRE(encoding.tokens == std::vector<Token>{0x20 + 3, 0xE2 + 3, 0x82 + 3, 0xAC + 3});
    REQUIRE(encoding.unknown == 0);
}

TEST_CASE("without byte tokens a character outside the vocabulary becomes one <unk>, and is counted") {
    const Encoding encoding = Tokenizer(character_vocabulary(" ab"))
                                  .encode(
                                      "a\xE2\x82\xAC"
                                      "b?");
    REQUIRE(encoding.tokens == std::vector<Token>{3, 4, 0, 5, 0});
    REQUIRE(encoding.unknown == 2);
}

TEST_CASE("another piece at a byte's place is not a byte token") {
    std::string characters;
    for (char c = ' '; c < 'Z'; ++c) characters += c;
    const Tokenizer tokenizer(character_vocabulary(characters));
    REQUIRE(tokenizer.size() > '0' + 3u);
    REQUIRE(tokenizer.encode("\x1F").tokens == std::vector<Token>{3, 0});
}

TEST_CASE("<unk> never merges, not even where its piece is empty") {
    auto pieces = character_vocabulary(" a");
    pieces[0].bytes = "";
    REQUIRE(Tokenizer(pieces).encode("?a?a").tokens == std::vector<Token>{3, 0, 4, 0, 4});
    require_same(pieces, "?a?a");
}

TEST_CASE("a token's text is its piece, a byte token's its byte, whatever the byte") {
    const Tokenizer tokenizer(bytes_vocabulary());
    for (int byte = 0; byte < 256; ++byte)
        REQUIRE(tokenizer.text(static_cast<Token>(byte) + 3, 0) == std::string(1, static_cast<char>(byte)));
    const Tokenizer letters(character_vocabulary(" a"));
    REQUIRE(letters.text(3, 4) == " ");
    REQUIRE(letters.text(4, 3) == "a");
}

TEST_CASE("the space that encoding puts in front is taken off behind BOS, and only there") {
    auto pieces = character_vocabulary(" a");
    pieces.push_back({" a", 1});
    pieces.push_back({"  ", 0});
    const Tokenizer tokenizer(pieces);
    REQUIRE(tokenizer.text(5, llama2c::begin_of_text) == "a");
    REQUIRE(tokenizer.text(5, llama2c::end_of_text) == " a");
    REQUIRE(tokenizer.text(3, llama2c::begin_of_text).empty());
    REQUIRE(tokenizer.text(4, llama2c::begin_of_text) == "a");
    for (const std::string text : {"a", " a", "  a", "a a "}) {
        std::string decoded;
        Token previous = llama2c::begin_of_text;
        for (const Token token : tokenizer.encode(text).tokens) {
            decoded += tokenizer.text(token, previous);
            previous = token;
        }
        REQUIRE(decoded == text);
    }
}

TEST_CASE("between two texts the pieces that name BOS and EOS become a line break") {
    const Tokenizer tokenizer(bytes_vocabulary());
    REQUIRE(tokenizer.text(llama2c::begin_of_text, 7) == "\n");
    REQUIRE(tokenizer.text(llama2c::end_of_text, 7) == "\n");
}

TEST_CASE("a megabyte is encoded without rescanning") {
    auto pieces = bytes_vocabulary();
    for (const char* piece :
         {" ", "t", "h", "e", "a", "n", "d", "th", " t", "the", " the", "an", "and", " a", " and", "he"})
        pieces.push_back({piece, -static_cast<float>(pieces.size())});
    const Tokenizer tokenizer(pieces);
    Random random{1};
    std::string text;
    while (text.size() < 1'000'000) text += "theand "[random.below(7)];
    const Encoding encoding = tokenizer.encode(text);
    REQUIRE(encoding.tokens.size() < text.size());
    REQUIRE(decoded(tokenizer, encoding.tokens) == " " + text);
}

TEST_CASE("a tokenizer file is read back as it was written") {
    const TemporaryFolder folder;
    auto pieces = bytes_vocabulary();
    pieces.push_back({"a longer piece", -1.5f});
    pieces.push_back({std::string("\0\n", 2), 2});
    const Tokenizer tokenizer = llama2c::read_tokenizer(folder.write("t.bin", tokenizer_file(pieces)), pieces.size());
    REQUIRE(tokenizer.size() == pieces.size());
    for (Token token = 0; token < pieces.size(); ++token) {
        REQUIRE(tokenizer.piece(token).bytes == pieces[token].bytes);
        REQUIRE(tokenizer.piece(token).score == pieces[token].score);
    }
}

TEST_CASE("a tokenizer of another vocabulary is refused, with both sizes") {
    const TemporaryFolder folder;
    const std::string path = folder.write("t.bin", tokenizer_file(character_vocabulary("abc")));
    REQUIRE(thrown_by([&] { llama2c::read_tokenizer(path, 5); }) ==
            path + ": the tokenizer has 6 pieces, the checkpoint has a vocabulary of 5.");
    REQUIRE(thrown_by([&] { llama2c::read_tokenizer(path, 7); }) ==
            path + ": the tokenizer has 6 pieces, the checkpoint has a vocabulary of 7.");
    REQUIRE(thrown_by([&] { llama2c::read_tokenizer(path, 6); }).empty());
}

TEST_CASE("a tokenizer cut short at any byte is refused") {
    const TemporaryFolder folder;
    const std::string whole = tokenizer_file(character_vocabulary("ab"));
    for (std::size_t length = 0; length < whole.size(); ++length) {
        const std::string path = folder.write("t.bin", whole.substr(0, length));
        REQUIRE(!thrown_by([&] { llama2c::read_tokenizer(path, 5); }).empty());
    }
}

TEST_CASE("a tokenizer whose lengths or scores make no sense is refused, with the place") {
    const TemporaryFolder folder;
    const std::string head = bytes_of(std::int32_t{5});
    const auto sentence = [&](const std::string& bytes) {
        const std::string path = folder.write("t.bin", head + bytes);
        const std::string said = thrown_by([&] { llama2c::read_tokenizer(path, 1); });
        REQUIRE(said.substr(0, path.size()) == path);
        return said.substr(path.size());
    };
    REQUIRE(sentence(bytes_of(0.0f) + bytes_of(std::int32_t{-1}) + "a") ==
            ": piece 0 at byte 4 claims -1 bytes, the file has 1 left.");
    REQUIRE(sentence(bytes_of(0.0f) + bytes_of(std::int32_t{2'000'000'000}) + "a") ==
            ": piece 0 at byte 4 claims 2000000000 bytes, the file has 1 left.");
    REQUIRE(sentence(bytes_of(0.0f) + "ab") == ": the file ends inside piece 0 at byte 4.");
    REQUIRE(sentence(bytes_of(std::nanf("")) + bytes_of(std::int32_t{1}) + "a") ==
            ": the score of piece 0 at byte 4 is not a finite number.");
}

}  // namespace tokenizer_tests
