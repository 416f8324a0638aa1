// How well a model of llama.cpp predicts a text while its cache keeps `budget` tokens: perplexity, tokens per second.
//     perplexity model=FILE text=FILE policy=h2o budget=255 tokens=1500
#include <cmath>
#include <cstdio>
#include <exception>

#include "program.hpp"

int main(int count, char** arguments) try {
    const Options options(count, arguments,
                          {{"model", ""},
                           {"text", ""},
                           {"tokens", "1500"},
                           {"policy", "h2o"},
                           {"budget", "255"},
                           {"batch", "1"},
                           {"lanes", "model"},
                           {"threads", "1"},
                           {"keep", "0"},
                           {"flash", "on"}});
    const Model model(options.text("model"));
    const std::vector<llama_token> tokens = model.tokens_of_file(options.text("text"), options.number("tokens"));
    BoundedContext context(model.get(), options.context());
    double surprise = 0, seconds = 0, processor = 0;
    for (std::size_t first = 0; first < tokens.size();) {
        const std::size_t n = std::min(options.number("batch"), tokens.size() - first);
        const Clock clock;
        context.decode(std::span(tokens).subspan(first, n), true);
        seconds += clock.seconds();
        processor += clock.processor();
        for (std::size_t i = 0; i < n && first + i + 1 < tokens.size(); ++i)
            surprise += model.surprise(context.logits(i), tokens[first + i + 1]);
        first += n;
    }
    std::printf(
        "%s lanes=%s budget %zu: perplexity %.3f over %zu tokens, %.1f tokens/s, %.1f per processor second, %u cells\n",
        options.text("policy").c_str(), options.text("lanes").c_str(), options.number("budget"),
        std::exp(surprise / static_cast<double>(tokens.size() - 1)), tokens.size() - 1,
        static_cast<double>(tokens.size()) / seconds, static_cast<double>(tokens.size()) / processor,
        llama_n_ctx(context.get()));
} catch (const std::exception& error) {
    std::fprintf(stderr, "perplexity: %s\n", error.what());
    return 1;
}
