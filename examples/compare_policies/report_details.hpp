// How to repeat the numbers of a report.
#pragma once

#include <concepts>
#include <string>
#include <vector>

#include "command_html.hpp"
#include "json.hpp"
#include "llama/running.hpp"
#include "ranking.hpp"
#include "results.hpp"
#include "svg.hpp"
#include "text.hpp"

namespace compare {

namespace detail {

inline std::string details(const Results& results) {
    const auto item = [](const char* name, const std::string& text) {
        return "<tr><td>" + std::string(name) + "</td><td class=\"words\">" + text + "</td></tr>\n";
    };
    std::string html = "<div class=\"wide\"><table><tbody>\n";
    html += item("command", command_html(results.command));
    html += item("version", "msrnn " + version());
    html += item("date", escaped(results.date));
    html += item("threads", grouped(results.settings.threads) + ", which change no result");
    html += item("begin of a text", escaped(told(results.framing)));
    html += item("seed", std::to_string(results.settings.seed));
    html += item("model", escaped(valid_utf8(results.model)) + ", fingerprint " + escaped(results.model_fingerprint));
    html += item("text", escaped(valid_utf8(results.text)) + ", fingerprint " + escaped(results.text_fingerprint));
    for (const Cell& cell : results.cells) {
        if (cell.policy == no_bound || cell.budget != budgets_of(results.cells).front()) continue;
        const std::string settings = cell.settings.empty() ? "none" : cell.settings;
        html += item(escaped(cell.policy).c_str(), escaped("needs " + cell.needs + "; settings: " + settings));
    }
    return html + "</tbody></table></div>";
}

}  // namespace detail

}  // namespace compare
