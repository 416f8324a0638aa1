// The command line.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "compare_policies/scalars.hpp"
#include "formats/own_model.hpp"
#include "llama/command_line.hpp"

namespace throughput {

using namespace llama;

struct Options {
    std::string model = formats::own_model, tokenizer, text = formats::own_text, policies = "h2o,sink-window", bos;
    std::size_t cells = 2048, tokens = 512, budget = 63, steps = 64, parts = 0;
    std::string scalar = "f32";

    std::size_t few() const { return cells / tokens; }
    /// A step attends to the budget and the newest token.
    std::size_t many() const { return cells / (budget + 1); }
};

inline void add_options(CLI::App& app, Options& options) {
    const auto number = [&app](const char* name, std::size_t& value, const char* what,
                               std::string (*check)(const std::string&)) {
        app.add_option(name, value, what)->check(check)->type_name("N");
    };
    app.add_option("--model", options.model, "GGUF, or a llama2.c checkpoint (default: our own small model)")
        ->type_name("FILE");
    app.add_option("--tokenizer", options.tokenizer, "the tokenizer.bin of a llama2.c checkpoint")->type_name("FILE");
    app.add_option("--text", options.text, "what is read (default: our own story)")->type_name("FILE");
    number("--cells", options.cells, "rows of each layer and KV head, of all sequences together (default: 2048)",
           from_1);
    number("--tokens", options.tokens, "tokens of a sequence (default: 512)", from_1);
    number("--budget", options.budget, "rows that a sequence keeps when it forgets, one less (default: 63)", from_1);
    number("--steps", options.steps, "passes that are timed, at the end of the sequences (default: 64)", from_1);
    number("--parts", options.parts, "sequences that differ; others are copies (default: all that are never forgotten)",
           from_0);
    app.add_option("--policies", options.policies, "which forget (default: h2o,sink-window)")->type_name("LIST");
    app.add_option("--scalar", options.scalar, "what keys and values are stored as (default: f32)")
        ->check(CLI::IsMember(compare::known_scalars))
        ->type_name("TYPE");
    add_bos_option(app, options.bos);
}

}  // namespace throughput
