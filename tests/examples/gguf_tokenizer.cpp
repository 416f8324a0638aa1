// Tokenizers out of GGUF files: what is read, and each sentence of refusal.
#include "formats/gguf/tokenizer.hpp"

#include "byte_vocabularies.hpp"
#include "gguf_writer.hpp"
#include "support/catch.hpp"

namespace gguf_tokenizer_tests {

namespace {

using llama::Token;
using llama::TokenKind;

const std::string prefix = "tokenizer.ggml.";

/// 0 <unk>, 1 BOS, 2 EOS, 3 to 258 the bytes, 259 a blank, 260 "a", 261 a blank and "a", 262 user-defined.
GgufWriter sentence_pieces() {
    std::vector<std::string> names{"<unk>", "<s>", "</s>"};
    std::vector<std::int32_t> kinds{2, 3, 3};
    for (unsigned byte = 0; byte < 256; ++byte) {
        char name[8];
        std::snprintf(name, sizeof(name), "<0x%02X>", byte);
        names.push_back(name);
        kinds.push_back(6);
    }
    for (const char* name : {"\u2581", "a",
                             "\u2581"
                             "a",
                             "<t>"}) {
        names.push_back(name);
        kinds.push_back(names.back() == "<t>" ? 4 : 1);
    }
    GgufWriter file;
    file.set(prefix + "model", "llama").set(prefix + "tokens", names).set(prefix + "token_type", kinds);
    file.set(prefix + "scores", std::vector<float>(names.size(), -1.0f));
    file.set(prefix + "bos_token_id", std::uint32_t{1}).set(prefix + "eos_token_id", std::uint32_t{2});
    return file.set(prefix + "unknown_token_id", std::uint32_t{0});
}

std::int32_t number_of(TokenKind kind) { return static_cast<std::int32_t>(kind) + 1; }

/// 0 to 255 the bytes, 256 BOS, 257 EOS, then "ab" and "abc".
GgufWriter byte_level(const std::string& words = "gpt-2") {
    ByteVocabulary vocabulary;
    vocabulary.more = {{"<|end|>", TokenKind::control}};
    vocabulary.merges = {{"a", "b"}, {"ab", "c"}};
    const auto built = vocabulary.vocabulary();
    std::vector<std::int32_t> kinds;
    for (const TokenKind kind : built.kinds) kinds.push_back(number_of(kind));
    GgufWriter file;
    file.set(prefix + "model", "gpt2").set(prefix + "pre", words).set(prefix + "tokens", built.names);
    file.set(prefix + "token_type", kinds).set(prefix + "merges", std::vector<std::string>{"a b", "ab c"});
    return file.set(prefix + "bos_token_id", std::uint32_t{256}).set(prefix + "eos_token_id", std::uint32_t{257});
}

std::unique_ptr<llama::Tokenizer> read(const GgufWriter& file) {
    const TemporaryFolder folder;
    return gguf::read_tokenizer(gguf::File(folder.write("m.gguf", file.bytes())));
}

/// What is said behind the file's name.
std::string sentence(const GgufWriter& file) {
    const TemporaryFolder folder;
    const std::string path = folder.write("m.gguf", file.bytes());
    const std::string said = thrown_by([&] { gguf::read_tokenizer(gguf::File(path)); });
    REQUIRE(said.substr(0, path.size() + 2) == path + ": ");
    return said.substr(path.size() + 2);
}

template <class T>
std::vector<T> with(std::vector<T> values, std::size_t place, T value) {
    values.at(place) = value;
    return values;
}

std::vector<std::string> names_of(const GgufWriter& file) {
    const TemporaryFolder folder;
    return gguf::File(folder.write("m.gguf", file.bytes())).texts(prefix + "tokens");
}

std::vector<std::int32_t> kinds_of(const GgufWriter& file) {
    const TemporaryFolder folder;
    std::vector<std::int32_t> kinds;
    for (const auto kind : gguf::File(folder.write("m.gguf", file.bytes())).wholes(prefix + "token_type"))
        kinds.push_back(static_cast<std::int32_t>(kind));
    return kinds;
}

using Tokens = std::vector<Token>;

}  // namespace

TEST_CASE("a SentencePiece vocabulary is read with its kinds, its scores and its special tokens") {
    const auto tokenizer = read(sentence_pieces());
    REQUIRE(tokenizer->size() == 263);
    REQUIRE(tokenizer->encode("a a<t>?<s>").tokens == Tokens{261, 261, 262, '?' + 3, '<' + 3, 's' + 3, '>' + 3});
    REQUIRE(tokenizer->begin() == 1);
    REQUIRE(tokenizer->between_texts(1));
    REQUIRE(tokenizer->between_texts(2));
    REQUIRE(!tokenizer->between_texts(0));
    REQUIRE(tokenizer->text(261, 1) == "a");
}

TEST_CASE("add_space_prefix is believed") {
    GgufWriter file = sentence_pieces();
    REQUIRE(read(file)->encode("a").tokens == Tokens{261});
    REQUIRE(read(file.set(prefix + "add_space_prefix", true))->encode("a").tokens == Tokens{261});
    REQUIRE(read(file.set(prefix + "add_space_prefix", false))->encode("a").tokens == Tokens{260});
}

TEST_CASE("scores decide what is merged") {
    GgufWriter file = sentence_pieces();
    auto names = names_of(file);
    names[260] = "b", names[261] = "ab", names[262] = "bc";
    const auto kinds = with(kinds_of(file), 262, 1);
    file.set(prefix + "tokens", names).set(prefix + "token_type", kinds).set(prefix + "add_space_prefix", false);
    std::vector<float> scores(names.size(), 0);
    scores[261] = 1;
    REQUIRE(read(file.set(prefix + "scores", scores))->encode("abc").tokens == Tokens{261, 'c' + 3});
    scores[262] = 2;
    REQUIRE(read(file.set(prefix + "scores", scores))->encode("abc").tokens == Tokens{'a' + 3, 262});
}

TEST_CASE("a byte-level vocabulary is read with its merges and its way to cut words") {
    for (const char* words : {"gpt-2", "llama-bpe", "llama3", "llama-v3", "smollm", "default"}) {
        const auto tokenizer = read(byte_level(words));
        REQUIRE(tokenizer->size() == 260);
        REQUIRE(tokenizer->encode("abc ab<|end|>").tokens == Tokens{259, ' ', 258, '<', '|', 'e', 'n', 'd', '|', '>'});
        REQUIRE(tokenizer->begin() == 256);
        REQUIRE(tokenizer->between_texts(257));
    }
}

TEST_CASE("what begins a text is BOS, else EOS; EOT stands between texts too") {
    GgufWriter file = byte_level();
    file.set(prefix + "eot_token_id", std::uint32_t{5});
    REQUIRE(read(file)->between_texts(5));
    REQUIRE(read(file)->text(5, 0) == "\n");
    file.drop(prefix + "bos_token_id");
    REQUIRE(read(file)->begin() == 257);
    REQUIRE(!read(file)->between_texts(256));
    file.drop(prefix + "eos_token_id");
    REQUIRE(sentence(file) ==
            "the file names no token that begins a text, neither in tokenizer.ggml.bos_token_id nor in "
            "tokenizer.ggml.eos_token_id.");
}

TEST_CASE("no text holds what stands between texts, not even where its kind is normal") {
    GgufWriter file = byte_level();
    REQUIRE(read(file)->encode("ab").tokens == Tokens{258});
    REQUIRE(read(file.set(prefix + "eos_token_id", std::uint32_t{258}))->encode("ab").tokens == Tokens{'a', 'b'});
    file = sentence_pieces();
    REQUIRE(read(file)->encode("a").tokens == Tokens{261});
    REQUIRE(read(file.set(prefix + "eot_token_id", std::uint32_t{261}))->encode("a").tokens == Tokens{259, 260});
}

TEST_CASE("tokenizers of other models are refused, with the name") {
    REQUIRE(sentence(byte_level().set(prefix + "model", "t5")) ==
            "key tokenizer.ggml.model is \"t5\", only \"llama\" (SentencePiece) and \"gpt2\" (byte-level) are read.");
    REQUIRE(sentence(byte_level().drop(prefix + "model")) == "key tokenizer.ggml.model is missing.");
}

TEST_CASE("unknown ways to cut words are refused, with the name and the known ones") {
    REQUIRE(sentence(byte_level("qwen2")) ==
            "key tokenizer.ggml.pre is \"qwen2\", known are llama-bpe, llama3, llama-v3, smollm, gpt-2, default.");
    REQUIRE(sentence(byte_level().drop(prefix + "pre")) ==
            "key tokenizer.ggml.pre is missing: convert the model anew, known are llama-bpe, llama3, llama-v3, smollm, "
            "gpt-2, default.");
}

TEST_CASE("arrays of other lengths are refused, with both") {
    for (GgufWriter file : {sentence_pieces(), byte_level()}) {
        const std::size_t size = names_of(file).size();
        for (const std::size_t length : {std::size_t{0}, size - 1, size + 1})
            REQUIRE(sentence(file.set(prefix + "token_type", std::vector<std::int32_t>(length, 1))) ==
                    "key tokenizer.ggml.token_type has " + std::to_string(length) + " elements for " +
                        std::to_string(size) + " tokens.");
    }
    REQUIRE(sentence(sentence_pieces().set(prefix + "scores", std::vector<float>(262))) ==
            "key tokenizer.ggml.scores has 262 elements for 263 tokens.");
    REQUIRE(sentence(byte_level().set(prefix + "tokens", std::vector<std::string>())) ==
            "key tokenizer.ggml.tokens is empty.");
}

TEST_CASE("a kind of token that does not exist is refused") {
    for (const std::int32_t kind : {-1, 0, 7})
        REQUIRE(sentence(sentence_pieces().set(prefix + "token_type", with(kinds_of(sentence_pieces()), 260, kind))) ==
                "key tokenizer.ggml.token_type is " + std::to_string(kind) + " for token 260, expected 1 to 6.");
}

TEST_CASE("special tokens outside the vocabulary are refused") {
    for (const char* key : {"bos_token_id", "eos_token_id", "eot_token_id", "unknown_token_id"})
        REQUIRE(sentence(sentence_pieces().set(prefix + key, std::uint32_t{263})) ==
                "key " + prefix + key + " is 263, the vocabulary has 263 tokens.");
}

TEST_CASE("a name that is there twice is refused; empty names are not tokens") {
    REQUIRE(
        sentence(sentence_pieces().set(prefix + "tokens", with<std::string>(names_of(sentence_pieces()), 262, "a"))) ==
        "token 262, \"a\", is token 260 too, expected no name twice.");
    REQUIRE(sentence(byte_level().set(prefix + "tokens", with<std::string>(names_of(byte_level()), 258, "a"))) ==
            "token 258, \"a\", is token 97 too, expected no name twice.");
    auto names = names_of(sentence_pieces());
    names[260] = names[261] = "";
    REQUIRE(read(sentence_pieces().set(prefix + "tokens", names))->encode("a").tokens == Tokens{259, 'a' + 3});
}

TEST_CASE("a byte token that names no byte is refused") {
    REQUIRE(
        sentence(sentence_pieces().set(prefix + "tokens", with<std::string>(names_of(sentence_pieces()), 3, "<0>"))) ==
        "token 3, \"<0>\", is of type byte, expected a name from <0x00> to <0xFF>.");
}

TEST_CASE("where bytes are missing there must be a token for what is unknown") {
    GgufWriter file = sentence_pieces();
    file.drop(prefix + "unknown_token_id").set(prefix + "token_type", with(kinds_of(file), 3 + '?', 5));
    REQUIRE(read(file)->encode("?").tokens == Tokens{259, 0});
    file.set(prefix + "token_type", with(kinds_of(file), 0, 3));
    REQUIRE(sentence(file) ==
            "the vocabulary has tokens for 255 of 256 bytes, and none for what it does not know: expected one in "
            "tokenizer.ggml.unknown_token_id.");
    file.set(prefix + "token_type", with(kinds_of(file), 3 + '?', 6));
    REQUIRE(read(file)->encode("?").tokens == Tokens{259, '?' + 3});
}

TEST_CASE("a SentencePiece model that rewrites the text is refused") {
    REQUIRE(read(sentence_pieces().set(prefix + "remove_extra_whitespaces", false)));
    REQUIRE(sentence(sentence_pieces().set(prefix + "remove_extra_whitespaces", true)) ==
            "key tokenizer.ggml.remove_extra_whitespaces is true, only tokenizers that keep every space are read.");
    REQUIRE(sentence(sentence_pieces().set(prefix + "precompiled_charsmap", std::vector<std::uint8_t>(8))) ==
            "key tokenizer.ggml.precompiled_charsmap asks for other characters than the text has, only tokenizers that "
            "keep them are read.");
}

TEST_CASE("merges that do not name two tokens and make a third are refused") {
    const auto said = [](const std::string& merge) {
        return sentence(byte_level().set(prefix + "merges", std::vector<std::string>{"a b", merge}));
    };
    for (const std::string merge : {"", "a", "ab", " a", "a "})
        REQUIRE(said(merge) == "merge 1, \"" + merge + "\", does not name two tokens with a space between.");
    REQUIRE(said("abcd e") == "merge 1, \"abcd e\", names \"abcd\", which is no token.");
    REQUIRE(said("a bcd") == "merge 1, \"a bcd\", names \"bcd\", which is no token.");
    REQUIRE(said("b a") == "merge 1, \"b a\", makes \"ba\", which is no token.");
    REQUIRE(sentence(byte_level().drop(prefix + "merges")) == "key tokenizer.ggml.merges is missing.");
}

TEST_CASE("merges of tokens that are not normal are passed over") {
    GgufWriter file = byte_level();
    file.set(prefix + "token_type", with(kinds_of(file), 258, number_of(TokenKind::control)));
    REQUIRE(read(file)->encode("abc").tokens == Tokens{'a', 'b', 'c'});
}

TEST_CASE("a tokenizer's keys of other types are refused") {
    for (const char* key : {"tokens", "token_type", "scores", "model", "bos_token_id"})
        REQUIRE(sentence(sentence_pieces().set(prefix + key, 1.5)).find("key " + prefix + key + " is of type") == 0);
    for (const char* key : {"tokens", "token_type", "scores"})
        REQUIRE(sentence(sentence_pieces().drop(prefix + key)) == "key " + prefix + key + " is missing.");
}

}  // namespace gguf_tokenizer_tests
