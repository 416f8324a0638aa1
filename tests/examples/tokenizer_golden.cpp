// Vocabularies that sentencepiece and Hugging Face's tokenizers have trained, and what these two make of texts
// (tests/tools/tokenizer_golden.py).
#include <fstream>
#include <nlohmann/json.hpp>

#include "formats/gguf/tokenizer.hpp"
#include "support/catch.hpp"

namespace tokenizer_golden_tests {

namespace {

std::string data(const std::string& name) { return std::string(MSRNN_TEST_DATA_DIR) + "/tokenizers/" + name; }

nlohmann::json read_json(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot read " + path);
    return nlohmann::json::parse(file);
}

}  // namespace

TEST_CASE("texts become the tokens that the references give") {
    for (const std::string name : {"sentence-pieces", "llama-bpe", "smollm", "gpt-2"}) {
        const auto tokenizer = gguf::read_tokenizer(gguf::File(data(name + ".gguf")));
        const auto texts = read_json(data(name + ".json")).at("texts");
        REQUIRE(texts.size() > 100);
        for (const auto& entry : texts) {
            const auto text = entry.at(0).get<std::string>();
            INFO(name << ": " << text);
            REQUIRE(tokenizer->encode(text).tokens == entry.at(1).get<std::vector<llama::Token>>());
        }
    }
}

}  // namespace tokenizer_golden_tests
