#include "resume.hpp"

#include <cstddef>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "json.hpp"
#include "llama/file.hpp"
#include "same_run.hpp"

namespace compare {
namespace {

Survival survival_of(const Json& layers, std::size_t tokens) {
    std::vector<std::vector<Survival::Steps>> left_at;
    for (const Json& lanes : layers) {
        left_at.emplace_back();
        for (const Json& lane : lanes) {
            Survival::Steps steps = lane.at("survived").get<Survival::Steps>();
            if (steps.size() != tokens) throw std::out_of_range("tokens");
            for (std::size_t token = 0; token < tokens; ++token) steps[token] += token;
            for (const auto token : lane.at("stayed").get<Survival::Steps>()) steps.at(token) = Survival::never;
            left_at.back().push_back(std::move(steps));
        }
    }
    return {std::move(left_at), tokens};
}

/// A window with a loss that is no finite number, which JSON cannot hold, is read again.
Outcome outcome_of(const Json& json, const Windows& windows) {
    Outcome outcome;
    outcome.losses.resize(windows.count());
    std::vector<const Json*> rows;
    for (const Json& row : json.at("rows"))
        if (!row.contains("refusal")) rows.push_back(&row);
    const auto read = json.at("windows_read").get<std::vector<std::size_t>>();
    for (const Json* row : rows) outcome.state_bytes.push_back(row->at("state_bytes").get<std::size_t>());
    for (std::size_t i = 0; i < read.size(); ++i) {
        std::vector<double> losses;
        for (const Json* row : rows)
            if (const Json& loss = row->at("window_nll").at(i); !loss.is_null()) losses.push_back(loss.get<double>());
        if (losses.size() == rows.size()) outcome.losses.at(read[i] - 1) = std::move(losses);
    }
    const std::size_t mapped = json.at("map").at("window").get<std::size_t>() - 1;
    if (outcome.losses.at(mapped).empty() || !json.at("map").contains("runs")) return outcome;
    for (const Json& run : json.at("map").at("runs"))
        outcome.survival.push_back(survival_of(run.at("layers"), windows.steps_each()));
    if (outcome.survival.size() != rows.size()) outcome.survival.clear();
    return outcome;
}

}  // namespace

std::string json_text(const Results& results) {
    Json rows = Json::array(), runs = Json::array(), read = Json::array();
    for (const std::size_t w : results.windows_read) read.push_back(w + 1);
    for (std::size_t i = 0; i < results.cells.size(); ++i) {
        const Cell& cell = results.cells[i];
        rows.push_back(detail::json_of(cell));
        if (!results.survival_in_json || results.survival[i].layers() == 0) continue;
        runs.push_back({{"policy", cell.policy},
                        {"budget", cell.budget == 0 ? Json() : Json(cell.budget)},
                        {"layers", detail::json_of(results.survival[i])}});
    }
    Json json = json_of_settings(results);
    json["command"] = results.command;
    json["date"] = results.date;
    json["threads"] = results.settings.threads;
    json["interrupted"] = !results.complete();
    json["windows_read"] = read;
    json["rows"] = rows;
    if (!results.budget_sentence.empty()) json["answer"] = results.budget_sentence;
    json["map"] = {{"window", results.mapped_window + 1}};
    if (results.survival_in_json) json["map"].update({{"tokens", results.mapped_tokens}, {"runs", runs}});
    return dumped(json) + "\n";
}

Outcome resumed(const std::string& path, const Results& results) {
    std::ifstream file = open_for_reading(path);
    try {
        const Json json = Json::parse(file);
        Json now = json_of_settings(results);
        now["map"] = {{"window", results.mapped_window + 1}};
        detail::require_same(json, now, path);
        detail::require_same({{"runs", detail::runs_of(json.at("rows"))}},
                             {{"runs", detail::runs_of(detail::rows_of(results.cells))}}, path);
        return outcome_of(json, results.windows);
    } catch (const Json::exception&) {
    } catch (const std::out_of_range&) {
    }
    throw detail::no_results(path);
}

}  // namespace compare
