// One long stream, far beyond the context that the model was trained on: what positions do to perplexity.
#include <iomanip>
#include <sstream>

#include "compare_policies/evaluate.hpp"
#include "files.hpp"
#include "formats/llama2c/checkpoint.hpp"
#include "formats/llama2c/tokenizer.hpp"
#include "llama/decoder.hpp"
#include "support/catch.hpp"

namespace positions_tests {

namespace {

using llama::PositionsIn;

constexpr std::size_t block = 512, blocks = 8;  // a block is the trained context

/// The perplexity of each block of a text that is read once, from front to back.
std::vector<double> perplexities(llama::Decoder decoder, std::span<const llama::Token> text) {
    std::vector<double> measured;
    llama::Token token = llama2c::begin_of_text;
    double loss = 0;
    for (std::size_t position = 0; position < text.size(); ++position) {
        loss += compare::negative_log_likelihood(decoder.step(token, position), text[position]);
        token = text[position];
        if ((position + 1) % block != 0) continue;
        measured.push_back(std::exp(loss / block));
        loss = 0;
    }
    return measured;
}

std::string line(const std::string& name, const std::vector<double>& numbers) {
    std::ostringstream text;
    text << std::setw(6) << name << std::fixed << std::setprecision(2);
    for (const double number : numbers) text << std::setw(8) << number;
    text << "\n";
    return text.str();
}

}  // namespace

TEST_CASE("beyond the trained context cache positions stay fluent where true positions break") {
    const std::string shared = MSRNN_SHARED_DIR;
    if (read_bytes(shared + "/models/stories260K.bin").empty()) {
        WARN("skipped: there is no shared folder with the reference model");
        return;
    }
    const llama::Model model = llama2c::read_checkpoint(shared + "/models/stories260K.bin");
    const auto tokenizer = llama2c::read_tokenizer(shared + "/models/tok512.bin", model.config.vocabulary);
    auto tokens = tokenizer.encode(read_bytes(shared + "/texts/tinystories.txt").substr(0, 40'000)).tokens;
    REQUIRE(model.config.context == block);
    REQUIRE(tokens.size() >= blocks * block);
    tokens.resize(blocks * block);

    const auto measure = [&](PositionsIn positions) {
        return perplexities(llama::Decoder(model, 256, msrnn::SinkWindow{}, positions), tokens);
    };
    const auto in_cache = measure(PositionsIn::cache), in_text = measure(PositionsIn::text);
    INFO("perplexity by blocks of 512 tokens, sink-window 256\n" << line("cache", in_cache) << line("true", in_text));
    for (const double perplexity : in_cache) REQUIRE(perplexity < 1.25 * in_cache.front());
    REQUIRE(in_text.back() > 100 * in_cache.back());
}

}  // namespace positions_tests
