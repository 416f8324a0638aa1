// What does a language model lose when it may remember only so many tokens, and who chooses them best?
// Every policy reads the same text with the same model, at several budgets.
#include <filesystem>
#include <iostream>
#include <optional>

#include "comparison.hpp"
#include "formats/language_model.hpp"
#include "json.hpp"
#include "options.hpp"
#include "page.hpp"
#include "progress_line.hpp"
#include "results.hpp"
#include "table.hpp"

namespace compare {
namespace {

constexpr std::size_t fewest_tokens = 16, smallest_window = 3, largest_default_window = 1024;

std::vector<Token> tokens_of(const Options& options, const Tokenizer& tokenizer) {
    Encoding encoding = tokenizer.encode(read_text(options.text));
    if (encoding.unknown != 0)
        std::cout << "Note: " << grouped(encoding.unknown)
                  << " characters of the text are not in the vocabulary: <unk>.\n";
    std::vector<Token> tokens = std::move(encoding.tokens);
    if (options.tokens != 0 && options.tokens < tokens.size()) tokens.resize(options.tokens);
    if (tokens.size() < fewest_tokens)
        throw std::invalid_argument("A text of " + std::to_string(tokens.size()) +
                                    " tokens is too short: " + std::to_string(fewest_tokens) + " are the least.");
    return tokens;
}

std::size_t window_for(const Options& options, std::size_t context, std::size_t tokens) {
    std::size_t window = options.window == 0 ? std::min(context, largest_default_window) : options.window;
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

std::size_t mapped_window(const Options& options, const Windows& windows) {
    if (options.map > windows.count())
        throw std::invalid_argument("There is no window " + std::to_string(options.map) + " to map: the text has " +
                                    std::to_string(windows.count()) + ".");
    return options.map - 1;
}

std::string file_name(const std::string& path) { return std::filesystem::path(path).filename().string(); }

void describe(const Options& options, const Config& c, const Windows& windows) {
    std::cout << "Model: " << file_name(options.model) << ", " << c.layers << " layers, " << c.query_heads
              << " query heads on " << c.kv_heads << " KV heads, head_dim " << c.head_dim << ", vocabulary "
              << grouped(c.vocabulary) << ", context " << grouped(c.context) << ".\n"
              << "Text: " << file_name(options.text) << ", " << grouped(windows.tokens) << " tokens. Windows of "
              << grouped(windows.window) << ": " << grouped(windows.count()) << " (" << grouped(windows.dropped())
              << " tokens left over). Scored: the second half of each, " << grouped(windows.targets())
              << " targets.\n\n"
              << std::flush;
}

bool same_file(const std::string& a, const std::string& b) {
    std::error_code ignored;
    return std::filesystem::equivalent(a, b, ignored) ||
           std::filesystem::weakly_canonical(a, ignored) == std::filesystem::weakly_canonical(b, ignored);
}

/// Never one of the inputs, and never one file twice.
void check_results(const Options& options) {
    const std::vector<std::string> results{options.csv, options.json, options.html};
    for (auto result = results.begin(); result != results.end(); ++result) {
        if (result->empty()) continue;
        for (const std::string& input : {options.model, options.tokenizer, options.text})
            if (!input.empty() && same_file(*result, input))
                throw refusal(*result, "the results would overwrite what is read");
        for (auto other = results.begin(); other != result; ++other)
            if (!other->empty() && same_file(*result, *other))
                throw refusal(*result, "one file cannot take two kinds of results");
    }
}

std::optional<ResultFile> opened(const std::string& path) {
    return path.empty() ? std::nullopt : std::optional<ResultFile>(path);
}

/// What the model reads in a window, as text: BOS, then all but the last token. None is told that it stands behind BOS:
/// it would lose its space, and most windows begin amid the text.
std::vector<std::string> token_texts(std::span<const Token> window, const Tokenizer& tokenizer) {
    std::vector<std::string> texts{""};
    for (const Token token : window.first(window.size() - 1)) texts.push_back(tokenizer.text(token, token));
    return texts;
}

int run(const Options& options) {
    const formats::LanguageModel subject = formats::read_language_model(options.model, options.tokenizer);
    const Config& config = subject.model.config;
    const std::vector<Token> tokens = tokens_of(options, *subject.tokenizer);
    const std::size_t window = window_for(options, config.context, tokens.size());

    Results results{.model = file_name(options.model),
                    .text = file_name(options.text),
                    .config = config,
                    .windows = {.window = window, .tokens = tokens.size()},
                    .settings = options.settings,
                    .cells = plan(options.choice, window, options.settings.seed),
                    .mapped_tokens = {},
                    .survival = {}};
    results.mapped_window = mapped_window(options, results.windows);
    check_results(options);
    const auto csv = opened(options.csv), json = opened(options.json), html = opened(options.html);
    describe(options, config, results.windows);

    const Reading reading{.model = subject.model,
                          .tokens = tokens,
                          .begin = subject.tokenizer->begin(),
                          .window = window,
                          .mapped_window = results.mapped_window};
    results.mapped_tokens = token_texts(reading.text(results.mapped_window), *subject.tokenizer);
    listen_for_interrupt();
    {
        Watch watch{.interrupted = interrupted};
        const ProgressLine progress(results.windows.steps());
        results.survival =
            measure(results.cells, reading, options.settings, watch, [&] { progress.show(watch.steps_done); });
    }
    std::cout << table(results.cells) << curves(results.cells) << std::flush;
    if (csv) csv->write(csv_of(results.cells));
    if (json) json->write(json_text(results));
    if (html) html->write(page(results));
    if (!interrupted) return 0;
    std::cerr << "compare_policies: interrupted; the numbers are those of the windows read so far.\n";
    return status_interrupted;
}

}  // namespace
}  // namespace compare

int main(int argc, char** argv) {
    CLI::App app("What eviction policies do to a language model's perplexity", "compare_policies");
    return llama::run_program(app, argc, argv, compare::add_options, compare::run);
}
