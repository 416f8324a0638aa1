#include "stream_task.hpp"

#include <cstddef>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "fingerprint.hpp"
#include "llama/running.hpp"
#include "preparing.hpp"
#include "progress.hpp"
#include "stream.hpp"
#include "stream_report.hpp"

namespace compare {
namespace {

void refuse_window_settings(const Options& options) {
    if (options.settings.prompt != 0 || options.settings.chunk != 0 || !options.settings.selector.empty())
        throw std::invalid_argument(
            "--task stream reads its text token by token: leave out --prompt, --chunk and --selector.");
    if (!options.resume.empty())
        throw std::invalid_argument("--task stream cannot go on in the middle of a text: leave out --resume.");
    if (options.survival)
        throw std::invalid_argument("--task stream looks at no survival times: leave out --survival.");
}

std::vector<PositionsIn> kinds_of(const Options& options) {
    if (options.positions == "true") return {PositionsIn::text};
    if (options.positions == "cache") return {PositionsIn::cache};
    return {PositionsIn::text, PositionsIn::cache};
}

/// Where nothing is evicted both kinds of positions are the same: such a memory is read once.
std::vector<StreamRow> rows_of(const std::vector<Cell>& cells, const std::vector<PositionsIn>& kinds) {
    std::vector<StreamRow> rows;
    for (std::size_t i = 0; i < cells.size(); ++i)
        for (const PositionsIn positions : kinds)
            if (cells[i].refusal.empty() && (cells[i].budget != 0 || positions == kinds.front()))
                rows.push_back({.cell = i, .positions = positions});
    return rows;
}

std::string told_of(const StreamResults& results) {
    return results.model + ", context " + grouped(results.context) + "; " + results.text + ", " +
           grouped(results.tokens) + " tokens, read once from front to back: " + grouped(results.blocks) +
           " blocks of " + grouped(results.block) +
           (results.rule == "none" ? "" : "; budgets are shared out by the rule " + results.rule) + ".";
}

}  // namespace

int run_stream(const Options& options, const formats::LanguageModel& subject, const msrnn::Policies& policies) {
    refuse_window_settings(options);
    const Config& config = subject.model.config;
    const Framing framing = framing_of(*subject.tokenizer, options.bos);
    const std::vector<Token> tokens = tokens_of(options, *subject.tokenizer);
    StreamReading reading{
        .model = subject.model,
        .tokens = tokens,
        .begin = framing.bos ? std::optional(subject.tokenizer->begin()) : std::nullopt,
        .block = options.window == 0 ? std::min(config.context, largest_default_window) : options.window};
    if (reading.blocks() == 0)
        throw std::invalid_argument("A text of " + std::to_string(tokens.size()) + " tokens fills no block of " +
                                    std::to_string(reading.block) + ": give a longer --text or a smaller --window.");

    Choice choice = options.choice;
    if (choice.budgets.empty()) choice.budgets = default_budgets(reading.block);
    StreamResults results{.model = file_name(options.model),
                          .text = file_name(options.text_files.front()),
                          .model_fingerprint = fingerprint(subject.model),
                          .text_fingerprint = fingerprint(tokens),
                          .command = options.command,
                          .date = date(),
                          .scalar = options.settings.scalar,
                          .rule = options.settings.rule,
                          .bos = framing.bos,
                          .seed = options.settings.seed,
                          .tokens = tokens.size(),
                          .context = config.context,
                          .block = reading.block,
                          .blocks = reading.blocks(),
                          .cells = plan(choice, reading.steps(), policies)};
    const Windows whole{.window = reading.steps() + 1, .tokens = tokens.size(), .bos = framing.bos};
    refuse_misfits(results.cells, config, whole, policies, options.settings, options.choice.both_named());
    results.rows = rows_of(results.cells, kinds_of(options));
    for (const StreamRow& row : results.rows)
        reading.runs.push_back(
            {memories_of({results.cells[row.cell]}, policies, options.settings).front(), row.positions});
    check_results(options);
    const auto csv = opened(options.csv), html = opened(options.html), json = opened(options.json);

    std::cout << "Model and text: " << told_of(results) << "\n" << told(framing) << "\n\n";
    flush_output();
    listen_for_interrupt();
    Watch watch{.interrupted = interrupted};
    {
        Progress progress(reading.work(), std::cerr);
        std::vector<StreamLoss> losses = read_stream(
            reading, options.settings.threads, watch, [&] { progress.show(watch.work_done); }, options.settings.scalar);
        for (std::size_t row = 0; row < losses.size(); ++row) results.rows[row].loss = std::move(losses[row]);
    }
    if (results.blocks_read() == 0) {
        std::cerr << "compare_policies: interrupted: no block was read to its end, there is nothing to tell.\n";
        return status_interrupted;
    }
    deliver({[&] {
                 if (json) json->write(stream_json(results));
             },
             [&] {
                 std::cout << stream_table(results) << "\n" << stream_answer(results) << "\n";
                 flush_output();
             },
             [&] {
                 if (csv) csv->write(stream_csv(results));
             },
             [&] {
                 if (html) html->write(stream_page(results, told_of(results)));
             }});
    if (results.complete()) return 0;
    std::cerr << "compare_policies: interrupted: some rows lack blocks at the end of the text.\n";
    return status_interrupted;
}

}  // namespace compare
