// Throughput in fixed memory: the cells that hold a few full sequences hold many that forget. A few sequences read
// their parts of the text, token by token; copies of them fill the memory; then `steps` passes are measured, one token
// of each. parts=1: all are copies of one, which is read sooner.
//     throughput model=FILE text=FILE cells=8192 tokens=2048 budget=255 policies=full,sink-window,h2o
#include <cmath>
#include <cstdio>
#include <exception>

#include "program.hpp"

namespace {

struct Measured {
    double tokens_per_second = 0, per_processor_second = 0, perplexity = 0;
};

/// One token of each sequence: sequence s reads part s % parts of the text.
std::vector<llama_token> slice(std::span<const llama_token> text, std::size_t parts, std::size_t sequences,
                               std::size_t at) {
    std::vector<llama_token> tokens;
    for (std::size_t s = 0; s < sequences; ++s) tokens.push_back(text[s % parts * (text.size() / parts) + at]);
    return tokens;
}

Measured measure(const Model& model, std::span<const llama_token> text, const ContextSettings& settings,
                 std::size_t parts, std::size_t start, std::size_t steps) {
    BoundedContext context(model.get(), settings);
    for (std::size_t at = 0; at < start; ++at) context.decode(slice(text, parts, parts, at), parts);
    for (std::size_t s = parts; s < settings.sequences; ++s) context.copy_sequence(s % parts, s);
    double surprise = 0, seconds = 0, processor = 0;
    for (std::size_t at = start; at < start + steps; ++at) {
        const std::vector<llama_token> now = slice(text, parts, settings.sequences, at);
        const std::vector<llama_token> next = slice(text, parts, settings.sequences, at + 1);
        const Clock clock;
        context.decode(now);
        seconds += clock.seconds();
        processor += clock.processor();
        for (std::size_t s = 0; s < settings.sequences; ++s) surprise += model.surprise(context.logits(s), next[s]);
    }
    const auto tokens = static_cast<double>(settings.sequences * steps);
    return {tokens / seconds, tokens / processor, std::exp(surprise / tokens)};
}

}  // namespace

int main(int count, char** arguments) try {
    const Options options(count, arguments,
                          {{"model", ""},
                           {"text", ""},
                           {"cells", "8192"},
                           {"tokens", "2048"},
                           {"steps", "64"},
                           {"parts", "0"},
                           {"policies", "full,sink-window,h2o,key-norm"},
                           {"budget", "255"},
                           {"batch", "1"},
                           {"threads", "2"},
                           {"flash", "on"}});
    const Model model(options.text("model"));
    const std::size_t cells = options.number("cells"), length = options.number("tokens"),
                      steps = options.number("steps");
    const std::size_t budget = options.number("budget"), many = cells / (budget + 1);
    if (steps + 1 >= length) throw std::invalid_argument("tokens= is the length of a sequence, more than steps=");
    const std::size_t few = cells / length, parts = options.number("parts") == 0 ? few : options.number("parts");
    const std::vector<llama_token> text = model.tokens_of_file(options.text("text"), parts * length);
    for (std::string_view list = options.text("policies"); !list.empty();) {
        const std::string policy(list.substr(0, list.find(',')));
        list.remove_prefix(std::min(policy.size() + 1, list.size()));
        const bool full = policy == "full";
        const std::size_t sequences = full ? few : many;
        const ContextSettings settings{.policy = policy,
                                       .budget = budget,
                                       .tokens = length - 1,
                                       .batch = 1,
                                       .sequences = sequences,
                                       .threads = static_cast<int>(options.number("threads")),
                                       .flash = options.text("flash") == "on"};
        const Measured m = measure(model, text, settings, parts, length - steps - 1, steps);
        std::printf(
            "%-18s %3zu sequences: %7.1f tokens/s, %7.1f per processor second, perplexity %.2f, resident %.0f MiB\n",
            policy.c_str(), sequences, m.tokens_per_second, m.per_processor_second, m.perplexity, resident_mib());
        std::fflush(stdout);
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "throughput: %s\n", error.what());
    return 1;
}
