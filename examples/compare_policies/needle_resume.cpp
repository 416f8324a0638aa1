// The JSON file of the tasks needle and copy, written and read.
#include <cstddef>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "json.hpp"
#include "llama/file.hpp"
#include "needle_report.hpp"
#include "same_run.hpp"

namespace compare {
namespace {

/// What another run must share to go on from this one.
Json json_of_needle_settings(const NeedleResults& results) {
    Json questions = Json::array();
    for (const Question question : results.questions) questions.push_back(name_of(question));
    return {{"version", version()},
            {"task", results.task},
            {"model", {{"file", results.model}, {"fingerprint", results.model_fingerprint}}},
            {"text", {{"file", results.text}, {"fingerprint", results.text_fingerprint}}},
            {"bos", results.bos},
            {"window", results.window},
            {"texts", results.texts},
            {"chunk", or_nothing(results.chunk)},
            {"digits", results.digits},
            {"questions", questions},
            {"seed", results.seed},
            {"scalar", results.scalar},
            {"budget_rule", results.rule},
            {"selector", results.selector},
            {"depths", results.depths}};
}

/// A loss that is no finite number, which JSON cannot hold, is asked for again.
Finds finds_in(const Json& row, const NeedleResults& results) {
    Finds finds;
    for (const Question question : results.questions) {
        if (!row.contains(name_of(question))) continue;
        for (const Json& needle : row.at(name_of(question)).at("needles")) {
            if (needle.at("nll").is_null()) continue;
            const Found found{.text = needle.at("text").get<std::size_t>(),
                              .fact = needle.at("fact").get<std::size_t>(),
                              .right = needle.at("right").get<std::size_t>(),
                              .all = needle.at("of").get<std::size_t>(),
                              .nll = needle.at("nll").get<double>()};
            if (found.text >= results.texts || found.fact >= results.depths.size() || found.right > found.all)
                throw std::out_of_range("needle");
            finds.of[static_cast<std::size_t>(question)].push_back(found);
        }
    }
    return finds;
}

}  // namespace

std::string needle_json(const NeedleResults& results) {
    Json rows = Json::array();
    for (std::size_t i = 0; i < results.cells.size(); ++i) {
        Json row = detail::json_of(results.cells[i]);
        for (const Question question : results.questions) {
            if (!results.measured(i, question)) continue;
            Json needles = Json::array();
            for (const Found& found : results.finds[i].asked(question))
                needles.push_back({{"text", found.text},
                                   {"fact", found.fact},
                                   {"right", found.right},
                                   {"of", found.all},
                                   {"nll", found.nll}});
            row[name_of(question)] = {{"right", results.finds[i].right(question)},
                                      {"of", results.finds[i].all(question)},
                                      {"nll", results.finds[i].nll(question)},
                                      {"needles", needles}};
        }
        rows.push_back(row);
    }
    Json json = json_of_needle_settings(results);
    json["command"] = results.command;
    json["date"] = results.date;
    json["interrupted"] = !results.complete();
    json["rows"] = rows;
    return dumped(json) + "\n";
}

std::vector<Finds> needles_resumed(const std::string& path, const NeedleResults& results) {
    std::ifstream file = open_for_reading(path);
    try {
        const Json json = Json::parse(file);
        detail::require_same(json, json_of_needle_settings(results), path);
        detail::require_same({{"runs", detail::runs_of(json.at("rows"))}},
                             {{"runs", detail::runs_of(detail::rows_of(results.cells))}}, path);
        std::vector<Finds> finds;
        for (const Json& row : json.at("rows"))
            if (!row.contains("refusal")) finds.push_back(finds_in(row, results));
        return finds;
    } catch (const Json::exception&) {
    } catch (const std::out_of_range&) {
    }
    throw detail::no_results(path);
}

}  // namespace compare
