#include "needle_report.hpp"

#include <string>

#include "csv.hpp"
#include "json.hpp"
#include "svg.hpp"
#include "table.hpp"

namespace compare {
namespace {

std::string said_of(const NeedleResults& results, Question question) {
    if (results.task == "copy") return "tokens of passages, said again";
    return question == Question::seen ? "question in the prompt" : "question unseen by the policy";
}

}  // namespace

std::string needle_answer(const NeedleResults& results) {
    std::string text;
    for (const Question question : results.questions) {
        std::string best_of_each, full;
        for (std::size_t i = 0; i < results.cells.size(); ++i)
            if (results.cells[i].budget == 0 && results.measured(i, question))
                full = " (full cache: " + results.found(i, question) + ")";
        for (const std::size_t budget : budgets_of(results.cells)) {
            std::size_t most = 0, best = results.cells.size(), equal = 0;
            for (std::size_t i = 0; i < results.cells.size(); ++i) {
                if (results.cells[i].budget != budget || !results.measured(i, question)) continue;
                const std::size_t right = results.finds[i].right(question);
                equal = right > most || best == results.cells.size() ? 0 : equal + (right == most);
                if (right > most || best == results.cells.size()) most = right, best = i;
            }
            if (best == results.cells.size()) continue;
            best_of_each += (best_of_each.empty() ? "" : "; ") + ("at " + grouped(budget)) + " tokens " +
                            results.cells[best].policy + " finds " + results.found(best, question) +
                            (equal == 0 ? "" : ", as " + grouped(equal) + (equal == 1 ? " other does" : " others do"));
        }
        if (!best_of_each.empty())
            text += (results.task == "copy"       ? "Tokens of passages"
                     : question == Question::seen ? "Question in the prompt"
                                                  : "Question unseen") +
                    full + ": " + best_of_each + ".\n";
    }
    return text;
}

std::string needle_table(const NeedleResults& results, Question question) {
    const int width = detail::name_width(results.cells);
    std::string text =
        said_of(results, question) + "\n" + format("%-*s %8s %10s %8s ", width, "policy", "budget", "found", "nll");
    for (const double depth : results.depths) text += format(" %4.0f %%", 100 * depth);
    text += "\n";
    std::size_t budget = 0;
    for (std::size_t i = 0; i < results.cells.size(); ++i) {
        const Cell& cell = results.cells[i];
        if (!results.measured(i, question)) continue;
        if (cell.budget != budget) text += "\n";
        budget = cell.budget;
        text +=
            format("%-*s %8s %10s %8.2f ", width, cell.policy.c_str(), budget == 0 ? "all" : grouped(budget).c_str(),
                   results.found(i, question).c_str(), results.finds[i].nll(question));
        for (std::size_t fact = 0; fact < results.depths.size(); ++fact) {
            const auto [right, all] = results.finds[i].right_at(question, fact);
            text += format(" %6s", (std::to_string(right) + "/" + std::to_string(all)).c_str());
        }
        text += "\n";
    }
    return text;
}

std::string needle_csv(const NeedleResults& results) {
    std::string text = "policy,budget,question,needles,right,nll,depth_percent,needs,settings\n";
    const auto line = [&](const Cell& cell, Question question, std::size_t all, std::size_t right,
                          const std::string& nll, const std::string& depth) {
        text += detail::quoted(cell.policy) + format(",%zu,%s,%zu,%zu,", cell.budget, name_of(question), all, right) +
                nll + "," + depth + "," + cell.needs + "," + detail::quoted(cell.settings) + "\n";
    };
    for (const Question question : results.questions)
        for (std::size_t i = 0; i < results.cells.size(); ++i) {
            if (!results.measured(i, question)) continue;
            const Finds& finds = results.finds[i];
            line(results.cells[i], question, finds.all(question), finds.right(question),
                 format("%.6f", finds.nll(question)), "");
            for (std::size_t fact = 0; fact < results.depths.size(); ++fact) {
                const auto [right, all] = finds.right_at(question, fact);
                line(results.cells[i], question, all, right, "", format("%.2f", 100 * results.depths[fact]));
            }
        }
    return text;
}

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
    return dumped(Json{{"version", version()},
                       {"task", results.task},
                       {"command", results.command},
                       {"date", results.date},
                       {"model", results.model},
                       {"text", results.text},
                       {"window", results.window},
                       {"chunk", or_nothing(results.chunk)},
                       {"digits", results.digits},
                       {"scalar", results.scalar},
                       {"budget_rule", results.rule},
                       {"selector", results.selector},
                       {"interrupted", !results.complete()},
                       {"depths", results.depths},
                       {"rows", rows}}) +
           "\n";
}

std::string needle_page(const NeedleResults& results, const std::string& told) {
    std::string html = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>msrnn: needles</title><style>
:root { color-scheme: light dark; --paper: #fcfbf8; --ink: #22252b; --soft: #626873; --rule: #dcdad3; --heat: 40, 130, 90; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181c; --ink: #e4e2dc; --soft: #9aa1ac; --rule: #343840; --heat: 70, 180, 120; } }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.4rem; } .wide { overflow-x: auto; } code { overflow-wrap: anywhere; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } td, th { padding: .15rem .5rem; text-align: right; border-bottom: 1px solid var(--rule); }
td:first-child, th:first-child { text-align: left; } th { color: var(--soft); font-weight: 500; } td.map { text-align: center; min-width: 2.6rem; }
</style></head><body>
<h1>What each memory finds again</h1>
)html";
    html += "<p>" + escaped(needle_answer(results)) + "</p>\n<p>" + escaped(told) + "</p>\n";
    if (!results.complete())
        html += "<p><b>Interrupted: " + grouped(results.asked) + " of " + grouped(results.planned) +
                " needles were asked for.</b></p>\n";
    for (const Question question : results.questions) {
        html += "<h2>" + escaped(said_of(results, question)) +
                "</h2>\n<div class=\"wide\"><table><tr><th>policy</th><th>budget</th>" + "<th>found</th><th>nll</th>";
        for (const double depth : results.depths) html += format("<th>%.0f&#8239;%%</th>", 100 * depth);
        html += "</tr>\n";
        for (std::size_t i = 0; i < results.cells.size(); ++i) {
            if (!results.measured(i, question)) continue;
            const Cell& cell = results.cells[i];
            html += "<tr><td>" + escaped(cell.policy) + "</td><td>" +
                    (cell.budget == 0 ? "all" : grouped(cell.budget)) + "</td><td>" + results.found(i, question) +
                    "</td><td>" + format("%.2f", results.finds[i].nll(question)) + "</td>";
            for (std::size_t fact = 0; fact < results.depths.size(); ++fact) {
                const auto [right, all] = results.finds[i].right_at(question, fact);
                const double share = all == 0 ? 0 : static_cast<double>(right) / static_cast<double>(all);
                html += format("<td class=\"map\" style=\"background: rgba(var(--heat), %.2f)\">", 0.75 * share) +
                        std::to_string(right) + "/" + std::to_string(all) + "</td>";
            }
            html += "</tr>\n";
        }
        html += "</table></div>\n";
    }
    return html + "<h2>How to repeat it</h2><p><code>" + escaped(valid_utf8(results.command)) + "</code><br>msrnn " +
           version() + ", " + escaped(results.date) + "</p></body></html>\n";
}

}  // namespace compare
