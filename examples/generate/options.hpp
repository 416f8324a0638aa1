// The command line.
#pragma once

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "formats/own_model.hpp"
#include "llama/command_line.hpp"
#include "llama/decoder.hpp"

namespace generate {

using namespace llama;

struct Options {
    std::string model = formats::own_model, tokenizer, prompt;
    std::size_t tokens = 256;  // 0: without end
    std::string policy = no_bound, bos;
    std::size_t budget = 0;  // 0: not given
    double temperature = 1, top_p = 0.9;
    std::uint64_t seed = 0;
    std::string positions = "true";
    bool one_text = false;
    msrnn::Policies policies = library_policies();

    PositionsIn positions_in() const { return positions == "cache" ? PositionsIn::cache : PositionsIn::text; }
    /// A budget larger than the number of tokens has no effect.
    std::size_t slots(std::size_t fed) const {
        const bool fills = tokens == 0 || budget < fed + tokens;
        return budget != 0 && fills ? budget : msrnn::unbounded;
    }
};

/// CLI11 would take nan, and 0x1p3 for eight.
inline std::optional<double> decimal(const std::string& text) {
    if (text.empty() || text.find_first_not_of("0123456789.e-") != std::string::npos) return std::nullopt;
    char* end = nullptr;
    const double number = std::strtod(text.c_str(), &end);
    return *end == '\0' && std::isfinite(number) ? std::optional(number) : std::nullopt;
}
inline std::string a_temperature(const std::string& text) {
    const auto number = decimal(text);
    return number && *number >= 0 ? "" : "'" + text + "' is not a number from 0 on";
}
inline std::string a_share(const std::string& text) {
    const auto number = decimal(text);
    return number && *number > 0 && *number <= 1 ? "" : "'" + text + "' is not a number above 0 and up to 1";
}

inline void add_options(CLI::App& app, Options& options) {
    app.add_option("--model", options.model, "GGUF, or a llama2.c checkpoint (default: our own small model)")
        ->type_name("FILE");
    app.add_option("--tokenizer", options.tokenizer, "the tokenizer.bin of a llama2.c checkpoint")->type_name("FILE");
    app.add_option("--prompt", options.prompt, "the text begins with this (default: nothing)")->type_name("TEXT");
    app.add_option("--tokens", options.tokens, "write so many tokens behind the prompt; 0: without end (default: 256)")
        ->check(from_0)
        ->type_name("N");
    app.add_option("--policy", options.policy, "which policy chooses the tokens to forget (default: full)")
        ->check([&](const std::string& text) { return problem(options.policies, text); })
        ->type_name("POLICY");
    app.add_option("--budget", options.budget, "tokens that are remembered, in each layer or KV head")
        ->check(from_1)
        ->type_name("N");
    app.add_option("--temperature", options.temperature, "0: always the likeliest token (default: 1)")
        ->check(a_temperature)
        ->type_name("T");
    app.add_option("--top-p", options.top_p, "draw from the fewest tokens that hold so much (default: 0.9)")
        ->check(a_share)
        ->type_name("P");
    app.add_option("--seed", options.seed, "of the draws and of the random policy (default: 0)")
        ->check(from_0)
        ->type_name("S");
    app.add_option("--positions", options.positions,
                   "RoPE turns by the true position in the text, or by the rank in the cache (default: true)")
        ->check(CLI::IsMember({"true", "cache"}))
        ->type_name("KIND");
    add_bos_option(app, options.bos);
    app.add_flag("--one-text", options.one_text, "end where the model ends its text");
    app.footer(
        list_of_policies(options.policies) +
        "\nStandard output holds the text, prompt included, and nothing else. Where the model ends its text (BOS or "
        "EOS)\n"
        "there is a line break and the model goes on with the next one, unless --one-text is given.\n"
        "A prompt is where a text begins: no EOS is put behind it, whatever the model's file says.\n"
        "With a budget memory is constant, however long the text. Beyond the context a model was trained on, true\n"
        "positions break it; cache positions do not, as long as the budget stays below that context.");
}

}  // namespace generate
