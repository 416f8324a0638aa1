// Text without end in constant memory: a language model writes, and a policy chooses what it remembers.
#include <unistd.h>

#include <cstdio>
#include <stdexcept>

#include "formats/language_model.hpp"
#include "options.hpp"
#include "sampler.hpp"

namespace generate {
namespace {

msrnn::AnyPolicy policy_for(const Options& options) {
    const bool bounded = options.policy != no_bound;
    if (bounded && options.budget == 0)
        throw std::invalid_argument(options.policy + " needs a --budget: how many tokens it remembers.");
    if (!bounded && options.budget != 0)
        throw std::invalid_argument("full has no budget; give a --policy that forgets.");

    const msrnn::AnyPolicy policy = policy_named(seeded(options.policies, options.seed), options.policy);
    if (!bounded) return policy;
    const std::string why = msrnn::problem(policy, msrnn::Limits{.budget = options.budget});
    if (!why.empty()) throw cannot_take(options.policy, options.budget, why);
    return policy;
}

std::vector<Token> encoded(const std::string& prompt, const Tokenizer& tokenizer) {
    const Encoding encoding = tokenizer.encode(prompt);
    if (encoding.unknown != 0)
        throw std::invalid_argument("The prompt holds " + std::to_string(encoding.unknown) +
                                    (encoding.unknown == 1 ? " character that is" : " characters that are") +
                                    " not in the vocabulary.");
    return encoding.tokens;
}

/// A model must read something before it can write: where there is no prompt that is BOS, unless --bos off forbids it.
Framing framing_for(const Options& options, const Tokenizer& tokenizer, bool prompted) {
    Framing framing = framing_of(tokenizer, options.bos);
    if (framing.bos || prompted) return framing;
    if (!options.bos.empty()) throw std::invalid_argument("Without BOS there must be a --prompt to begin with.");
    framing.bos = true;
    framing.reason = "for want of a --prompt";
    return framing;
}

void write(const std::string& bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() || std::fflush(stdout) != 0)
        throw std::runtime_error("Standard output cannot be written.");
}

/// Reads the prompt, then what it has chosen itself.
void write_text(Decoder& decoder, const Tokenizer& tokenizer, const std::vector<Token>& prompt, bool bos,
                const Options& options) {
    Sampler sampler(options.temperature, options.top_p, options.seed);
    Token token = tokenizer.begin();
    std::size_t written = 0;
    const auto go_on_with = [&](Token next) {
        write(tokenizer.text(next, token));
        token = next;
        ++written;
    };
    if (!bos) go_on_with(prompt.front());
    const std::size_t end = prompt.size() + options.tokens;
    for (std::int64_t position = 0; (options.tokens == 0 || written < end) && !interrupted; ++position) {
        decoder.read(token, position);
        if (written < prompt.size()) {
            go_on_with(prompt[written]);
        } else {
            const Token next = sampler.choose(decoder.logits().col(0));
            if (options.one_text && tokenizer.between_texts(next)) return;
            go_on_with(next);
        }
    }
}

int run(const Options& options) {
    const msrnn::AnyPolicy policy = policy_for(options);
    const formats::LanguageModel subject = formats::read_language_model(options.model, options.tokenizer);
    const std::vector<Token> prompt = encoded(options.prompt, *subject.tokenizer);
    Framing framing = framing_for(options, *subject.tokenizer, !prompt.empty());
    framing.end.reset();
    std::cerr << "generate: " << told(framing) << "\n";
    Decoder decoder(subject.model, options.slots(prompt.size()), policy, options.positions_in());

    listen_for_interrupt();
    write_text(decoder, *subject.tokenizer, prompt, framing.bos, options);
    if (isatty(STDOUT_FILENO)) write("\n");
    return interrupted ? status_interrupted : 0;
}

}  // namespace
}  // namespace generate

int main(int argc, char** argv) {
    CLI::App app("Text under an eviction policy", "generate");
    return llama::run_program(app, argc, argv, generate::add_options, generate::run);
}
