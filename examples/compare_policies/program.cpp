// What does a language model lose when its cache holds few tokens, and which policy chooses them best?
// Every policy reads the same text with the same model, at several budgets.
#include "program.hpp"

#include <array>
#include <ctime>
#include <filesystem>
#include <functional>
#include <iostream>
#include <optional>

#include "answer.hpp"
#include "comparison.hpp"
#include "csv.hpp"
#include "fingerprint.hpp"
#include "formats/language_model.hpp"
#include "json.hpp"
#include "keeper.hpp"
#include "options.hpp"
#include "page.hpp"
#include "progress.hpp"
#include "result_file.hpp"
#include "results.hpp"
#include "resume.hpp"
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
    if (tokenizer.framing.end) tokens.push_back(*tokenizer.framing.end);
    if (options.tokens != 0 && options.tokens < tokens.size()) tokens.resize(options.tokens);
    if (tokens.size() < fewest_tokens)
        throw std::invalid_argument("A text of " + std::to_string(tokens.size()) +
                                    " tokens is too short: " + std::to_string(fewest_tokens) + " are the least.");
    return tokens;
}

/// `tokens`: how many there are, BOS among them.
std::size_t window_for(const Options& options, std::size_t context, std::size_t tokens) {
    std::size_t window = options.window == 0 ? std::min(context, largest_default_window) : options.window;
    if (window < smallest_window)
        throw std::invalid_argument("A window of " + std::to_string(window) +
                                    " leaves nothing to score: " + std::to_string(smallest_window) + " is the least.");
    if (tokens < window) {
        window = tokens;
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

void describe(const Results& results) {
    const Config& c = results.config;
    const Windows& windows = results.windows;
    std::cout << "Model: " << results.model << ", " << layers_of(c) << ", " << c.query_heads << " query heads on "
              << c.kv_heads << " KV heads, head_dim " << c.head_dim << ", vocabulary " << grouped(c.vocabulary)
              << ", context " << grouped(c.context) << ".\n"
              << "Text: " << results.text << ", " << grouped(windows.tokens) << " tokens. Windows of "
              << grouped(windows.window) << ": " << grouped(windows.count()) << " (" << grouped(windows.dropped())
              << " tokens left over). Scored: the second half of each, " << grouped(windows.targets()) << " targets.\n"
              << told(results.framing) << "\n";
    if (const std::size_t known = results.windows_read.size(); known != 0)
        std::cout << "Going on behind " << grouped(known) << " windows that an earlier run has read.\n";
    std::cout << "\n";
    flush_output();
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

/// The text of each token that the model reads in a window; BOS has none. The tokenizer removes the space before the
/// first word after BOS. Most windows begin in the middle of the text, so each token is decoded as if another stood
/// before it.
std::vector<std::string> token_texts(std::vector<Token> window, bool bos, const Tokenizer& tokenizer) {
    window.pop_back();
    std::vector<std::string> texts;
    for (const Token token : window) texts.push_back(tokenizer.text(token, token));
    if (bos) texts.front().clear();
    return texts;
}

std::string date() {
    const std::time_t now = std::time(nullptr);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", std::gmtime(&now));
    return text.data();
}

void show(const Results& results) {
    if (!results.complete()) std::cout << interruption(results) << "\n\n";
    std::cout << table(results.cells) << curves(results.cells);
    if (const std::string sentence = answer(results.cells, results.windows.window); !sentence.empty())
        std::cout << "\n" << sentence << "\n";
    if (const std::string sentence = best_by_needs(results.cells, results.windows.window); !sentence.empty())
        std::cout << sentence << "\n";
    flush_output();
}

/// If one file cannot be written, the others still are.
void deliver(const std::vector<std::function<void()>>& parts) {
    std::string failure;
    for (const auto& part : parts) try {
            part();
        } catch (const std::runtime_error& error) {
            if (failure.empty()) failure = error.what();
        }
    if (!failure.empty()) throw std::runtime_error(failure);
}

int run(const Options& options) {
    if (options.list) {
        std::cout << list_of_policies(options.policies, options.choice.shown);
        flush_output();
        return 0;
    }
    const msrnn::Policies policies = seeded(options.policies, options.settings.seed);
    const formats::LanguageModel subject = formats::read_language_model(options.model, options.tokenizer);
    const Config& config = subject.model.config;
    const Framing framing = framing_of(*subject.tokenizer, options.bos);
    const std::vector<Token> tokens = tokens_of(options, *subject.tokenizer);
    const std::size_t window = window_for(options, config.context, tokens.size() + (framing.bos ? 1 : 0));

    Results results{.model = file_name(options.model),
                    .text = file_name(options.text),
                    .model_fingerprint = fingerprint(subject.model),
                    .text_fingerprint = fingerprint(tokens),
                    .command = options.command,
                    .date = date(),
                    .config = config,
                    .framing = framing,
                    .windows = {.window = window, .tokens = tokens.size(), .bos = framing.bos},
                    .settings = options.settings,
                    .cells = plan(options.choice, window, policies),
                    .mapped_tokens = {}};
    results.mapped_window = mapped_window(options, results.windows);
    check_results(options);
    const auto begin = framing.bos ? std::optional(subject.tokenizer->begin()) : std::nullopt;
    const Reading reading{.model = subject.model,
                          .tokens = tokens,
                          .begin = begin,
                          .window = window,
                          .memories = memories_of(results.cells, policies),
                          .mapped_window = results.mapped_window};
    results.mapped_tokens = token_texts(reading.text(results.mapped_window), framing.bos, *subject.tokenizer);

    Outcome outcome = options.resume.empty() ? Outcome() : resumed(options.resume, results);
    results.take(outcome);
    const auto csv = opened(options.csv), html = opened(options.html),
               json = opened(options.json.empty() ? options.resume : options.json);
    describe(results);
    listen_for_interrupt();
    {
        Watch watch{.interrupted = interrupted};
        Progress progress((results.windows.count() - results.windows_read.size()) * reading.work_each(), std::cerr);
        Keeper keeper(json, results);
        outcome = measure(reading, options.settings, watch, std::move(outcome), [&](const Outcome& so_far) {
            progress.show(watch.work_done);
            keeper.keep(so_far);
        });
    }
    results.take(outcome);
    const std::string left = results.complete() ? "" : "compare_policies: interrupted: ";
    if (results.windows_read.empty()) {
        std::cerr << left << "no window was read to its end, there is nothing to tell.\n";
        return status_interrupted;
    }
    deliver({[&] {
                 if (json) json->write(json_text(results));
             },
             [&] { show(results); },
             [&] {
                 if (csv) csv->write(csv_of(results.cells, results.windows.count()));
             },
             [&] {
                 if (html) html->write(page(results));
             }});
    if (results.complete()) return 0;
    std::cerr << left << "the numbers are those of " << grouped(results.windows_read.size()) << " of "
              << grouped(results.windows.count()) << " windows.\n";
    return status_interrupted;
}

}  // namespace

int program(int argc, char** argv, const msrnn::Policies& policies) {
    CLI::App app("What eviction policies do to a language model's perplexity", "compare_policies");
    Options options;
    options.policies = policies;
    return llama::run_program(app, argc, argv, add_options, run, options);
}

}  // namespace compare
