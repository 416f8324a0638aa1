// Results made up for a report, and the report read back.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "compare_policies/page.hpp"
#include "files.hpp"
#include "markup.hpp"
#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/random.hpp"

namespace report {

using compare::Cell;
using compare::Results;
using compare::Survival;

/// Lanes that drop what a test tells them to.
struct ScriptedLane {
    std::vector<msrnn::Slot> gone;

    const std::vector<msrnn::Slot>& victims() const { return gone; }
    msrnn::Position position(msrnn::Slot slot) const { return msrnn::Position(static_cast<std::int64_t>(slot)); }
};
struct ScriptedState {
    msrnn::Shape sizes;
    std::vector<std::vector<ScriptedLane>> scripts;  // [layer][KV head]

    const msrnn::Shape& shape() const { return sizes; }
    const std::vector<ScriptedLane>& lanes(std::size_t layer) const { return scripts[layer]; }
    const ScriptedLane& lane(std::size_t layer, std::size_t kv_head) const { return scripts[layer][kv_head]; }
};

/// Every token is evicted at a step of its own, or never.
inline Survival random_survival(std::size_t layers, std::size_t kv_heads, std::size_t tokens, std::uint64_t seed) {
    ScriptedState state{.sizes = {.layers = layers, .query_heads = kv_heads, .kv_heads = kv_heads, .head_dim = 2},
                        .scripts = {layers, std::vector<ScriptedLane>(kv_heads)}};
    Random random{seed};
    std::vector<std::vector<std::vector<msrnn::Slot>>> leaving(tokens);  // [step][lane]
    for (auto& step : leaving) step.resize(layers * kv_heads);
    for (std::size_t token = 0; token < tokens; ++token)
        for (std::size_t lane = 0; lane < layers * kv_heads; ++lane) {
            const std::size_t ahead = random.below(1 + random.below(random.one_in(2) ? 9 : tokens));
            if (token + ahead < tokens && !random.one_in(4))
                leaving[token + ahead][lane].push_back(msrnn::Slot(static_cast<std::uint32_t>(token)));
        }
    Survival survival(tokens);
    for (std::size_t step = 0; step < tokens; ++step) {
        for (std::size_t lane = 0; lane < layers * kv_heads; ++lane)
            state.scripts[lane / kv_heads][lane % kv_heads].gone = leaving[step][lane];
        survival.watch(state, step);
    }
    return survival;
}

inline Cell measured(const std::string& policy, std::size_t budget, std::vector<double> nll) {
    return {.policy = policy,
            .budget = budget,
            .score = compare::Score{.targets = 10, .window_nll = std::move(nll), .state_bytes = 1000 + budget * 640}};
}

/// All policies at `budgets`, and full; `tokens` of them are mapped.
inline Results results_of(std::size_t layers, const std::vector<std::size_t>& budgets,
                          std::vector<std::string> tokens) {
    Results results{.model = "model.gguf",
                    .text = "text.txt",
                    .model_fingerprint = {},
                    .text_fingerprint = {},
                    .command = {},
                    .date = {},
                    .config = {},
                    .framing = {},
                    .windows = {.window = tokens.size() + 1, .tokens = 3 * tokens.size()},
                    .settings = {},
                    .cells = {measured("full", 0, {2, 3, 2.5})},
                    .mapped_tokens = std::move(tokens),
                    .windows_read = {0, 1, 2}};
    results.config.layers = layers;
    results.config.query_heads = results.config.kv_heads = 2;
    Random random{3};
    const auto loss = [&](std::size_t budget) { return 2 + 20.0 / static_cast<double>(budget) * (1 + random.unit()); };
    for (const std::size_t budget : budgets)
        for (const std::string& policy : llama::usual_policies())
            if (policy != llama::no_bound)
                results.cells.push_back(measured(policy, budget, {loss(budget), loss(budget), loss(budget)}));
    results.survival.assign(results.cells.size(), random_survival(layers, 2, results.mapped_tokens.size(), 7));
    return results;
}

inline std::vector<std::string> words(std::size_t count) {
    std::vector<std::string> tokens{""};
    while (tokens.size() < count) tokens.push_back(" w" + std::to_string(tokens.size()));
    return tokens;
}

inline Element read_page(const std::string& page) { return Markup::read(page, Markup::Kind::html); }

/// The data that the page's script reads.
inline nlohmann::json shades_of(const Element& page) {
    const auto data = all_of(page, [](const Element& e) {
        return e.name == "script" && e.attributes.count("type") != 0 && e.attributes.at("type") == "application/json";
    });
    REQUIRE(data.size() == 1);
    return nlohmann::json::parse(data[0]->text);
}

/// The texts of the first map's tokens.
inline std::vector<std::string> tokens_shown(const Element& page) {
    std::vector<std::string> tokens;
    const auto maps = all_of(page, [](const Element& e) { return e.is("map"); });
    for (const Element& token : maps.at(0)->children) tokens.push_back(token.text);
    return tokens;
}

/// The parts of a command that a line of the page does not break, and all of them as a shell takes them.
inline std::vector<std::string> parts_of_command(const Element& page) {
    std::vector<std::string> parts;
    for (const Element& part : all_named(page, "code").at(0)->children) parts.push_back(part.text);
    return parts;
}
inline std::string command_shown(const Element& page) {
    std::string command;
    for (const std::string& part : parts_of_command(page))
        command.append(command.empty() || command.back() == ',' ? "" : " ").append(part);
    return command;
}

inline std::vector<std::string> choices(const Element& page, const std::string& id) {
    std::vector<std::string> names;
    for (const Element* select : all_named(page, "select"))
        if (select->attributes.count("id") != 0 && select->attributes.at("id") == id)
            for (const Element& option : select->children) names.push_back(option.text);
    return names;
}

inline void require_self_contained(const std::string& page) {
    for (const char* word : {"http:", "https:", "//", " src=", "@import", "url(", "<link", "<iframe", "fetch("}) {
        INFO(word);
        REQUIRE(page.find(word) == page.npos);
    }
}

/// One letter against the steps that lanes held a token: half doublings of 1 + their mean, to the nearest; upper case
/// where half of the lanes or more still held it.
inline void require_letter(char letter, const std::vector<std::size_t>& steps, std::size_t stayed) {
    double sum = 0;
    for (const std::size_t lane : steps) sum += static_cast<double>(lane);
    const double mean = sum / static_cast<double>(steps.size());
    const bool upper = 'A' <= letter && letter <= 'Z';
    const int halves = letter - (upper ? 'A' : 'a');
    REQUIRE(upper == (2 * stayed >= steps.size()));
    REQUIRE(halves >= 0);
    REQUIRE(halves <= 25);
    REQUIRE(std::pow(2, (halves - 0.5 - 1e-9) / 2) <= 1 + mean);
    REQUIRE(1 + mean <= std::pow(2, (halves + 0.5 + 1e-9) / 2));
}

}  // namespace report
