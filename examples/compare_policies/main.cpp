// What does a language model lose when it may remember only so many tokens, and who chooses them best?
// Every policy reads the same text with the same model, at several budgets.
#include <filesystem>
#include <iostream>
#include <optional>

#include "comparison.hpp"
#include "llama2c/checkpoint.hpp"
#include "llama2c/tokenizer.hpp"
#include "options.hpp"
#include "random_model.hpp"
#include "report.hpp"

namespace compare {
namespace {

constexpr std::size_t fewest_tokens = 16, smallest_window = 3, random_windows = 32;

struct Subject {
    Model model;
    std::vector<Token> tokens;
};

Subject random_subject(const Options& options) {
    std::cout << "This is a random network on a random text: its perplexity means nothing; "
                 "give a real model with --model M.bin --tokenizer T.bin --text F.txt.\n";
    Model model = random_model(options.seed);
    std::vector<Token> tokens = random_text(model, random_windows, options.seed);
    return {std::move(model), std::move(tokens)};
}

Subject named_subject(const Options& options) {
    Model model = read_checkpoint(options.model);
    const Tokenizer tokenizer = read_tokenizer(options.tokenizer, model.config.vocabulary);
    Encoding encoding = tokenizer.encode(read_text(options.text));
    if (encoding.unknown != 0)
        std::cout << "Note: " << grouped(encoding.unknown)
                  << " characters of the text are not in the vocabulary: <unk>.\n";
    return {std::move(model), std::move(encoding.tokens)};
}

void use_first(std::size_t wanted, std::vector<Token>& tokens) {
    if (wanted != 0 && wanted < tokens.size()) tokens.resize(wanted);
    if (tokens.size() < fewest_tokens)
        throw std::invalid_argument("A text of " + std::to_string(tokens.size()) +
                                    " tokens is too short: " + std::to_string(fewest_tokens) + " are the least.");
}

std::size_t window_for(const Options& options, const Subject& subject) {
    const std::size_t context = subject.model.config.context, tokens = subject.tokens.size();
    std::size_t window = options.window == 0 ? context : options.window;
    if (window < smallest_window)
        throw std::invalid_argument("A window of " + std::to_string(window) +
                                    " leaves nothing to score: " + std::to_string(smallest_window) + " is the least.");
    if (tokens + 1 < window) {
        window = tokens + 1;
        std::cout << "Note: the text is shorter than a window; the window shrinks to " << grouped(window) << ".\n";
    }
    if (window > context)
        std::cout << "Note: the context of the model is " << grouped(context) << " positions; a window of "
                  << grouped(window) << " goes beyond it.\n";
    return window;
}

void describe(const Config& c, const Windows& windows) {
    std::cout << "Model: " << c.layers << " layers, " << c.query_heads << " query heads on " << c.kv_heads
              << " KV heads, head_dim " << c.head_dim() << ", vocabulary " << grouped(c.vocabulary) << ", context "
              << grouped(c.context) << ".\n"
              << "Text: " << grouped(windows.tokens) << " tokens. Windows of " << grouped(windows.window) << ": "
              << grouped(windows.count()) << " (" << grouped(windows.dropped())
              << " tokens left over). Scored: the second half of each, " << grouped(windows.targets())
              << " targets.\n\n"
              << std::flush;
}

/// Opened before the run, and never over one of the inputs.
std::optional<CsvFile> open_csv(const Options& options) {
    if (options.csv.empty()) return std::nullopt;
    for (const std::string& input : {options.model, options.tokenizer, options.text}) {
        std::error_code ignored;
        if (std::filesystem::equivalent(options.csv, input, ignored))
            throw refusal(options.csv, "the results would overwrite what is read");
    }
    return std::optional<CsvFile>(options.csv);
}

int run(const Options& options) {
    Subject subject = options.model.empty() ? random_subject(options) : named_subject(options);
    use_first(options.tokens, subject.tokens);
    const std::size_t window = window_for(options, subject);
    const Windows windows{.window = window, .tokens = subject.tokens.size()};
    std::vector<Cell> cells = plan(options.choice, window, options.seed);
    std::optional<CsvFile> csv = open_csv(options);
    describe(subject.model.config, windows);

    listen_for_interrupt();
    {
        Watch watch{.interrupted = interrupted};
        const ProgressLine progress(windows.steps() * runs(cells));
        measure(
            cells, {subject.model, subject.tokens, window, options.seed, options.scalar}, options.threads, watch,
            [&] {
                if (csv) csv->write_in_order(cells);
            },
            [&] { progress.show(watch.steps_done); });
    }
    std::cout << table(cells) << std::flush;
    if (csv) csv->write_rest(cells);
    if (!interrupted) return 0;
    std::cerr << "compare_policies: interrupted; the rows so far stand.\n";
    return status_interrupted;
}

}  // namespace
}  // namespace compare

int main(int argc, char** argv) {
    CLI::App app("What eviction policies do to a language model's perplexity", "compare_policies");
    return llama2c::run_program(app, argc, argv, compare::add_options, compare::run);
}
