// Line charts as SVG: just what the report needs. Colours and fonts are the page's.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "text.hpp"

namespace compare {

struct Point {
    double x = 0, y = 0, error = 0;
    std::string label = {};
};

struct Curve {
    std::string style;  // class of the page's style sheet
    std::vector<Point> points;
};

struct Tick {
    double at = 0;
    std::string label;
};

/// x is logarithmic, its ticks are given; y is linear or logarithmic. Points above `y_limit` are arrows at the upper
/// edge.
struct Chart {
    std::string name, x_label, y_label;
    std::vector<Tick> x_ticks;
    std::vector<Curve> curves;
    std::optional<Tick> dashed = {};  // a horizontal line across
    bool logarithmic_y = false;
    std::optional<double> y_limit = {};
    std::string (*y_text)(double) = nullptr;
};

inline std::string escaped(const std::string& text) {
    std::string safe;
    for (const char c : text) switch (c) {
            case '&':
                safe += "&amp;";
                break;
            case '<':
                safe += "&lt;";
                break;
            case '>':
                safe += "&gt;";
                break;
            case '"':
                safe += "&quot;";
                break;
            case '\'':
                safe += "&#39;";
                break;
            default:
                safe += c;
        }
    return safe;
}

namespace detail {

/// 1, 2 or 5 times a power of ten, so that about five of them fill the span.
inline double step_for(double span) {
    const double power = std::pow(10, std::floor(std::log10(span / 5))), rest = span / 5 / power;
    return power * (rest > 5 ? 10 : rest > 2 ? 5 : rest > 1 ? 2 : 1);
}

/// A range of numbers and the pixels it is drawn on.
struct Axis {
    double least = 0, most = 1, from = 0, to = 1;
    bool logarithmic = false;

    double place(double number) const { return logarithmic ? std::log2(number) : number; }
    double operator()(double number) const { return from + (place(number) - least) / (most - least) * (to - from); }

    /// From one whole number to another; in a logarithmic axis, from one power of two to another.
    void round() {
        least = std::floor(least);
        most = std::max(least + 1, std::ceil(most));
    }
    void widen(double below, double above) {
        const double span = most - least;
        least -= below * span;
        most += above * span;
    }
};

/// Never empty, however little the numbers differ.
inline Axis axis_over(const std::vector<double>& numbers, bool logarithmic, double from, double to) {
    Axis axis{.from = from, .to = to, .logarithmic = logarithmic};
    const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
    axis.least = axis.place(*least);
    axis.most = axis.place(*most);
    const double size = std::max({std::abs(axis.least), std::abs(axis.most), 1e-200});
    if (axis.most - axis.least < 1e-9 * size) {
        axis.least -= size / 2;
        axis.most += size / 2;
    }
    return axis;
}

inline std::vector<double> y_ticks(const Axis& y) {
    const double step = y.logarithmic ? std::max(1.0, std::ceil((y.most - y.least) / 6)) : step_for(y.most - y.least);
    std::vector<double> ticks;
    for (auto i = static_cast<long long>(std::ceil(y.least / step)); static_cast<double>(i) * step <= y.most; ++i)
        ticks.push_back(y.logarithmic ? std::exp2(static_cast<double>(i) * step) : static_cast<double>(i) * step);
    return ticks;
}

inline std::string line(const char* style, double x1, double y1, double x2, double y2) {
    return format("<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", style, x1, y1, x2, y2);
}
inline std::string words(const char* anchor, double x, double y, const std::string& text) {
    return format("<text text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">", anchor, x, y) + escaped(text) + "</text>";
}

/// Where the bar of a point's error begins: a logarithmic axis cannot go down to nothing.
inline double bar_begin(const Point& p, bool logarithmic) {
    return logarithmic ? std::max(p.y - p.error, p.y / 2) : p.y - p.error;
}

/// Later curves have smaller points, so that points in one place can all be seen.
inline double radius_of(std::size_t curve) { return std::max(2.0, 6 - 0.5 * static_cast<double>(curve)); }

inline std::string drawn(const Curve& curve, std::size_t index, const Axis& x, const Axis& y, double limit) {
    std::string path, marks;
    const double top = y.to, radius = radius_of(index);
    for (const Point& p : curve.points) {
        const bool beyond = p.y > limit;
        const double at = beyond ? top : y(p.y);
        path += format("%s%.1f %.1f", path.empty() ? "M" : "L", x(p.x), at);
        if (p.error > 0 && !beyond)
            marks += line("error", x(p.x), y(bar_begin(p, y.logarithmic)), x(p.x), y(std::min(p.y + p.error, limit)));
        marks += beyond ? format("<polygon points=\"%.1f,%.1f %.1f,%.1f %.1f,%.1f\"><title>", x(p.x), top, x(p.x) - 5,
                                 top + 9, x(p.x) + 5, top + 9)
                        : format("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"><title>", x(p.x), at, radius);
        marks += escaped(p.label) + "</title>" + (beyond ? "</polygon>" : "</circle>");
    }
    return "<g class=\"curve " + curve.style + "\"><path d=\"" + path + "\"/>" + marks + "</g>\n";
}

/// Those whose labels have room beside the ones before.
inline std::vector<Tick> with_room(const std::vector<Tick>& ticks, const Axis& x) {
    std::vector<Tick> kept = ticks;
    std::sort(kept.begin(), kept.end(), [](const Tick& a, const Tick& b) { return a.at < b.at; });
    double taken = -1e9;
    std::erase_if(kept, [&](const Tick& tick) {
        const double half = 3.5 * static_cast<double>(tick.label.size()) + 3;
        if (x(tick.at) - half < taken) return true;
        taken = x(tick.at) + half;
        return false;
    });
    return kept;
}

}  // namespace detail

namespace detail {

/// Without what cannot be drawn: a model may have no perplexity.
inline Chart drawable(Chart chart) {
    for (Curve& curve : chart.curves) {
        std::erase_if(curve.points, [](const Point& p) { return !std::isfinite(p.y); });
        for (Point& p : curve.points)
            if (!std::isfinite(p.error)) p.error = 0;
    }
    if (chart.dashed && !std::isfinite(chart.dashed->at)) chart.dashed.reset();
    return chart;
}

}  // namespace detail

inline std::string svg(const Chart& given) {
    constexpr double width = 480, height = 300, left = 72, right = 468, top = 14, bottom = 252;
    const Chart chart = detail::drawable(given);
    std::vector<double> xs, ys;
    for (const Tick& tick : chart.x_ticks) xs.push_back(tick.at);
    const double limit = chart.y_limit.value_or(HUGE_VAL);
    bool beyond = false;
    for (const Curve& curve : chart.curves)
        for (const Point& p : curve.points) {
            beyond |= p.y > limit;
            for (const double end : {detail::bar_begin(p, chart.logarithmic_y), p.y + p.error})
                ys.push_back(std::min(end, limit));
        }
    if (chart.dashed) ys.push_back(chart.dashed->at);
    if (xs.empty() || ys.empty()) return "";
    if (!chart.logarithmic_y && !chart.dashed) ys.push_back(0);
    detail::Axis x = detail::axis_over(xs, true, left, right);
    detail::Axis y = detail::axis_over(ys, chart.logarithmic_y, bottom, top);
    if (chart.logarithmic_y) y.round();
    x.widen(0.04, 0.04);
    y.widen(chart.dashed || chart.logarithmic_y ? 0.06 : 0, 0.06);

    std::string body;
    for (const double tick : detail::y_ticks(y))
        body += detail::line("grid", left, y(tick), right, y(tick)) +
                detail::words("end", left - 6, y(tick) + 4, chart.y_text(tick)) + "\n";
    for (const Tick& tick : detail::with_room(chart.x_ticks, x))
        body += detail::line("grid", x(tick.at), top, x(tick.at), bottom) +
                detail::words("middle", x(tick.at), bottom + 18, tick.label) + "\n";
    if (chart.dashed)
        body += detail::line("dashed", left, y(chart.dashed->at), right, y(chart.dashed->at)) +
                detail::words("start", left + 4, y(chart.dashed->at) + 13, chart.dashed->label) + "\n";
    for (std::size_t i = 0; i < chart.curves.size(); ++i) body += detail::drawn(chart.curves[i], i, x, y, limit);
    if (beyond)
        body +=
            detail::words("end", right - 4, top + 24, "arrows: above " + chart.y_text(limit) + ", out of the picture") +
            "\n";
    body += detail::words("middle", (left + right) / 2, height - 10, chart.x_label);
    return format("<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", width, height) + escaped(chart.name) +
           "\">\n" + body +
           format("<text text-anchor=\"middle\" transform=\"translate(13 %.0f) rotate(-90)\">", (top + bottom) / 2) +
           escaped(chart.y_label) + "</text></svg>\n";
}

}  // namespace compare
