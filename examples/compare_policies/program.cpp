// The command line.
#include "program.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <vector>

#include "llama/command_line.hpp"
#include "options.hpp"
#include "scalars.hpp"

namespace compare {
namespace {

/// "5", "0.25": CLI11 would take nan.
std::string a_percentage(const std::string& text) {
    const bool plain = !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789.") == text.npos &&
                       std::count(text.begin(), text.end(), '.') <= 1 && text != ".";
    return plain && std::stod(text) > 0 ? "" : "'" + text + "' is no percentage above 0, like 5 or 0.5";
}

void add_options(CLI::App& app, Options& options) {
    app.add_option("--model", options.model, "GGUF, or a llama2.c checkpoint (default: our own small model)")
        ->type_name("FILE");
    app.add_option("--tokenizer", options.tokenizer, "the tokenizer.bin of a llama2.c checkpoint")->type_name("FILE");
    app.add_option("--text", options.text_files,
                   "what the model reads, byte for byte (default: our own story); given again, one more text: windows\n"
                   "are taken from each in turn")
        ->allow_extra_args(false)
        ->type_name("FILE");
    app.add_option("--window", options.window,
                   "tokens per window, BOS included, or per block of --task stream (default: the model's context, 1024 "
                   "at most)")
        ->check(from_1)
        ->type_name("W");
    app.add_option("--tokens", options.tokens, "use the first N tokens of each text")->check(from_1)->type_name("N");
    app.add_option_function<std::vector<std::string>>(
           "--policies",
           [&](const std::vector<std::string>& lists) {
               for (const std::string& list : lists)
                   for (const std::string& text : policies_in(list)) {
                       const std::string wrong = text == every_policy ? "" : problem(options.policies, text);
                       if (!wrong.empty()) throw CLI::ValidationError("--policies", wrong);
                       options.choice.policies.push_back(text);
                   }
           },
           "comma-separated, each with settings of its own, and full to compare with; or all (default: eight)")
        ->type_name("LIST");
    app.add_option(
           "--needs", options.choice.shown,
           "only policies that need no more than LIST: of nothing, keys, values, queries, outputs, weights, heads")
        ->delimiter(',')
        ->check(an_evidence)
        ->type_name("LIST");
    app.add_flag("--list", options.list,
                 "tell the policies, selectors and budget rules, what each needs, and its settings, and end");
    app.add_option("--budgets", options.choice.budgets, "comma-separated (default: W/32, W/16, W/8, W/4, W/2)")
        ->delimiter(',')
        ->check(from_1)
        ->type_name("LIST");
    add_bos_option(app, options.bos);
    app.add_option("--scalar", options.settings.scalar,
                   "the state stores keys and values as f32, bf16, f16 or int8 (default: f32)")
        ->check(CLI::IsMember(known_scalars))
        ->type_name("TYPE");
    app.add_option("--prompt", options.settings.prompt,
                   "the first N tokens of each window are a prompt that is read at once; the rest is scored")
        ->check(from_1)
        ->type_name("N");
    app.add_option("--chunk", options.settings.chunk, "the prompt is read in chunks of N tokens (default: all at once)")
        ->check(from_1)
        ->type_name("N");
    app.add_option("--selector", options.settings.selector,
                   "what chooses after the prompt (default: the policy itself)")
        ->check([](const std::string& text) { return problem(library_selectors(), text); })
        ->type_name("NAME");
    app.add_option("--budget-rule", options.settings.rule,
                   "how lanes share their slots: pyramid, adakv, adakv-model, together or lazy (default: none)")
        ->check(budget_rule_problem)
        ->type_name("NAME");
    app.add_option(
           "--task", options.task,
           "perplexity; budget: the smallest budget that loses less than --loss; needle: facts in the text, asked for\n"
           "at its end; copy: passages of the text, said again; stream: one long text, block by block\n"
           "(default: perplexity)")
        ->check(CLI::IsMember({"perplexity", "budget", "needle", "copy", "stream"}))
        ->type_name("TASK");
    app.add_option("--needles", options.needles, "facts or passages in each text (default: 8)")
        ->check(from_1)
        ->type_name("N");
    app.add_option("--texts", options.texts, "so many texts at most, a window each (default: 4)")
        ->check(from_1)
        ->type_name("N");
    app.add_option("--digits", options.digits, "of the number in each fact (default: 5)")
        ->check(from_1)
        ->type_name("N");
    app.add_option("--question", options.question,
                   "seen by the policy, which makes it easy, or unseen (default: both, one after the other)")
        ->check(CLI::IsMember({"seen", "unseen"}))
        ->type_name("seen|unseen");
    app.add_option("--positions", options.positions,
                   "of --task stream: RoPE turns by the true position in the text, or by the rank in the cache\n"
                   "(default: both, side by side)")
        ->check(CLI::IsMember({"true", "cache"}))
        ->type_name("true|cache");
    app.add_option("--loss", options.loss,
                   "of --task budget: percent by which the perplexity may lie above the full cache (default: 5)")
        ->check(a_percentage)
        ->type_name("P");
    app.add_option("--html", options.html, "write a report to look at")->type_name("FILE");
    app.add_option("--json", options.json, "write everything but survival times")->type_name("FILE");
    app.add_flag("--survival", options.survival,
                 "write how long each token of one window survived into the --json file too, in every layer and lane");
    app.add_option("--resume", options.resume,
                   "go on from the --json file of an interrupted run, and write it unless --json names another")
        ->type_name("FILE");
    app.add_option("--csv", options.csv, "write the rows of the table")->type_name("FILE");
    app.add_option("--map", options.map, "the window whose survival times the report and --survival show (default: 1)")
        ->check(from_1)
        ->type_name("N");
    app.add_option("--threads", options.settings.threads, "read so many windows at once (default: all cores)")
        ->check(from_1)
        ->type_name("N");
    app.add_option("--seed", options.settings.seed, "of the random policy (default: 0)")->check(from_0)->type_name("S");
    app.footer(
        list_of_policies(options.policies) +
        "\nThe column \"vs full\" needs full among --policies.\n"
        "A policy that cannot take a budget (sink-window keeps 4 sinks inside it) shows a dash,\n"
        "unless both --policies and --budgets are given: then it is an error.\n"
        "An interrupt ends the run with the windows read so far; --json keeps them while it runs, for --resume.\n"
        "How long a step takes is not told: memories that share a machine disturb each other. See bench/.");
}

}  // namespace

int program(int argc, char** argv, const msrnn::Policies& policies) {
    CLI::App app("What eviction policies do to a language model's perplexity", "compare_policies");
    Options options;
    options.policies = policies;
    return llama::run_program(app, argc, argv, add_options, run, options);
}

}  // namespace compare
