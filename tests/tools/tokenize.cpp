// tokenize FILE.gguf: texts in, tokens out. A text is its length as a uint32 and its bytes; for each there is a line:
// what is unknown, 1 if decoding gives the text back, the tokens.
#include <cstdint>
#include <exception>
#include <iostream>
#include <string>

#include "formats/gguf/tokenizer.hpp"

namespace {

std::string decoded(const llama::Tokenizer& tokenizer, const std::vector<llama::Token>& tokens) {
    std::string text;
    llama::Token previous = tokenizer.begin();
    for (const llama::Token token : tokens) {
        text += tokenizer.text(token, previous);
        previous = token;
    }
    return text;
}

bool read(std::istream& in, std::string& text) {
    std::uint32_t length = 0;
    if (!in.read(reinterpret_cast<char*>(&length), sizeof(length))) return false;
    text.resize(length);
    return static_cast<bool>(in.read(text.data(), static_cast<std::streamsize>(length)));
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 2) throw std::invalid_argument("usage: tokenize FILE.gguf");
    const auto tokenizer = gguf::read_tokenizer(gguf::File(argv[1]));
    for (std::string text; read(std::cin, text);) {
        const auto [tokens, unknown] = tokenizer->encode(text);
        std::cout << unknown << ' ' << (decoded(*tokenizer, tokens) == text);
        for (const llama::Token token : tokens) std::cout << ' ' << token;
        std::cout << '\n';
    }
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 2;
}
