#include "needle_report.hpp"

#include <string>
#include <vector>

#include "csv.hpp"
#include "json.hpp"
#include "plain_page.hpp"
#include "svg.hpp"
#include "table.hpp"

namespace compare {
namespace {

std::string said_of(const NeedleResults& results, Question question) {
    if (results.task == "copy") return "tokens of passages, said again";
    return question == Question::seen ? "question in the prompt" : "question unseen by the policy";
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0, end; (end = text.find('\n', at)) != text.npos; at = end + 1)
        lines.push_back(text.substr(at, end - at));
    return lines;
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
            if (most == 0) {
                best_of_each +=
                    (best_of_each.empty() ? "" : "; ") + ("at " + grouped(budget)) + " tokens none is found";
                continue;
            }
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

std::string needle_page(const NeedleResults& results, const std::string& told) {
    std::string html = plain_page_begin("needles", "What each memory finds again");
    for (const std::string& sentence : lines_of(needle_answer(results))) html += "<p>" + escaped(sentence) + "</p>\n";
    html += "<p class=\"soft\">" + escaped(valid_utf8(results.model + ", " + results.text)) + ". " + escaped(told) +
            "</p>\n";
    if (!results.complete())
        html += "<p><b>Interrupted: " + grouped(results.asked) + " of " + grouped(results.planned) +
                " needles were asked for.</b></p>\n";
    for (const Question question : results.questions) {
        html += "<h2>" + escaped(said_of(results, question)) +
                "</h2>\n<div class=\"wide\"><table><tr><th>policy</th><th>budget</th>" + "<th>found</th><th>nll</th>";
        for (const double depth : results.depths) html += format("<th>%.0f&#8239;%%</th>", 100 * depth);
        html += "</tr>\n";
        std::size_t budget = 0;
        for (std::size_t i = 0; i < results.cells.size(); ++i) {
            if (!results.measured(i, question)) continue;
            const Cell& cell = results.cells[i];
            html += (cell.budget != budget ? "<tr class=\"first\"><td>" : "<tr><td>") + escaped(cell.policy) +
                    "</td><td>" + (cell.budget == 0 ? "all" : grouped(cell.budget)) + "</td><td>" +
                    results.found(i, question) + "</td><td>" + format("%.2f", results.finds[i].nll(question)) + "</td>";
            budget = cell.budget;
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
    return html + plain_page_end(results.command, results.date);
}

}  // namespace compare
