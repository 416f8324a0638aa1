#include "report_charts.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <string>
#include <vector>

#include "ranking.hpp"
#include "text.hpp"

namespace compare::detail {

std::string exact_text(double number) { return format("%.12g", number); }
static std::string number_text(double number) { return format("%.4g", number); }
std::string bytes_text(double bytes) {
    if (bytes >= 0x1p30) return format("%.4g GiB", bytes / 0x1p30);
    if (bytes >= 0x1p20) return format("%.4g MiB", bytes / 0x1p20);
    return format("%.4g KiB", bytes / 0x1p10);
}

/// Pixels on and off, by turns.
static const std::vector<int>& dashes_of(std::size_t policy) {
    static const std::vector<std::vector<int>> patterns{{},     {14, 4}, {7, 4},       {14, 4, 3, 4},
                                                        {3, 3}, {20, 6}, {7, 3, 3, 3}, {10, 8}};
    return patterns[policy % patterns.size()];
}

/// The line of the key: as stretches of a gradient.
static std::string gradient_of(const std::vector<int>& dashes) {
    if (dashes.empty()) return "currentColor";
    std::string stops;
    int at = 0;
    for (std::size_t i = 0; i < dashes.size(); ++i) {
        stops += format(", %s %dpx %dpx", i % 2 == 0 ? "currentColor" : "transparent", at, at + dashes[i]);
        at += dashes[i];
    }
    return "repeating-linear-gradient(90deg" + stops + ")";
}

std::string style_of(const std::string& policy) {
    if (library_policies().find(policy) != nullptr) return policy;
    std::string style = "own-";
    for (const char c : policy)
        style += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-'
                     ? std::string(1, c)
                     : format("_%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    return style;
}

/// A known policy looks the same in every report: its place in the list of names. The others follow.
static std::size_t look_of(const std::string& policy, const std::vector<std::string>& all) {
    const auto known = usual_policies();
    if (const auto at = std::find(known.begin() + 1, known.end(), policy); at != known.end())
        return static_cast<std::size_t>(at - known.begin()) - 1;
    std::size_t look = known.size() - 1;
    for (const std::string& other : all) {
        if (other == policy) break;
        look += std::find(known.begin(), known.end(), other) == known.end() ? 1 : 0;
    }
    return look;
}

/// Some that were chosen, then others that go around the circle of colours by the golden angle.
static std::string colour_of(std::size_t look, bool night) {
    static constexpr std::array<std::array<const char*, 2>, 12> chosen{{{"#7a828f", "#9aa3b2"},
                                                                        {"#0a78c2", "#56b0f0"},
                                                                        {"#d0420a", "#ff7a45"},
                                                                        {"#a3228c", "#e07bd0"},
                                                                        {"#0a8f63", "#3fcf9c"},
                                                                        {"#b98300", "#e8b93a"},
                                                                        {"#5a3fc0", "#a894ff"},
                                                                        {"#8a5a3c", "#c99a78"},
                                                                        {"#5c8a00", "#a5d13c"},
                                                                        {"#d6246e", "#ff7aa8"},
                                                                        {"#007f8a", "#3cc7d4"},
                                                                        {"#2c4a7a", "#8fb0e8"}}};
    if (look < chosen.size()) return chosen[look][night ? 1 : 0];
    const double hue = std::fmod(static_cast<double>(look) * 137.508, 360) / 60;
    const auto channel = [&](double from) {
        const double distance = std::fabs(std::fmod(hue + from, 6) - 3);
        const double strength = std::clamp(distance - 1, 0.0, 1.0);
        return static_cast<unsigned>(night ? 110 + 140 * strength : 20 + 160 * strength);
    };
    return format("#%02x%02x%02x", channel(0), channel(4), channel(2));
}
std::string colours_of(const std::vector<std::string>& policies, bool night) {
    std::string css;
    for (const std::string& policy : policies)
        css += "    --" + style_of(policy) + ": " + colour_of(look_of(policy, policies), night) + ";\n";
    return css;
}

std::string line_styles(const std::vector<std::string>& policies) {
    std::string css;
    for (const std::string& policy : policies) {
        const std::string style = style_of(policy);
        const std::vector<int>& dashes = dashes_of(look_of(policy, policies));
        std::string pattern;
        for (const int pixels : dashes) pattern += " " + std::to_string(pixels);
        css += ".curve." + style + " { color: var(--" + style + "); }\n";
        if (!dashes.empty()) css += ".curve." + style + " path { stroke-dasharray:" + pattern + "; }\n";
        css += ".key ." + style + "::before { background: " + gradient_of(dashes) + "; }\n";
    }
    return css;
}

using Text = std::string (*)(double);

/// Ticks are round numbers and told exactly; points are told by `text`.
template <class Of>
static Chart chart_of(const Results& results, const char* name, const char* y_label, Text tick_text, Text text,
                      Of point) {
    Chart chart{.name = name,
                .x_label = "budget: tokens that are remembered, of a window of " + grouped(results.windows.window),
                .y_label = y_label,
                .x_ticks = {},
                .curves = {},
                .y_text = tick_text};
    for (const std::size_t budget : budgets_of(results.cells))
        chart.x_ticks.push_back({static_cast<double>(budget), grouped(budget)});
    for (const std::string& policy : policies_of(results.cells)) {
        Curve curve{.style = style_of(policy), .points = {}};
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

/// A policy that diverges must not flatten the others: from three times the least on the axis is logarithmic, and what
/// lies above four times the middle number is out of the picture.
static void make_room(Chart& chart) {
    std::vector<double> numbers;
    for (const Curve& curve : chart.curves)
        for (const Point& p : curve.points)
            if (std::isfinite(p.y)) numbers.push_back(p.y);
    if (chart.dashed && std::isfinite(chart.dashed->at)) numbers.push_back(chart.dashed->at);
    if (numbers.empty()) return;
    std::sort(numbers.begin(), numbers.end());
    if (!(numbers.front() > 0) || numbers.back() <= 3 * numbers.front()) return;
    chart.logarithmic_y = true;
    chart.y_label += ", logarithmic";
    const double limit = 4 * numbers[numbers.size() / 2];
    if (numbers.back() > limit) chart.y_limit = limit;
}

std::string perplexity_chart(const Results& results) {
    const Score* full = full_score(results.cells);
    const auto point = [&](const Score& score) {
        const double perplexity = score.perplexity();
        const auto error = full ? score.error_against(*full) : score.nll_error();
        return Point{.y = perplexity, .error = perplexity * error.value_or(0)};
    };
    Chart chart = chart_of(results, "Perplexity against budget", "perplexity", exact_text, number_text, point);
    if (full) chart.dashed = Tick{full->perplexity(), "full cache: " + number_text(full->perplexity())};
    make_room(chart);
    if (chart.y_limit) chart.y_text = number_text;
    return svg(chart);
}

std::string bytes_chart(const Results& results) {
    Chart chart =
        chart_of(results, "Bytes of state against budget", "bytes of state, logarithmic", bytes_text, bytes_text,
                 [](const Score& score) { return Point{.y = static_cast<double>(score.state_bytes)}; });
    chart.logarithmic_y = true;
    return svg(chart);
}

std::string stream_chart(const StreamResults& results, std::size_t budget, PositionsIn positions) {
    Chart chart{.name = "Perplexity against the place in the text",
                .x_label = "end of a block of " + grouped(results.block) + " tokens, logarithmic",
                .y_label = "perplexity",
                .x_ticks = {},
                .curves = {},
                .y_text = number_text};
    for (const std::size_t block : blocks_to_tell(results.blocks_read())) {
        const std::size_t end = (block + 1) * results.block;
        chart.x_ticks.push_back({static_cast<double>(end), grouped(end)});
    }
    for (const StreamRow& row : results.rows) {
        const Cell& cell = results.cells[row.cell];
        const bool full = cell.budget == 0;
        if (!full && (cell.budget != budget || row.positions != positions)) continue;
        Curve curve{.style = full ? cell.policy : style_of(cell.policy), .points = {}};
        for (std::size_t block = 0; block < row.loss.nll.size(); ++block) {
            const std::size_t end = (block + 1) * results.block;
            curve.points.push_back(
                {.x = static_cast<double>(end),
                 .y = row.perplexity(block),
                 .label = cell.policy + ", to " + grouped(end) + ": " + number_text(row.perplexity(block))});
        }
        chart.curves.push_back(std::move(curve));
    }
    if (chart.curves.empty()) return "";
    make_room(chart);
    return svg(chart);
}

}  // namespace compare::detail
