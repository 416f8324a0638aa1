#include "needle_task.hpp"

#include <cstddef>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "copy_text.hpp"
#include "fingerprint.hpp"
#include "keeper.hpp"
#include "llama/running.hpp"
#include "needle.hpp"
#include "needle_report.hpp"
#include "preparing.hpp"
#include "progress.hpp"

namespace compare {

void refuse_needle_settings(const Options& options) {
    const auto refuse = [](const std::string& name, const std::string& tasks) {
        throw std::invalid_argument(name + " is of --task " + tasks + ": give both, or neither.");
    };
    const bool hides = options.task == "needle" || options.task == "copy";
    if (options.needles != 0 && !hides) refuse("--needles", "needle or copy");
    if (options.texts != 0 && !hides) refuse("--texts", "needle or copy");
    if (options.digits != 0 && options.task != "needle") refuse("--digits", "needle");
    if (!options.question.empty() && options.task != "needle") refuse("--question", "needle");
    if (!options.positions.empty() && options.task != "stream") refuse("--positions", "stream");
    if (!options.loss.empty() && options.task != "budget") refuse("--loss", "budget");
}

namespace {

void refuse_perplexity_settings(const Options& options) {
    if (options.settings.prompt != 0)
        throw std::invalid_argument("The prompt of --task " + options.task + " is the text: leave out --prompt.");
    if (options.survival)
        throw std::invalid_argument("--task " + options.task + " looks at no survival times: leave out --survival.");
    if (options.settings.chunk == 1 && !options.settings.selector.empty())
        throw std::invalid_argument("With --chunk 1 there is no prompt to select from: leave out --selector.");
    if (!options.settings.selector.empty() && budget_rule_named(options.settings.rule).moves_slots())
        throw std::invalid_argument("The budget rule " + options.settings.rule +
                                    " shares out by the policy's own ratings: leave out --selector.");
}

std::string needles_told(const NeedleReading& reading, const Options& options, std::size_t digits) {
    std::size_t longest = 0;
    for (const Haystack& hay : reading.texts) longest = std::max(longest, hay.context.size());
    const std::size_t chunk = options.settings.chunk, count = reading.texts.front().facts.size();
    const std::string what = options.task == "copy"
                                 ? "Passages: " + grouped(count) + " of each of " + grouped(reading.texts.size()) +
                                       " texts; of each " + grouped(cue_tokens) +
                                       " tokens are said again, and the next " + grouped(copied_tokens) + " asked for."
                                 : "Needles: " + grouped(count) + " in each of " + grouped(reading.texts.size()) +
                                       " texts, of " + grouped(digits) + " digits.";
    return what + " Contexts of up to " + grouped(longest) + " tokens, read " +
           (chunk == 0   ? "at once, then the policy chooses"
            : chunk == 1 ? "token by token"
                         : "in chunks of " + grouped(chunk)) +
           (options.settings.selector.empty() ? "" : "; " + options.settings.selector + " selects from the prompt") +
           (options.settings.rule == "none" ? "" : "; budgets are shared out by the rule " + options.settings.rule) +
           ". The answer is read under the budget.";
}

std::vector<Haystack> haystacks_for(const Options& options, const std::vector<Token>& tokens,
                                    const Tokenizer& tokenizer, bool bos, std::size_t window, std::size_t needles,
                                    std::size_t digits) {
    const std::size_t texts = options.texts == 0 ? 4 : options.texts;
    if (options.task == "copy")
        return passages_of(tokens, bos ? std::optional(tokenizer.begin()) : std::nullopt, window, texts, needles);
    return haystacks_of(tokens, tokenizer, bos, window, texts, needles, digits, options.settings.seed);
}

}  // namespace

int run_needle(const Options& options, const formats::LanguageModel& subject, const msrnn::Policies& policies) {
    refuse_needle_settings(options);
    refuse_perplexity_settings(options);
    const Config& config = subject.model.config;
    const Framing framing = framing_of(*subject.tokenizer, options.bos);
    const std::vector<Token> tokens = tokens_of(options, *subject.tokenizer);
    const std::size_t window = window_for(options, config.context, tokens.size() + (framing.bos ? 1 : 0));
    const std::size_t needles = options.needles == 0 ? 8 : options.needles,
                      digits = options.digits == 0 ? 5 : options.digits;

    NeedleReading reading{
        .model = subject.model,
        .texts = haystacks_for(options, tokens, *subject.tokenizer, framing.bos, window, needles, digits),
        .memories = {},
        .questions = {both_questions.begin(), both_questions.end()},
        .chunk = options.settings.chunk == 0 ? msrnn::unbounded : options.settings.chunk};
    if (options.task == "copy") reading.questions = {Question::unseen};
    if (!options.question.empty()) reading.questions = {options.question == "seen" ? Question::seen : Question::unseen};

    NeedleResults results{.task = options.task,
                          .model = file_name(options.model),
                          .text = file_name(options.text_files.front()),
                          .model_fingerprint = fingerprint(subject.model),
                          .text_fingerprint = fingerprint(tokens),
                          .command = options.command,
                          .date = date(),
                          .scalar = options.settings.scalar,
                          .rule = options.settings.rule,
                          .selector = options.settings.selector,
                          .bos = framing.bos,
                          .seed = options.settings.seed,
                          .window = window,
                          .chunk = options.settings.chunk,
                          .digits = digits,
                          .texts = reading.texts.size(),
                          .depths = {},
                          .questions = reading.questions,
                          .cells = plan(options.choice, window, policies),
                          .finds = {}};
    for (std::size_t fact = 0; fact < needles; ++fact) results.depths.push_back(reading.texts.front().depth(fact));
    const Windows windows{.window = window, .tokens = tokens.size(), .bos = framing.bos, .prompt = window};
    Settings settings = options.settings;
    settings.prompt = window;
    refuse_misfits(results.cells, config, windows, policies, settings, options.choice.both_named());
    reading.memories = memories_of(results.cells, policies, settings);
    results.planned = reading.texts.size() * needles * reading.questions.size();
    check_results(options);
    const std::vector<Finds> known =
        options.resume.empty() ? std::vector<Finds>(reading.memories.size()) : needles_resumed(options.resume, results);
    results.take(known);
    const auto csv = opened(options.csv), html = opened(options.html),
               json = opened(options.json.empty() ? options.resume : options.json);

    const std::string told_of_needles = needles_told(reading, options, digits);
    std::cout << "Model: " << results.model << ". Text: " << results.text << ".\n"
              << told_of_needles << "\n"
              << told(framing) << "\n";
    if (results.asked != 0) std::cout << "Going on behind " << grouped(results.asked) << " that were asked before.\n";
    std::cout << "\n";
    flush_output();
    listen_for_interrupt();
    Watch watch{.interrupted = interrupted};
    {
        Progress progress(reading.work(known), std::cerr);
        Keeper keeper(json, results.asked);
        NeedleResults so_far = results;
        results.take(find(
            reading, settings.threads, watch,
            [&](const std::vector<Finds>& finds) {
                progress.show(watch.work_done);
                so_far.take(finds);
                keeper.keep(so_far.asked, [&] { return needle_json(so_far); });
            },
            settings.scalar, known));
    }
    if (results.asked == 0) {
        std::cerr << "compare_policies: interrupted: no needle was asked for, there is nothing to tell.\n";
        return status_interrupted;
    }
    deliver({[&] {
                 if (json) json->write(needle_json(results));
             },
             [&] {
                 for (const Question question : results.questions) std::cout << needle_table(results, question) << "\n";
                 std::cout << needle_answer(results);
                 flush_output();
             },
             [&] {
                 if (csv) csv->write(needle_csv(results));
             },
             [&] {
                 if (html) html->write(needle_page(results, told_of_needles));
             }});
    if (results.complete()) return 0;
    std::cerr << "compare_policies: interrupted: the numbers are those of " << grouped(results.asked) << " of "
              << grouped(results.planned) << " needles.\n";
    return status_interrupted;
}

}  // namespace compare
