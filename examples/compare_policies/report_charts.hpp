// The report's charts: what is drawn, and how its lines differ.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "ranking.hpp"
#include "results.hpp"
#include "svg.hpp"
#include "text.hpp"

namespace compare::detail {

inline std::string exact_text(double number) { return format("%.12g", number); }
inline std::string number_text(double number) { return format("%.4g", number); }
inline std::string bytes_text(double bytes) {
    if (bytes >= 0x1p30) return format("%.4g GiB", bytes / 0x1p30);
    if (bytes >= 0x1p20) return format("%.4g MiB", bytes / 0x1p20);
    return format("%.4g KiB", bytes / 0x1p10);
}

/// Pixels on and off, by turns.
inline const std::vector<int>& dashes_of(std::size_t policy) {
    static const std::vector<std::vector<int>> patterns{{},     {14, 4}, {7, 4},       {14, 4, 3, 4},
                                                        {3, 3}, {20, 6}, {7, 3, 3, 3}, {10, 8}};
    return patterns[policy % patterns.size()];
}

/// The line of the key: as stretches of a gradient.
inline std::string gradient_of(const std::vector<int>& dashes) {
    if (dashes.empty()) return "currentColor";
    std::string stops;
    int at = 0;
    for (std::size_t i = 0; i < dashes.size(); ++i) {
        stops += format(", %s %dpx %dpx", i % 2 == 0 ? "currentColor" : "transparent", at, at + dashes[i]);
        at += dashes[i];
    }
    return "repeating-linear-gradient(90deg" + stops + ")";
}

/// Every policy's name is a class; its colour is the variable of that name.
inline std::string line_styles() {
    std::string css;
    std::size_t index = 0;
    for (const std::string& policy : known_policies()) {
        if (policy == no_bound) continue;
        const std::vector<int>& dashes = dashes_of(index++);
        std::string pattern;
        for (const int pixels : dashes) pattern += " " + std::to_string(pixels);
        css += ".curve." + policy + " { color: var(--" + policy + "); }\n";
        if (!dashes.empty()) css += ".curve." + policy + " path { stroke-dasharray:" + pattern + "; }\n";
        css += ".key ." + policy + "::before { background: " + gradient_of(dashes) + "; }\n";
    }
    return css;
}

using Text = std::string (*)(double);

/// Ticks are round numbers and told exactly; points are told by `text`.
template <class Of>
Chart chart_of(const Results& results, const char* name, const char* y_label, Text tick_text, Text text, Of point) {
    Chart chart{.name = name,
                .x_label = "budget: tokens that are remembered, of a window of " + grouped(results.windows.window),
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

/// A policy that diverges must not flatten the others: from three times the least on the axis is logarithmic, and what
/// lies above 64 times the least is out of the picture.
inline void make_room(Chart& chart) {
    double least = HUGE_VAL, most = 0;
    if (chart.dashed && std::isfinite(chart.dashed->at)) least = most = chart.dashed->at;
    for (const Curve& curve : chart.curves)
        for (const Point& p : curve.points)
            if (std::isfinite(p.y)) least = std::min(least, p.y), most = std::max(most, p.y);
    if (!(least > 0) || most <= 3 * least) return;
    chart.logarithmic_y = true;
    chart.y_label += ", logarithmic";
    if (most > 64 * least) chart.y_limit = 64 * least;
}

inline std::string perplexity_chart(const Results& results) {
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

inline std::string bytes_chart(const Results& results) {
    Chart chart =
        chart_of(results, "Bytes of state against budget", "bytes of state, logarithmic", bytes_text, bytes_text,
                 [](const Score& score) { return Point{.y = static_cast<double>(score.state_bytes)}; });
    chart.logarithmic_y = true;
    return svg(chart);
}

}  // namespace compare::detail
