// What does a language model lose when its cache holds few tokens, and which policy chooses them best?
// Every policy reads the same text with the same model, at several budgets.
#include <iostream>
#include <optional>
#include <span>

#include "answer.hpp"
#include "budget_answer.hpp"
#include "by_text.hpp"
#include "comparison.hpp"
#include "csv.hpp"
#include "evaluate.hpp"
#include "fingerprint.hpp"
#include "formats/language_model.hpp"
#include "keeper.hpp"
#include "llama/running.hpp"
#include "needle_task.hpp"
#include "options.hpp"
#include "page.hpp"
#include "preparing.hpp"
#include "progress.hpp"
#include "results.hpp"
#include "resume.hpp"
#include "stream_task.hpp"
#include "table.hpp"

namespace compare {
namespace {

/// Survival times are large, and asked for beside the file that takes them.
void check_survival(const Options& options) {
    if (options.survival && options.json.empty() && options.resume.empty())
        throw std::invalid_argument("Survival times are written into a file: give a --json beside --survival.");
}

void check_prompt(const Settings& settings, std::size_t window) {
    if (settings.prompt == 0 && settings.chunk != 0)
        throw std::invalid_argument("There is no prompt to read in chunks: give a --prompt beside --chunk.");
    if (settings.prompt == 0 && !settings.selector.empty())
        throw std::invalid_argument("There is no prompt to select from: give a --prompt beside --selector.");
    if (settings.prompt + 2 > window)
        throw std::invalid_argument("A prompt of " + std::to_string(settings.prompt) +
                                    " tokens leaves nothing to score in a window of " + std::to_string(window) + ": " +
                                    std::to_string(window - 2) + " is the most.");
    if (!settings.selector.empty() && budget_rule_named(settings.rule).moves_slots())
        throw std::invalid_argument("The budget rule " + settings.rule +
                                    " shares out by the policy's own ratings: leave out --selector.");
}

std::size_t mapped_window(const Options& options, const Windows& windows) {
    if (options.map > windows.count())
        throw std::invalid_argument("There is no window " + std::to_string(options.map) + " to map: the text has " +
                                    std::to_string(windows.count()) + ".");
    return options.map - 1;
}

void describe(const Results& results) {
    const Config& c = results.config;
    const Windows& windows = results.windows;
    const std::string texts = told_of_texts(results.parts);
    std::cout << "Model: " << results.model << ", " << layers_of(c) << ", " << c.query_heads << " query heads on "
              << c.kv_heads << " KV heads, head_dim " << c.head_dim << ", vocabulary " << grouped(c.vocabulary)
              << ", context " << grouped(c.context) << ".\n"
              << (texts.empty() ? "Text: " + results.text : texts + " Together") << ", " << grouped(windows.tokens)
              << " tokens. Windows of " << grouped(windows.window) << ": " << grouped(windows.count()) << " ("
              << grouped(windows.dropped()) << " tokens left over), " << protocol(results) << ": "
              << grouped(windows.targets()) << " targets.\n"
              << told(results.framing) << "\n";
    if (const std::size_t known = results.windows_read.size(); known != 0)
        std::cout << "Going on behind " << grouped(known) << " windows that an earlier run has read.\n";
    std::cout << "\n";
    flush_output();
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

void show(const Results& results) {
    if (!results.complete()) std::cout << interruption(results) << "\n\n";
    std::cout << table(results.cells) << curves(results.cells);
    if (const std::string sentence = answer(results.cells, results.windows.window); !sentence.empty())
        std::cout << "\n" << sentence << "\n";
    if (const std::string sentence = best_by_needs(results.cells, results.windows.window); !sentence.empty())
        std::cout << sentence << "\n";
    for (const std::string& line : by_text(results)) std::cout << line << "\n";
    if (!results.budget_sentence.empty()) std::cout << results.budget_sentence << "\n";
    flush_output();
}

/// A bound needs windows, and something to compare with.
void check_budget_task(const Results& results) {
    if (results.windows.count() < fewest_windows)
        throw std::invalid_argument(
            "A text of " + std::to_string(results.windows.count()) +
            " windows is too short for an answer that holds: " + std::to_string(fewest_windows) +
            " are the least; give a longer --text or a smaller --window.");
    if (std::ranges::none_of(results.cells, [](const Cell& cell) { return cell.budget == 0; }))
        throw std::invalid_argument("--task budget compares with the full cache: give full among the --policies.");
}

}  // namespace

int run(const Options& options) {
    if (options.list) {
        std::cout << list_of_policies(options.policies, options.choice.shown) << "\n"
                  << list_of_selectors(options.choice.shown) << "\n"
                  << list_of_budget_rules();
        flush_output();
        return 0;
    }
    const msrnn::Policies policies = seeded(options.policies, options.settings.seed);
    const formats::LanguageModel subject = formats::read_language_model(options.model, options.tokenizer);
    if (options.task == "needle" || options.task == "copy") return run_needle(options, subject, policies);
    refuse_needle_settings(options);
    if (options.task == "stream") return run_stream(options, subject, policies);
    const Config& config = subject.model.config;
    const Framing framing = framing_of(*subject.tokenizer, options.bos);
    const auto [texts, windows] = texts_for(options, config.context, *subject.tokenizer, framing.bos);
    const std::size_t window = windows.window;

    Results results{.model = file_name(options.model),
                    .text = names_of(texts.parts),
                    .parts = texts.parts.size() > 1 ? texts.parts : std::vector<TextPart>(),
                    .model_fingerprint = fingerprint(subject.model),
                    .text_fingerprint = fingerprint(texts.tokens),
                    .command = options.command,
                    .date = date(),
                    .config = config,
                    .framing = framing,
                    .windows = windows,
                    .settings = options.settings,
                    .cells = plan(options.choice, window, policies),
                    .mapped_tokens = {}};
    results.mapped_window = mapped_window(options, results.windows);
    results.survival_in_json = options.survival;
    check_results(options);
    check_prompt(options.settings, window);
    check_survival(options);
    if (options.task == "budget") check_budget_task(results);
    refuse_misfits(results.cells, config, results.windows, policies, options.settings, options.choice.both_named());
    const auto begin = framing.bos ? std::optional(subject.tokenizer->begin()) : std::nullopt;
    const Reading reading{.model = subject.model,
                          .tokens = std::span(texts.tokens).first(texts.tokens.size() - texts.ends),
                          .begin = begin,
                          .window = window,
                          .memories = memories_of(results.cells, policies, options.settings),
                          .mapped_window = results.mapped_window,
                          .prompt = options.settings.prompt,
                          .chunk = options.settings.chunk == 0 ? msrnn::unbounded : options.settings.chunk};
    results.mapped_tokens = token_texts(reading.text(results.mapped_window), framing.bos, *subject.tokenizer);

    Outcome outcome = options.resume.empty() ? Outcome() : resumed(options.resume, results);
    if (outcome.survival.empty() && (options.survival || !options.html.empty())) outcome.forget(results.mapped_window);
    results.take(outcome);
    const auto csv = opened(options.csv), html = opened(options.html),
               json = opened(options.json.empty() ? options.resume : options.json);
    describe(results);
    listen_for_interrupt();
    {
        Watch watch{.interrupted = interrupted};
        Progress progress((results.windows.count() - results.windows_read.size()) * reading.work_each(), std::cerr);
        Keeper keeper(json, results.windows_read.size());
        Results so_far = results;
        outcome = evaluate(
            reading, options.settings.threads, watch, std::move(outcome),
            [&](const Outcome& known) {
                progress.show(watch.work_done);
                keeper.keep(known.windows_read().size(), [&] {
                    so_far.take(known);
                    return json_text(so_far);
                });
            },
            options.settings.scalar);
    }
    results.take(outcome);
    const std::string left = results.complete() ? "" : "compare_policies: interrupted: ";
    if (results.windows_read.empty()) {
        std::cerr << left << "no window was read to its end, there is nothing to tell.\n";
        return status_interrupted;
    }
    if (options.task == "budget" && results.windows_read.size() >= fewest_windows)
        results.budget_sentence =
            budget_answer(results.cells, window, options.loss.empty() ? 5 : std::stod(options.loss));
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

}  // namespace compare
