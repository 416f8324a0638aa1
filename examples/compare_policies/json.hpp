// What files for programs are made of.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "llama/running.hpp"
#include "results.hpp"

namespace compare {

using Json = nlohmann::ordered_json;

/// Bytes that are no UTF-8 (one token may be part of a character) become U+FFFD.
inline std::string dumped(const Json& json, int indent = -1) {
    return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}
inline std::string valid_utf8(const std::string& text) { return Json::parse(dumped(text)).get<std::string>(); }

namespace detail {

inline Json json_of(const Cell& cell) {
    Json row{{"policy", cell.policy},
             {"needs", cell.needs},
             {"settings", cell.settings},
             {"budget", cell.budget == 0 ? Json() : Json(cell.budget)}};
    if (!cell.refusal.empty()) row["refusal"] = cell.refusal;
    if (!cell.score) return row;
    const Score& score = *cell.score;
    row["targets"] = score.targets;
    row["nll"] = score.nll();
    row["nll_error"] = score.nll_error() ? Json(*score.nll_error()) : Json();
    row["perplexity"] = score.perplexity();
    row["state_bytes"] = score.state_bytes;
    row["window_nll"] = score.window_nll;
    return row;
}

inline Json json_of(const Survival& survival) {
    Json layers = Json::array();
    for (std::size_t layer = 0; layer < survival.layers(); ++layer) {
        Json lanes = Json::array();
        for (std::size_t lane = 0; lane < survival.lanes(); ++lane) {
            Json survived = Json::array(), stayed = Json::array();
            for (std::size_t token = 0; token < survival.tokens(); ++token) {
                survived.push_back(survival.steps(layer, lane, token));
                if (survival.stayed(layer, lane, token)) stayed.push_back(token);
            }
            lanes.push_back({{"survived", survived}, {"stayed", stayed}});
        }
        layers.push_back(lanes);
    }
    return layers;
}

}  // namespace detail

inline Json or_nothing(std::size_t number) { return number == 0 ? Json() : Json(number); }

/// What another run must share to go on from this one.
inline Json json_of_settings(const Results& results) {
    const Config& c = results.config;
    Json texts = Json::array();
    for (const TextPart& part : results.parts) {
        Json windows = Json::array();
        for (const std::size_t window : part.windows) windows.push_back(window + 1);
        texts.push_back({{"file", part.file}, {"tokens", part.tokens}, {"windows", windows}});
    }
    return {{"version", version()},
            {"model",
             {{"file", results.model},
              {"fingerprint", results.model_fingerprint},
              {"layers", c.layers},
              {"query_heads", c.query_heads},
              {"kv_heads", c.kv_heads},
              {"head_dim", c.head_dim},
              {"vocabulary", c.vocabulary},
              {"context", c.context}}},
            {"text",
             {{"file", results.text}, {"fingerprint", results.text_fingerprint}, {"tokens", results.windows.tokens}}},
            {"texts", results.parts.empty() ? Json() : texts},
            {"bos", results.windows.bos},
            {"window", results.windows.window},
            {"windows", results.windows.count()},
            {"scalar", results.settings.scalar},
            {"seed", results.settings.seed},
            {"prompt", or_nothing(results.settings.prompt)},
            {"chunk", or_nothing(results.settings.chunk)},
            {"selector", results.settings.selector.empty() ? Json() : Json(results.settings.selector)},
            {"budget_rule", results.settings.rule == "none" ? Json() : Json(results.settings.rule)}};
}

}  // namespace compare
