// The task needle, from the options to the files.
#pragma once

#include <cstddef>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "formats/language_model.hpp"
#include "needle.hpp"
#include "needle_report.hpp"
#include "options.hpp"
#include "preparing.hpp"
#include "progress.hpp"

namespace compare {

inline void refuse_needle_settings(const Options& options) {
    for (const auto& [name, given] :
         {std::pair("--needles", options.needles != 0), std::pair("--texts", options.texts != 0),
          std::pair("--digits", options.digits != 0), std::pair("--question", !options.question.empty())})
        if (given) throw std::invalid_argument(std::string(name) + " is of --task needle: give both, or neither.");
}
inline void refuse_perplexity_settings(const Options& options) {
    if (options.settings.prompt != 0)
        throw std::invalid_argument("The prompt of --task needle is the text: leave out --prompt.");
    if (!options.resume.empty())
        throw std::invalid_argument("--task needle does not go on from a file: leave out --resume.");
    if (options.settings.chunk == 1 && !options.settings.selector.empty())
        throw std::invalid_argument("With --chunk 1 there is no prompt to select from: leave out --selector.");
}

namespace detail {

inline std::string needles_told(const NeedleReading& reading, const Options& options, std::size_t digits) {
    std::size_t longest = 0;
    for (const Haystack& hay : reading.texts) longest = std::max(longest, hay.context.size());
    const std::size_t chunk = options.settings.chunk;
    return "Needles: " + grouped(reading.texts.front().facts.size()) + " in each of " + grouped(reading.texts.size()) +
           " texts, of " + grouped(digits) + " digits. Contexts of up to " + grouped(longest) + " tokens, read " +
           (chunk == 0   ? "at once, then the policy chooses"
            : chunk == 1 ? "token by token"
                         : "in chunks of " + grouped(chunk)) +
           (options.settings.selector.empty() ? "" : "; " + options.settings.selector + " selects from the prompt") +
           (options.settings.rule == "none" ? "" : "; budgets are shared out by the rule " + options.settings.rule) +
           ". The answer is read under the budget.";
}

}  // namespace detail

inline int run_needle(const Options& options, const formats::LanguageModel& subject, const msrnn::Policies& policies) {
    refuse_perplexity_settings(options);
    const Config& config = subject.model.config;
    const Framing framing = framing_of(*subject.tokenizer, options.bos);
    const std::vector<Token> tokens = tokens_of(options, *subject.tokenizer);
    const std::size_t window = window_for(options, config.context, tokens.size() + (framing.bos ? 1 : 0));
    const std::size_t needles = options.needles == 0 ? 8 : options.needles,
                      digits = options.digits == 0 ? 5 : options.digits;

    NeedleReading reading{
        .model = subject.model,
        .texts = haystacks_of(tokens, *subject.tokenizer, framing.bos, window, options.texts == 0 ? 4 : options.texts,
                              needles, digits, options.settings.seed),
        .memories = {},
        .questions = {both_questions.begin(), both_questions.end()},
        .chunk = options.settings.chunk == 0 ? msrnn::unbounded : options.settings.chunk};
    if (!options.question.empty()) reading.questions = {options.question == "seen" ? Question::seen : Question::unseen};

    NeedleResults results{.model = file_name(options.model),
                          .text = file_name(options.text),
                          .command = options.command,
                          .date = date(),
                          .scalar = options.settings.scalar,
                          .rule = options.settings.rule,
                          .selector = options.settings.selector,
                          .window = window,
                          .chunk = options.settings.chunk,
                          .digits = digits,
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
    const auto csv = opened(options.csv), html = opened(options.html), json = opened(options.json);

    const std::string told_of_needles = detail::needles_told(reading, options, digits);
    std::cout << "Model: " << results.model << ". Text: " << results.text << ".\n"
              << told_of_needles << "\n"
              << told(framing) << "\n\n";
    flush_output();
    listen_for_interrupt();
    Watch watch{.interrupted = interrupted};
    std::vector<Finds> finds;
    {
        Progress progress(reading.work(), std::cerr);
        finds = with_scalar(settings.scalar, [&]<class Scalar>(Scalar) {
            return find<Scalar>(reading, settings.threads, watch, [&] { progress.show(watch.work_done); });
        });
    }
    for (const Question question : reading.questions) results.asked += finds.front().asked(question).size();
    std::size_t memory = 0;
    for (const Cell& cell : results.cells) results.finds.push_back(cell.refusal.empty() ? finds[memory++] : Finds());
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
