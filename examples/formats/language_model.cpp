#include "language_model.hpp"

#include <array>
#include <string_view>
#include <utility>

#include "gguf/model.hpp"
#include "gguf/tokenizer.hpp"
#include "llama2c/checkpoint.hpp"
#include "llama2c/tokenizer.hpp"

namespace formats {
namespace {

bool is_gguf(const std::string& path) {
    std::array<char, 4> magic{};
    open_for_reading(path).read(magic.data(), magic.size());
    return std::string_view(magic.data(), magic.size()) == "GGUF";
}

}  // namespace

LanguageModel read_language_model(const std::string& model, const std::string& tokenizer) {
    if (is_gguf(model)) {
        if (!tokenizer.empty()) throw refusal(model, "a GGUF file brings its own tokenizer; leave out --tokenizer");
        const gguf::File file(model);
        return {gguf::read_model(file), gguf::read_tokenizer(file)};
    }
    if (tokenizer.empty())
        throw refusal(model, "this is no GGUF file; for a llama2.c checkpoint give its --tokenizer too");
    Model checkpoint = llama2c::read_checkpoint(model);
    auto pieces = llama2c::read_tokenizer(tokenizer, checkpoint.config.vocabulary);
    return {std::move(checkpoint), std::make_unique<decltype(pieces)>(std::move(pieces))};
}

}  // namespace formats
