// llama2.c's tokenizers. One that is accepted is written again and must be the same file; then it is used.
#include <cstring>

#include "examples/vocabularies.hpp"
#include "formats/llama2c/tokenizer.hpp"
#include "target.hpp"

namespace llama2c_tokenizer_tests {

namespace {

std::vector<std::string> seeds() {
    std::vector<llama2c::Piece> merging = character_vocabulary(" abc");
    for (const char* piece : {"ab", "bc", "abc", " a"}) merging.push_back({piece, static_cast<float>(merging.size())});
    std::vector<llama2c::Piece> bytes = bytes_vocabulary();
    return {tokenizer_file(merging), tokenizer_file(character_vocabulary("ab")), tokenizer_file(bytes)};
}

/// As many pieces as the lengths in the file lead to, for what is asked for must not be what refuses it.
std::size_t pieces_in(std::string_view bytes) {
    std::size_t pieces = 0;
    for (std::size_t at = 4; at + 8 <= bytes.size(); ++pieces) {
        std::uint32_t length = 0;
        std::memcpy(&length, bytes.data() + at + 4, sizeof(length));
        at += 8 + std::size_t{length};
    }
    return pieces;
}

void use(const llama2c::Tokenizer& tokenizer, std::string_view text) {
    llama::Token previous = tokenizer.begin();
    for (const llama::Token token : tokenizer.encode(text).tokens) {
        if (token >= tokenizer.size()) throw fuzz::Found("a token is not in the vocabulary");
        tokenizer.text(token, previous);
        previous = token;
    }
}

void read(const std::string& path, std::string_view bytes) {
    const llama2c::Tokenizer tokenizer = llama2c::read_tokenizer(path, pieces_in(bytes));
    std::string again(bytes.substr(0, 4));
    for (llama::Token token = 0; token < tokenizer.size(); ++token) {
        const llama2c::Piece& piece = tokenizer.piece(token);
        again += bytes_of(piece.score) + bytes_of(static_cast<std::int32_t>(piece.bytes.size())) + piece.bytes;
    }
    if (again != bytes) throw fuzz::Found("the pieces are not what the file holds");
    if (tokenizer.size() == 0) return;
    use(tokenizer, "abc  ab\xC3\xA9\n");
    use(tokenizer, bytes);
}

const fuzz::Enter entered({"llama2c_tokenizer", seeds, 10000, read});

}  // namespace

}  // namespace llama2c_tokenizer_tests
