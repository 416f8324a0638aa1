#include "page.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "answer.hpp"
#include "by_text.hpp"
#include "memory_map.hpp"
#include "page_template.hpp"
#include "ranking.hpp"
#include "report_charts.hpp"
#include "report_details.hpp"

namespace compare {
namespace {

using Places = std::map<std::string, std::string, std::less<>>;

/// Text that was filled in is not searched again.
std::string filled(std::string_view pattern, const Places& places) {
    std::string text;
    for (std::size_t open; (open = pattern.find("{{")) != pattern.npos;) {
        const std::size_t close = pattern.find("}}", open);
        text += pattern.substr(0, open);
        text += places.at(std::string(pattern.substr(open + 2, close - open - 2)));
        pattern.remove_prefix(close + 2);
    }
    return text.append(pattern);
}

std::string options(const std::vector<std::string>& names, const std::string& chosen) {
    std::string html;
    for (const std::string& name : names)
        html += "<option" + std::string(name == chosen ? " selected" : "") + ">" + escaped(name) + "</option>";
    return html;
}

/// Half doublings of the budget: heat-6 is one budget, heat-0 an eighth of it or less, heat-12 eight or more.
std::string heat_style() {
    std::string css;
    for (int heat = 0; heat <= 12; ++heat)
        css += format(".heat-%d { background: rgba(var(--heat), %.2f); }\n", heat, 0.85 * heat * heat / 144);
    return css;
}
std::string ramp() {
    std::string html;
    for (const auto& [heat, name] : {std::pair{0, "&#x215B;"}, std::pair{2, "&frac14;"}, std::pair{4, "&frac12;"},
                                     std::pair{6, "1"}, std::pair{8, "2"}, std::pair{10, "4"}, std::pair{12, "8"}})
        html += format("<b class=\"heat-%d\">%s</b>", heat, name);
    return html;
}

std::string table_row(const Results& results, const Cell& cell, bool first) {
    const Score* full = full_score(results.cells);
    const auto td = [](const std::string& text, const char* style = "") {
        return format("<td%s>", style) + text + "</td>";
    };
    std::string row = (first ? "<tr class=\"first\"><td>" : "<tr><td>") + escaped(cell.policy) + "</td>" +
                      td(cell.budget == 0 ? "all" : grouped(cell.budget)) +
                      td(cell.budget == 0 ? "" : share_of(cell.budget, results.windows.window));
    const std::string needs = td(cell.needs) + "</tr>\n";
    if (!cell.score) return row + td("&ndash;") + td("") + td("") + td("") + needs;
    const Score& score = *cell.score;
    row +=
        td(format("%.3f", score.perplexity()), &cell == best_of(results.cells, cell.budget) ? " class=\"best\"" : "");
    if (full && cell.budget != 0) {
        const auto error = score.percent_error(*full);
        row += td(format("%+.1f %%", score.percent_above(*full))) +
               td(error ? format("&plusmn; %.1f", *error) : "&plusmn; &ndash;");
    } else {
        row += td("") + td("");
    }
    return row + td(detail::bytes_text(static_cast<double>(score.state_bytes))) + needs;
}

std::string html_table(const Results& results) {
    std::string rows;
    std::size_t budget = 0;
    for (const Cell& cell : results.cells) {
        if (!cell.score && cell.refusal.empty()) continue;
        rows += table_row(results, cell, cell.budget != budget);
        budget = cell.budget;
    }
    return "<table><thead><tr><th>policy</th><th>budget</th><th>of the window</th><th>perplexity</th>"
           "<th>above full</th><th>error</th><th>state</th><th>needs</th></tr></thead><tbody>\n" +
           rows + "</tbody></table>";
}

std::string subject(const Results& results) {
    const Config& c = results.config;
    const Windows& w = results.windows;
    return escaped(valid_utf8(results.model)) + ": " + layers_of(c) +
           format(", %zu query heads on %zu KV heads, head_dim %zu. ", c.query_heads, c.kv_heads, c.head_dim) +
           (results.parts.empty() ? escaped(valid_utf8(results.text))
                                  : escaped(valid_utf8(told_of_texts(results.parts))) + " Together") +
           ": " + grouped(w.tokens) + " tokens, " +
           (results.complete() ? "" : grouped(results.windows_read.size()) + " of ") + grouped(w.count()) +
           (w.count() == 1 ? " window of " : " windows of ") + grouped(w.window) +
           ", each read from an empty memory; " + escaped(protocol(results)) + ". Keys and values are stored as " +
           escaped(results.settings.scalar) + ".";
}

std::string paragraph(const char* style, const std::string& text) {
    return text.empty() ? "" : format("<p class=\"%s\">", style) + escaped(text) + "</p>";
}

std::string key(const std::vector<Cell>& cells) {
    std::string html;
    for (const std::string& policy : policies_of(cells))
        html += "<li class=\"curve " + detail::style_of(policy) + "\"><span>" + escaped(policy) + "</span></li>";
    return html;
}

/// `<` must not end the script that the JSON stands in.
std::string in_script(std::string json) {
    for (std::size_t at = 0; (at = json.find('<', at)) != json.npos;) json.replace(at, 1, "\\u003c");
    return json;
}

std::string memory_section(const Results& results) {
    const MemoryMap map(results);
    if (map.empty()) return "";
    const auto policies = map.policies(), budgets = map.budgets();
    const auto or_first = [&](const char* name) {
        return std::find(policies.begin(), policies.end(), name) == policies.end() ? policies.front() : name;
    };
    std::vector<std::string> layers;
    for (const std::size_t layer : map.layers()) layers.push_back(std::to_string(layer));
    return filled(memory_template, {{"number", escaped(valid_utf8(window_named(results.parts, results.mapped_window)))},
                                    {"ramp", ramp()},
                                    {"budgets", options(budgets, budgets[budgets.size() / 2])},
                                    {"layers", options(layers, layers[layers.size() / 2])},
                                    {"left", options(policies, or_first("tova"))},
                                    {"right", options(policies, or_first("window"))},
                                    {"tokens", map.spans()},
                                    {"shades", in_script(map.json())}});
}

}  // namespace

std::string page(const Results& results) {
    const std::string sentence = answer(results.cells, results.windows.window, "\u00B1");
    std::string texts;
    for (const std::string& line : by_text(results)) texts += paragraph("soft", valid_utf8(line));
    return filled(page_template,
                  {{"text", escaped(valid_utf8(results.text))},
                   {"interrupted", paragraph("interrupted", interruption(results))},
                   {"answer", paragraph("answer", results.budget_sentence) + paragraph("answer", sentence) +
                                  paragraph("answer", best_by_needs(results.cells, results.windows.window))},
                   {"subject", subject(results)},
                   {"colours", detail::line_styles(policies_of(results.cells))},
                   {"day", detail::colours_of(policies_of(results.cells), false)},
                   {"night", detail::colours_of(policies_of(results.cells), true)},
                   {"heat", heat_style()},
                   {"key", key(results.cells)},
                   {"perplexity", detail::perplexity_chart(results)},
                   {"bytes", detail::bytes_chart(results)},
                   {"table", html_table(results)},
                   {"texts", texts},
                   {"memory", memory_section(results)},
                   {"details", detail::details(results)}});
}

}  // namespace compare
