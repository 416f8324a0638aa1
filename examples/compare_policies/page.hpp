// The report: one page that needs nothing but itself.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "memory_map.hpp"
#include "page_template.hpp"
#include "svg.hpp"
#include "table.hpp"

namespace compare {

using Places = std::map<std::string, std::string, std::less<>>;

/// What is filled in is not looked at again.
inline std::string filled(std::string_view pattern, const Places& places) {
    std::string text;
    for (std::size_t open; (open = pattern.find("{{")) != pattern.npos;) {
        const std::size_t close = pattern.find("}}", open);
        text += pattern.substr(0, open);
        text += places.at(std::string(pattern.substr(open + 2, close - open - 2)));
        pattern.remove_prefix(close + 2);
    }
    return text.append(pattern);
}

namespace detail {

inline std::string exact_text(double number) { return format("%.12g", number); }
inline std::string number_text(double number) { return format("%.4g", number); }
inline std::string bytes_text(double bytes) {
    if (bytes >= 0x1p30) return format("%.4g GiB", bytes / 0x1p30);
    if (bytes >= 0x1p20) return format("%.4g MiB", bytes / 0x1p20);
    return format("%.4g KiB", bytes / 0x1p10);
}

inline std::string options(const std::vector<std::string>& names, const std::string& chosen) {
    std::string html;
    for (const std::string& name : names)
        html += "<option" + std::string(name == chosen ? " selected" : "") + ">" + escaped(name) + "</option>";
    return html;
}

/// Every policy's name is a class; its colour is the variable of that name.
inline std::string colours() {
    std::string css;
    for (const std::string& policy : known_policies())
        if (policy != no_bound) css += ".curve." + policy + " { color: var(--" + policy + "); }\n";
    return css;
}

/// Half doublings of the budget: heat-6 is one budget, heat-0 an eighth of it or less, heat-12 eight or more.
inline std::string heat_style() {
    std::string css;
    for (int heat = 0; heat <= 12; ++heat)
        css += format(".heat-%d { background: rgba(var(--heat), %.2f); }\n", heat, 0.85 * heat * heat / 144);
    return css;
}
inline std::string ramp() {
    std::string html;
    for (const auto& [heat, name] : {std::pair{0, "&#x215B;"}, std::pair{2, "&frac14;"}, std::pair{4, "&frac12;"},
                                     std::pair{6, "1"}, std::pair{8, "2"}, std::pair{10, "4"}, std::pair{12, "8"}})
        html += format("<b class=\"heat-%d\">%s</b>", heat, name);
    return html;
}

using Text = std::string (*)(double);

/// Ticks are round numbers and told exactly; points are told by `text`.
template <class Of>
Chart chart_of(const Results& results, const char* name, const char* y_label, Text tick_text, Text text, Of point) {
    Chart chart{.name = name,
                .x_label = "budget: tokens that are remembered",
                .y_label = y_label,
                .x_ticks = {},
                .curves = {},
                .y_text = tick_text};
    for (const std::size_t budget : budgets_of(results.cells))
        chart.x_ticks.push_back({static_cast<double>(budget), grouped(budget)});
    for (const std::string& policy : policies_of(results.cells)) {
        Curve curve{.style = policy, .points = {}};
        for (const Tick& tick : chart.x_ticks)
            if (const Score* score = score_of(results.cells, policy, static_cast<std::size_t>(tick.at))) {
                Point at = point(*score);
                at.x = tick.at;
                at.label = policy + ", " + tick.label + ": " + text(at.y);
                curve.points.push_back(at);
            }
        chart.curves.push_back(std::move(curve));
    }
    return chart;
}

inline std::string perplexity_chart(const Results& results) {
    const Score* full = full_score(results.cells);
    const auto point = [&](const Score& score) {
        const double perplexity = score.perplexity();
        return Point{.y = perplexity, .error = perplexity * (full ? score.error_against(*full) : score.nll_error())};
    };
    Chart chart = chart_of(results, "Perplexity against budget", "perplexity", exact_text, number_text, point);
    if (full) chart.dashed = Tick{full->perplexity(), "full cache: " + number_text(full->perplexity())};
    return svg(chart);
}
inline std::string time_chart(const Results& results) {
    return svg(chart_of(results, "Time against budget", "microseconds a token", exact_text, number_text,
                        [](const Score& score) { return Point{.y = score.microseconds}; }));
}
inline std::string bytes_chart(const Results& results) {
    Chart chart = chart_of(results, "Bytes of state against budget", "bytes of state", bytes_text, bytes_text,
                           [](const Score& score) { return Point{.y = static_cast<double>(score.state_bytes)}; });
    chart.logarithmic_y = true;
    return svg(chart);
}

inline std::string table_row(const Cell& cell, const Score* full, bool best) {
    const auto td = [](const std::string& text, const char* style = "") {
        return format("<td%s>", style) + text + "</td>";
    };
    std::string row = "<tr><td>" + escaped(cell.policy) + "</td>" + td(cell.budget == 0 ? "all" : grouped(cell.budget));
    if (!cell.score) return row + td("&ndash;") + td("") + td("") + td("") + td("") + "</tr>\n";
    const Score& score = *cell.score;
    row += td(format("%.3f", score.perplexity()), best ? " class=\"best\"" : "");
    row += full && cell.budget != 0 ? td(format("%+.1f %%", score.percent_above(*full))) +
                                          td(format("&plusmn; %.1f", score.percent_error(*full)))
                                    : td("") + td("");
    return row + td(format("%.1f", score.microseconds)) + td(bytes_text(static_cast<double>(score.state_bytes))) +
           "</tr>\n";
}

inline std::string html_table(const std::vector<Cell>& cells) {
    std::string rows;
    for (const Cell& cell : cells)
        if (cell.score || !cell.refusal.empty())
            rows += table_row(cell, full_score(cells), cell.budget != 0 && &cell == best_of(cells, cell.budget));
    return "<table><thead><tr><th>policy</th><th>budget</th><th>perplexity</th><th>above full</th><th>error</th>"
           "<th>&micro;s/token</th><th>state</th></tr></thead><tbody>\n" +
           rows + "</tbody></table>";
}

inline std::string subject(const Results& results) {
    const Config& c = results.config;
    const Windows& w = results.windows;
    return escaped(valid_utf8(results.model)) +
           format(": %zu layers, %zu query heads on %zu KV heads, head_dim %zu. ", c.layers, c.query_heads, c.kv_heads,
                  c.head_dim) +
           escaped(valid_utf8(results.text)) + ": " + grouped(w.tokens) + " tokens, read in " + grouped(w.count()) +
           " windows of " + grouped(w.window) +
           ", each from an empty memory; the second half of each is scored. Keys and values are stored as " +
           escaped(results.settings.scalar) + ".";
}

inline std::string key(const std::vector<Cell>& cells) {
    std::string html;
    for (const std::string& policy : policies_of(cells))
        html += "<li class=\"curve " + policy + "\"><span>" + escaped(policy) + "</span></li>";
    return html;
}

/// `<` must not end the script that the JSON stands in.
inline std::string in_script(std::string json) {
    for (std::size_t at = 0; (at = json.find('<', at)) != json.npos;) json.replace(at, 1, "\\u003c");
    return json;
}

inline std::string memory_section(const Results& results) {
    const MemoryMap map(results);
    if (map.empty()) return "";
    const auto policies = map.policies(), budgets = map.budgets();
    const auto or_first = [&](const char* name) {
        return std::find(policies.begin(), policies.end(), name) == policies.end() ? policies.front() : name;
    };
    std::vector<std::string> layers;
    for (const std::size_t layer : map.layers()) layers.push_back(std::to_string(layer + 1));
    return filled(memory_template, {{"number", std::to_string(results.mapped_window + 1)},
                                    {"ramp", ramp()},
                                    {"budgets", options(budgets, budgets[budgets.size() / 2])},
                                    {"layers", options(layers, layers[layers.size() / 2])},
                                    {"left", options(policies, or_first("tova"))},
                                    {"right", options(policies, or_first("window"))},
                                    {"tokens", map.spans()},
                                    {"shades", in_script(map.json())}});
}

}  // namespace detail

inline std::string page(const Results& results) {
    return filled(page_template, {{"text", escaped(valid_utf8(results.text))},
                                  {"subject", detail::subject(results)},
                                  {"colours", detail::colours()},
                                  {"heat", detail::heat_style()},
                                  {"key", detail::key(results.cells)},
                                  {"perplexity", detail::perplexity_chart(results)},
                                  {"time", detail::time_chart(results)},
                                  {"bytes", detail::bytes_chart(results)},
                                  {"table", detail::html_table(results.cells)},
                                  {"memory", detail::memory_section(results)}});
}

}  // namespace compare
