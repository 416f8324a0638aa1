// SentencePiece's encoding against the plainest program that could be right: look at every pair, merge the best, again.
#include "pieces.hpp"

namespace sentence_pieces_tests {

namespace {

/// The user-defined piece or the character at the front.
std::size_t oracle_length(const Pieces& pieces, const std::string& text, bool& is_literal) {
    std::size_t longest = 0;
    for (const Entry& entry : pieces.entries)
        if (entry.kind == TokenKind::user_defined && text.compare(0, entry.name.size(), entry.name) == 0)
            longest = std::max(longest, entry.name.size());
    is_literal = longest != 0;
    return is_literal ? longest : std::max<std::size_t>(1, llama::character_length(text));
}

std::vector<Token> oracle(const Pieces& pieces, const std::string& text) {
    std::string rest = text.empty() ? "" : blank;
    for (const char character : text) rest += character == ' ' ? blank : std::string(1, character);
    std::vector<std::pair<std::string, bool>> parts;
    while (!rest.empty()) {
        bool is_literal = false;
        const std::size_t length = oracle_length(pieces, rest, is_literal);
        parts.emplace_back(rest.substr(0, length), is_literal);
        rest.erase(0, length);
    }
    for (;;) {
        std::size_t best = parts.size();
        float score = 0;
        for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
            const Token token = pieces.find(parts[i].first + parts[i + 1].first);
            if (parts[i].second || parts[i + 1].second || !pieces.is_piece(token)) continue;
            if (best != parts.size() && pieces.entries[token].score <= score) continue;
            best = i;
            score = pieces.entries[token].score;
        }
        if (best == parts.size()) break;
        parts[best].first += parts[best + 1].first;
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    std::vector<Token> tokens;
    for (const auto& [part, is_literal] : parts) {
        if (const Token token = pieces.find(part); pieces.is_piece(token))
            tokens.push_back(token);
        else if (pieces.entries.size() > 259)
            for (const char byte : part) tokens.push_back(static_cast<unsigned char>(byte) + Token{3});
        else if (tokens.empty() || tokens.back() != 0)
            tokens.push_back(0);
    }
    return tokens;
}

const Names alphabet{"a",    "b",        "c",   " ", "\n", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x8C\xB1",
                     "\x80", "\xE2\x82", "\xFF"};

std::string with_blanks(const std::string& text) { return text == " " ? blank : text; }

/// Characters, pieces glued from two earlier ones with only four scores, now and then a user-defined one.
Pieces random_pieces(Random& random, bool with_bytes) {
    Pieces pieces(with_bytes);
    const std::size_t first = pieces.entries.size();
    const auto add = [&](const std::string& name, float score, TokenKind kind) {
        if (pieces.find(name) == pieces.entries.size()) pieces.entries.push_back({name, score, kind});
    };
    add("a", 0, TokenKind::normal);
    for (const std::string& character : alphabet)
        if (!random.one_in(3)) add(with_blanks(character), 0, TokenKind::normal);
    for (int i = 0; i < 60; ++i) {
        const auto any = [&] { return pieces.entries[first + random.below(pieces.entries.size() - first)].name; };
        const std::string left = any(), right = any();
        add(left + right, -static_cast<float>(random.below(4)),
            random.one_in(12) ? TokenKind::user_defined : TokenKind::normal);
    }
    // Pieces of characters that are none themselves.
    add("\xE2\x82\xAC"
        "b",
        1, TokenKind::normal);
    return pieces;
}

std::string random_text(Random& random, std::size_t length, std::size_t letters) {
    std::string text;
    for (std::size_t i = 0; i < length; ++i) text += alphabet[random.below(letters)];
    return text;
}

std::string decoded(const SentencePieces& tokenizer, const std::string& text) {
    std::string back;
    Token previous = tokenizer.begin();
    for (const Token token : tokenizer.encode(text).tokens) {
        back += tokenizer.text(token, previous);
        previous = token;
    }
    return back;
}

}  // namespace

TEST_CASE("pieces merge as rescanning does, whatever the text and the vocabulary") {
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        Random random{seed};
        const Pieces pieces = random_pieces(random, seed % 2 == 0);
        const SentencePieces tokenizer = pieces.tokenizer();
        for (const std::size_t length : {0u, 1u, 2u, 3u, 10u, 40u})
            for (const std::size_t letters : {std::size_t{3}, alphabet.size()}) {
                const std::string text = random_text(random, length, letters);
                REQUIRE(tokenizer.encode(text).tokens == oracle(pieces, text));
            }
    }
}

TEST_CASE("with a token for each byte and one for the space, decoding gives every text again") {
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        Random random{seed};
        Pieces pieces = random_pieces(random, true);
        if (pieces.find(blank) == pieces.entries.size()) pieces.entries.push_back({blank, 0, TokenKind::normal});
        for (const bool space_prefix : {true, false}) {
            const SentencePieces tokenizer = pieces.tokenizer(space_prefix);
            for (std::size_t length = 0; length < 30; ++length) {
                const std::string text = random_text(random, length, alphabet.size());
                REQUIRE(decoded(tokenizer, text) == text);
                REQUIRE(tokenizer.encode(text).unknown == 0);
            }
        }
    }
}

TEST_CASE("a text gets a space in front unless the vocabulary says no, an empty one gets nothing") {
    const Pieces pieces(false, {{blank}, {"a"}, {blank + "a", 1}});
    REQUIRE(names(pieces, "a") == Names{blank + "a"});
    REQUIRE(names(pieces, " a") == Names{blank, blank + "a"});
    REQUIRE(names(pieces, "").empty());
    REQUIRE(names(pieces, "a", false) == Names{"a"});
    REQUIRE(names(pieces, " a", false) == Names{blank + "a"});
}

TEST_CASE("a text's first token loses the space in front, and only where there was one") {
    const SentencePieces with = Pieces(false, {{blank}, {"a"}, {blank + "a", 1}}).tokenizer();
    const SentencePieces without = Pieces(false, {{blank}, {"a"}, {blank + "a", 1}}).tokenizer(false);
    REQUIRE(with.text(5, with.begin()) == "a");
    REQUIRE(with.text(5, 4) == " a");
    REQUIRE(with.text(5, 2) == " a");
    REQUIRE(without.text(5, without.begin()) == " a");
}

TEST_CASE("a piece may hold line breaks and spaces within") {
    const Pieces pieces(true, {{"."}, {"\n"}, {blank}, {".\n", 1}, {".\n" + blank, 2}});
    REQUIRE(names(pieces, ".\n .", false) == Names{".\n" + blank, "."});
    REQUIRE(pieces.tokenizer().text(pieces.find(".\n" + blank), 0) == ".\n ");
}

TEST_CASE("two characters may make a piece though neither is one") {
    const Pieces pieces(true, {{blank}, {"xy"}});
    REQUIRE(names(pieces, "xyx") == Names{blank, "xy", "<0x78>"});
}

TEST_CASE("a text that spells a control token or a byte token is text") {
    const Names parts{"<", "s",  ">",  "0",   "x",    "4",     "1",  "u",   "n",
                      "k", "<s", "<0", "<0x", "<0x4", "<0x41", "<u", "<un", "<unk"};
    Pieces pieces(true);
    for (const std::string& part : parts) pieces.entries.push_back({part});
    REQUIRE(names(pieces, "<s>", false) == Names{"<s", ">"});
    REQUIRE(names(pieces, "<0x41>", false) == Names{"<0x41", ">"});
    REQUIRE(names(pieces, "<unk>", false) == Names{"<unk", ">"});
}

TEST_CASE("user-defined pieces are found first, the longest at a place, and never merge") {
    const Pieces pieces(true, {{blank},
                               {"a"},
                               {"b"},
                               {"<t>", 0, TokenKind::user_defined},
                               {"<t>s", 0, TokenKind::user_defined},
                               {"two words", 0, TokenKind::user_defined},
                               {"ab", 0, TokenKind::user_defined},
                               {"<t>a", 5},
                               {blank + "<t>", 5},
                               {"aab", 5}});
    REQUIRE(names(pieces, "<t>a") == Names{blank, "<t>", "a"});
    REQUIRE(names(pieces, "<t>sa") == Names{blank, "<t>s", "a"});
    REQUIRE(names(pieces, "aab") == Names{blank, "a", "ab"});
    REQUIRE(pieces.tokenizer(false).encode("two words").tokens == std::vector<Token>{pieces.find("two words")});
}

TEST_CASE("an unused piece helps to build others and falls apart where it is left over") {
    const Pieces pieces(true, {{blank},
                               {"a"},
                               {"b"},
                               {"c"},
                               {"ab", 3, TokenKind::unused},
                               {"abc", 2},
                               {"abab", 1, TokenKind::unused},
                               {"x", 0, TokenKind::unused}});
    REQUIRE(names(pieces, "abc", false) == Names{"abc"});
    REQUIRE(names(pieces, "abb", false) == Names{"a", "b", "b"});
    REQUIRE(names(pieces, "abab", false) == Names{"a", "b", "a", "b"});
    REQUIRE(names(pieces, "ax", false) == Names{"a", "<0x78>"});
}

TEST_CASE("characters that are unknown become one <unk> in a row, each of them counted") {
    const Pieces pieces(false, {{blank}, {"a"}});
    const Encoding encoding = pieces.tokenizer().encode(
        "x\xC3\xA9"
        "a?");
    REQUIRE(encoding.tokens == std::vector<Token>{3, 0, 4, 0});
    REQUIRE(encoding.unknown == 3);
}

TEST_CASE("a byte token is its byte, an unknown one a mark, a control token nothing, BOS and EOS a line break") {
    Pieces pieces(true, {{"<pad>", 0, TokenKind::control}});
    const SentencePieces tokenizer = pieces.tokenizer();
    for (int byte = 0; byte < 256; ++byte)
        REQUIRE(tokenizer.text(static_cast<Token>(byte) + 3, tokenizer.begin()) ==
                std::string(1, static_cast<char>(byte)));
    REQUIRE(tokenizer.text(0, tokenizer.begin()) == SentencePieces::unknown_mark);
    REQUIRE(tokenizer.text(pieces.find("<pad>"), 5).empty());
    REQUIRE(tokenizer.text(1, 5) == "\n");
    REQUIRE(tokenizer.text(2, 5) == "\n");
}

TEST_CASE("only <0x00> to <0xFF> name bytes") {
    REQUIRE(SentencePieces::byte_named("<0x00>") == 0);
    REQUIRE(SentencePieces::byte_named("<0xAF>") == 0xAF);
    for (const char* name : {"", "<0xAF", "<0xaf>", "<0xG0>", "<0x0G>", "<0x100>", "(0x00>", "<0x00)"})
        REQUIRE(!SentencePieces::byte_named(name));
}

TEST_CASE("a megabyte of pieces is encoded without rescanning") {
    Pieces pieces(true, {{blank}});
    for (const char* piece : {"t", "h", "e", "a", "n", "d", "th", "the", "an", "and", "he"})
        pieces.entries.push_back({piece, -static_cast<float>(pieces.entries.size())});
    Random random{1};
    std::string text;
    while (text.size() < 1'000'000) text += "theand "[random.below(7)];
    const SentencePieces tokenizer = pieces.tokenizer();
    REQUIRE(tokenizer.encode(text).tokens.size() < text.size());
    REQUIRE(decoded(tokenizer, text) == text);
}

}  // namespace sentence_pieces_tests
