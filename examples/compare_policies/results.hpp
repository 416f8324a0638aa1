// The results of a run.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "comparison.hpp"
#include "llama/tokenizer.hpp"
#include "outcome.hpp"
#include "text.hpp"
#include "texts.hpp"

namespace compare {

struct Results {
    std::string model, text;                          // names of their files, without folders
    std::vector<TextPart> parts = {};                 // where there are several texts, each of them
    std::string model_fingerprint, text_fingerprint;  // of the weights and of the tokens
    std::string command, date;
    Config config;
    Framing framing;
    Windows windows;
    Settings settings;
    std::vector<Cell> cells;
    std::size_t mapped_window = 0;
    std::vector<std::string> mapped_tokens;  // what is read of it; BOS, if it begins with one, is empty
    std::vector<std::size_t> windows_read = {};
    std::vector<Survival> survival = {};  // one for each cell
    std::string budget_sentence = {};     // of the task budget
    bool survival_in_json = false;

    bool complete() const { return windows_read.size() == windows.count(); }

    /// Takes what is known of the memories, which are those of the cells without a refusal.
    void take(const Outcome& outcome) {
        windows_read = outcome.windows_read();
        const std::vector<Score> scores = outcome.scores(windows);
        survival.assign(cells.size(), Survival());
        std::size_t memory = 0;
        for (std::size_t i = 0; i < cells.size(); ++i) {
            if (!cells[i].refusal.empty()) continue;
            if (!scores.empty()) cells[i].score = scores[memory];
            if (!outcome.survival.empty()) survival[i] = outcome.survival[memory];
            ++memory;
        }
    }
};

/// "18 layers, 15 of them local with a window of 512"; a policy rules the others.
inline std::string layers_of(const Config& config) {
    std::size_t local = 0;
    for (std::size_t layer = 0; layer < config.layers; ++layer) local += config.local.contain(layer) ? 1 : 0;
    const std::string layers = std::to_string(config.layers) + " layers";
    if (local == 0) return layers;
    return layers + ", " + std::to_string(local) + " of them local with a window of " + grouped(config.local.window);
}

/// How the windows are read.
inline std::string protocol(const Results& results) {
    const Settings& settings = results.settings;
    std::string text = settings.prompt == 0
                           ? "the second half of each is scored"
                           : "the first " + grouped(settings.prompt) + " tokens of each are a prompt, given " +
                                 (settings.chunk == 0 ? "at once" : "in chunks of " + grouped(settings.chunk)) +
                                 (settings.selector.empty() ? "" : ", from which " + settings.selector + " selects") +
                                 "; the rest is scored";
    if (settings.rule != "none") text += "; budgets are shared out by the rule " + settings.rule;
    return text;
}

/// "Interrupted: 3 of 19 windows were read."; empty where all were.
inline std::string interruption(const Results& results) {
    if (results.complete()) return "";
    return "Interrupted: " + grouped(results.windows_read.size()) + " of " + grouped(results.windows.count()) +
           (results.windows.count() == 1 ? " window was read." : " windows were read.");
}

}  // namespace compare
