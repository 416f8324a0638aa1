// gguf_logits FILE TOKEN...: the logits behind each token, one line per token. Built with
// examples/llama/policies.cpp, products.cpp and states_f32.cpp.
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

#include "formats/gguf/model.hpp"
#include "llama/decoder.hpp"

namespace {

void print(const llama::Vector& logits) {
    for (const float logit : logits) std::printf("%.9g ", double{logit});
    std::printf("\n");
}

}  // namespace

int main(int count, char** arguments) try {
    if (count < 3) throw std::runtime_error("usage: gguf_logits FILE TOKEN...");
    const llama::Model model = gguf::read_model(gguf::File(arguments[1]));
    llama::Decoder decoder(model, msrnn::unbounded, msrnn::Window{});
    for (int i = 2; i < count; ++i) {
        const std::size_t token = std::stoul(arguments[i]);
        if (token >= model.config.vocabulary) throw std::runtime_error("there is no token " + std::to_string(token));
        print(decoder.step(token, msrnn::Position{i - 2}));
    }
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "gguf_logits: %s\n", error.what());
    return 1;
}
