// The command line.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "comparison.hpp"
#include "llama2c/command_line.hpp"

namespace compare {

struct Options {
    std::string model, tokenizer, text, csv;
    std::size_t window = 0;  // 0: the checkpoint's context
    std::size_t tokens = 0;  // 0: the whole text
    Choice choice;
    std::size_t threads = 1;
    std::uint64_t seed = 0;
    std::string scalar = known_scalars.front();
};

inline void add_options(CLI::App& app, Options& options) {
    auto* model = app.add_option("--model", options.model, "llama2.c checkpoint, version 0")->type_name("FILE");
    auto* tokenizer = app.add_option("--tokenizer", options.tokenizer, "its tokenizer.bin")->type_name("FILE");
    auto* text = app.add_option("--text", options.text, "what the model reads, byte for byte")->type_name("FILE");
    model->needs(tokenizer)->needs(text);
    tokenizer->needs(model);
    text->needs(model);

    app.add_option("--window", options.window, "tokens per window, BOS included (default: the checkpoint's context)")
        ->check(from_1)
        ->type_name("W");
    app.add_option("--tokens", options.tokens, "use the first N tokens of the text")->check(from_1)->type_name("N");
    app.add_option("--policies", options.choice.policies, "comma-separated (default: all)")
        ->delimiter(',')
        ->check(known_policy)
        ->type_name("LIST");
    app.add_option("--budgets", options.choice.budgets, "comma-separated (default: W/32, W/16, W/8, W/4, W/2)")
        ->delimiter(',')
        ->check(from_1)
        ->type_name("LIST");
    app.add_option("--scalar", options.scalar,
                   "the state stores keys and values as f32, bf16, f16 or int8 (default: f32)")
        ->check(CLI::IsMember(known_scalars))
        ->type_name("TYPE");
    app.add_option("--csv", options.csv, "write the rows here too")->type_name("FILE");
    app.add_option("--threads", options.threads, "measure so many rows side by side (default: 1, the best timing)")
        ->check(from_1)
        ->type_name("N");
    app.add_option("--seed", options.seed, "of the random policy and of the embedded model (default: 0)")
        ->check(from_0)
        ->type_name("S");
    app.footer(
        "A policy that cannot take a budget (sink-window keeps 4 sinks inside it) shows a dash,\n"
        "unless both --policies and --budgets are given: then it is an error.\n"
        "Without --model, --tokenizer and --text an embedded random network is used.");
}

}  // namespace compare
