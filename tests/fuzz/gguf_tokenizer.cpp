// Tokenizers out of GGUF files. One that is accepted encodes the file itself and what its key fuzz.text says: tokens
// are of the vocabulary and of kinds that come out of texts, and where nothing is unknown a text comes back.
#include "formats/gguf/tokenizer.hpp"

#include <algorithm>

#include "examples/gguf_writer.hpp"
#include "target.hpp"

namespace gguf_tokenizer_tests {

namespace {

const std::string prefix = "tokenizer.ggml.", blank(llama::SentencePieces::blank);

/// Kinds as in the file: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
GgufWriter vocabulary(const std::string& model, const std::vector<std::pair<std::string, std::int32_t>>& tokens) {
    std::vector<std::string> names;
    std::vector<std::int32_t> kinds;
    for (const auto& [name, kind] : tokens) {
        names.push_back(name);
        kinds.push_back(kind);
    }
    GgufWriter file;
    file.set(prefix + "model", model).set(prefix + "tokens", names).set(prefix + "token_type", kinds);
    return file.set(prefix + "bos_token_id", 0u);
}

std::string sentence_pieces(bool with_bytes) {
    std::vector<std::pair<std::string, std::int32_t>> tokens{
        {"<s>", 3}, {"<unk>", 2}, {blank, 1}, {"a", 1},   {"b", 1},       {"c", 1},
        {"ab", 5},  {"abc", 1},   {"aa", 1},  {"<t>", 4}, {"<t> b", 4},   {blank + "a", 1},
        {"cab", 5}, {"\n", 1},    {"b\n", 1}, {"x", 5},   {"\u00E9a", 1}, {"</s>", 3}};
    for (unsigned byte = 0; byte < 256 && with_bytes; ++byte) {
        constexpr char digits[] = "0123456789ABCDEF";
        tokens.emplace_back(std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">", 6);
    }
    GgufWriter file = vocabulary("llama", tokens);
    std::vector<float> scores;
    for (std::size_t i = 0; i < tokens.size(); ++i) scores.push_back(-static_cast<float>(i / 2));
    file.set(prefix + "scores", scores).set(prefix + "eos_token_id", 17u).set("fuzz.text", "abcab<t> b\n x aa\xC3\xA9");
    return file.bytes();
}

std::string byte_level(const std::string& words) {
    GgufWriter file = vocabulary("gpt2", {{"<s>", 3},
                                          {"a", 1},
                                          {"b", 1},
                                          {"\u0120", 1},
                                          {"'", 1},
                                          {"s", 1},
                                          {"1", 1},
                                          {"\u010A", 1},
                                          {"ab", 1},
                                          {"\u0120a", 1},
                                          {"\u0120ab", 1},
                                          {"bb", 5},
                                          {"'s", 1},
                                          {"<t>", 4},
                                          {"\u00C3", 1},
                                          {"\u00A9", 1},
                                          {"11a", 1},
                                          {"!", 6}});
    file.set(prefix + "pre", words).set(prefix + "eos_token_id", 0u).set(prefix + "eot_token_id", 17u);
    file.set(prefix + "merges", std::vector<std::string>{"a b", "\u0120 a", "\u0120 ab", "b b", "' s"});
    return file.set("fuzz.text", "ab ab's 111a<t>\n\xC3\xA9\xFF  b").bytes();
}

std::vector<std::string> seeds() {
    return {sentence_pieces(false), sentence_pieces(true), byte_level("llama-bpe"),
            byte_level("smollm"),   byte_level("gpt-2"),   byte_level("default")};
}

/// By the file alone: whether a text may hold this token.
bool may_come_out(const gguf::File& file, llama::Token token) {
    const std::int64_t kind = file.wholes(prefix + "token_type")[token];
    const bool byte_level = file.text(prefix + "model") == "gpt2";
    if (kind == 1 || kind == 4) return true;
    return !byte_level && (kind == 6 || kind == 2 || file.whole_or(prefix + "unknown_token_id", ~0ull) == token);
}

/// SentencePiece writes a space as a blank, so that a blank comes back as a space.
bool must_come_back(const gguf::File& file, const llama::Tokenizer& tokenizer, std::string_view text) {
    if (file.text(prefix + "model") == "gpt2") return true;
    const auto& names = file.texts(prefix + "tokens");
    const auto found = static_cast<llama::Token>(std::find(names.begin(), names.end(), blank) - names.begin());
    return found != names.size() && file.wholes(prefix + "token_type")[found] == 1 && !tokenizer.between_texts(found) &&
           text.find(blank) == text.npos;
}

void use(const gguf::File& file, const llama::Tokenizer& tokenizer, std::string_view text) {
    const llama::Encoding encoding = tokenizer.encode(text);
    std::string decoded;
    llama::Token previous = tokenizer.begin();
    for (const llama::Token token : encoding.tokens) {
        if (token >= tokenizer.size()) throw fuzz::Found("a token is not in the vocabulary");
        const bool is_unknown = encoding.unknown != 0 && file.whole_or(prefix + "unknown_token_id", ~0ull) == token;
        if (tokenizer.between_texts(token) && !is_unknown) throw fuzz::Found("a text holds what stands between texts");
        if (!may_come_out(file, token)) throw fuzz::Found("a text holds a token of a kind that no text holds");
        decoded += tokenizer.text(token, previous);
        previous = token;
    }
    if (encoding.unknown == 0 && must_come_back(file, tokenizer, text) && decoded != text)
        throw fuzz::Found("a text does not come back");
}

void read(const std::string& path, std::string_view bytes) {
    const gguf::File file(path);
    const auto tokenizer = gguf::read_tokenizer(file);
    for (llama::Token token = 0; token < tokenizer->size(); ++token) tokenizer->text(token, tokenizer->begin());
    use(file, *tokenizer, bytes);
    if (file.has("fuzz.text")) use(file, *tokenizer, file.text("fuzz.text"));
}

const fuzz::Enter entered({"gguf_tokenizer", seeds, 10000, read});

}  // namespace

}  // namespace gguf_tokenizer_tests
