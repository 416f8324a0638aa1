// llama.cpp writes the likeliest text in a memory that does not grow: msrnn decides which token its cache forgets.
//     generate model=FILE prompt="Once upon a time" policy=h2o budget=255 tokens=200
// save=FILE keeps the state after save_after=N tokens and goes on; load=FILE goes on from it, with the same bits.
#include <bit>
#include <cstdint>
#include <cstdio>
#include <exception>

#include "program.hpp"
#include "saved.hpp"

namespace {

std::vector<llama_token> first_tokens(const Model& model, const Options& options) {
    if (!options.text("load").empty()) return {};
    if (options.text("prompt_file").empty()) return model.tokens(options.text("prompt"));
    return model.tokens_of_file(options.text("prompt_file"), options.number("prompt_tokens"));
}

/// Differs where a bit of the numbers does (FNV-1a).
std::uint64_t fingerprint(std::span<const float> numbers) {
    std::uint64_t hash = 14695981039346656037u;
    for (const float number : numbers) hash = (hash ^ std::bit_cast<std::uint32_t>(number)) * 1099511628211u;
    return hash;
}

}  // namespace

int main(int count, char** arguments) try {
    const Options options(count, arguments,
                          {{"model", ""},
                           {"prompt", "Once upon a time"},
                           {"prompt_file", ""},
                           {"prompt_tokens", "1000"},
                           {"tokens", "100"},
                           {"policy", "h2o"},
                           {"budget", "255"},
                           {"batch", "256"},
                           {"lanes", "model"},
                           {"threads", "1"},
                           {"keep", "0"},
                           {"flash", "on"},
                           {"endless", "no"},
                           {"servers", ""},
                           {"save", ""},
                           {"save_after", "0"},
                           {"load", ""}});
    const Model model(options.text("model"), options.text("servers"));
    std::vector<llama_token> next = first_tokens(model, options);
    ContextSettings settings = options.context();
    settings.tokens += next.size();
    BoundedContext context(model.get(), settings);
    if (!options.text("load").empty()) next = load(context, options.text("load"));

    // A prompt goes in batches: the policy judges at the end of each what has to leave.
    for (; next.size() > 1 && next.size() > settings.batch;
         next.erase(next.begin(), next.begin() + static_cast<int>(settings.batch)))
        context.decode(std::span(next).first(settings.batch));
    const double before = resident_mib();
    const Clock clock;
    std::size_t written = 0;
    std::uint64_t bits = 0;
    for (; written < options.number("tokens"); ++written) {
        if (!options.text("save").empty() && written == options.number("save_after"))
            save(context, options.text("save"), next);
        context.decode(next);
        const float* const logits = context.logits(next.size() - 1);
        bits = fingerprint(std::span(logits, model.words()));
        next.assign(1, model.likeliest(logits));
        if (model.ends(next[0]) && options.text("endless") == "no") break;
        std::fputs(model.text(next[0]).c_str(), stdout);
    }
    std::fprintf(
        stderr,
        "[%zu tokens seen, %u cells, %.1f tokens/s, resident %.1f MiB before and %.1f after, last logits %016llx]\n",
        context.seen(), llama_n_ctx(context.get()), static_cast<double>(written) / clock.seconds(), before,
        resident_mib(), static_cast<unsigned long long>(bits));
} catch (const std::exception& error) {
    std::fprintf(stderr, "generate: %s\n", error.what());
    return 1;
}
