// Charts, read back from their own SVG: whatever is drawn must lie where the axis says.
#include "compare_policies/svg.hpp"

#include <cmath>
#include <limits>

#include "files.hpp"
#include "markup.hpp"
#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/random.hpp"

namespace chart_tests {

namespace {

using compare::Chart;
using compare::Curve;
using compare::Point;

constexpr double pixel = 0.06;  // coordinates have one decimal

std::string exactly(double number) { return compare::format("%.17g", number); }

Chart chart_of(const std::vector<double>& budgets, std::vector<Curve> curves) {
    Chart chart{.name = "quality", .x_label = "budget", .y_label = "loss", .x_ticks = {}, .curves = {}};
    for (const double budget : budgets) chart.x_ticks.push_back({budget, exactly(budget)});
    for (Curve& curve : curves)
        for (std::size_t i = 0; i < curve.points.size(); ++i) curve.points[i].x = budgets.at(i);
    chart.curves = std::move(curves);
    chart.y_text = exactly;
    return chart;
}

/// A tick as it is drawn: the number that its label says, and where its line is.
struct Drawn {
    double number = 0, at = 0;
};

/// What a reader of the chart sees.
struct Seen {
    Element svg;
    std::vector<Drawn> x, y;
    double left = 0, right = 0, top = 0, bottom = 0;  // of the lines

    explicit Seen(const Chart& chart) : svg(Markup::read(compare::svg(chart))) {
        for (const Element* line : all_of(svg, [](const Element& e) { return e.name == "line" && e.is("grid"); })) {
            const bool across = line->number("y1") == line->number("y2");
            if (across)
                left = line->number("x1"), right = line->number("x2"), y.push_back({0, line->number("y1")});
            else
                top = line->number("y1"), bottom = line->number("y2"), x.push_back({0, line->number("x1")});
        }
        label(y, "end");
        label(x, "middle");
    }

    /// Numbers go with the lines in the order of both.
    void label(std::vector<Drawn>& ticks, const std::string& anchor) const {
        const auto words = all_of(svg, [&](const Element& e) {
            return e.name == "text" && e.attributes.at("text-anchor") == anchor && e.attributes.count("x") != 0;
        });
        for (std::size_t i = 0; i < ticks.size(); ++i) ticks[i].number = std::stod(words.at(i)->text);
    }

    std::vector<const Element*> circles() const { return all_named(svg, "circle"); }
    bool in_box(double at_x, double at_y) const {
        return left <= at_x && at_x <= right && top <= at_y && at_y <= bottom;
    }
};

/// Where the line through the outermost ticks puts a number.
double place(const std::vector<Drawn>& ticks, double number, double (*scale)(double)) {
    const Drawn &first = ticks.front(), &last = ticks.back();
    return first.at +
           (scale(number) - scale(first.number)) / (scale(last.number) - scale(first.number)) * (last.at - first.at);
}
double linear(double number) { return number; }
double logarithmic(double number) { return std::log(number); }

void require_points_where_the_axes_say(const Chart& chart, double (*scale)(double)) {
    const Seen seen(chart);
    REQUIRE(seen.x.size() == chart.x_ticks.size());
    REQUIRE(seen.y.size() >= 2);
    for (const Drawn& tick : seen.x) REQUIRE(close(tick.at, place(seen.x, tick.number, logarithmic), 2 * pixel, 0));
    for (const Drawn& tick : seen.y) REQUIRE(close(tick.at, place(seen.y, tick.number, scale), 2 * pixel, 0));
    const auto circles = seen.circles();
    const auto bars = all_of(seen.svg, [](const Element& e) { return e.is("error"); });
    std::size_t circle = 0, bar = 0;
    const double stretched = 300 / std::fabs(seen.y.back().at - seen.y.front().at) * 3 * pixel;
    for (const Curve& curve : chart.curves)
        for (const Point& point : curve.points) {
            const Element& drawn = *circles.at(circle++);
            REQUIRE(close(drawn.number("cx"), place(seen.x, point.x, logarithmic), 3 * pixel, 0));
            REQUIRE(close(drawn.number("cy"), place(seen.y, point.y, scale), stretched, 0));
            REQUIRE(seen.in_box(drawn.number("cx"), drawn.number("cy")));
            if (!(point.error > 0)) continue;
            const Element& error = *bars.at(bar++);
            REQUIRE(close(error.number("y1"), place(seen.y, point.y - point.error, scale), stretched, 0));
            REQUIRE(close(error.number("y2"), place(seen.y, point.y + point.error, scale), stretched, 0));
            REQUIRE(error.number("x1") == drawn.number("cx"));
            REQUIRE(seen.in_box(error.number("x1"), error.number("y1")));
            REQUIRE(seen.in_box(error.number("x2"), error.number("y2")));
        }
    REQUIRE(circle == circles.size());
    REQUIRE(bar == bars.size());
}

/// 1, 2 or 5 times a power of ten apart, and each a multiple of that.
void require_round(const std::vector<Drawn>& ticks) {
    const double step = (ticks.back().number - ticks.front().number) / static_cast<double>(ticks.size() - 1);
    const double leading = step / std::pow(10, std::floor(std::log10(step) + 1e-9));
    INFO("step " << step);
    REQUIRE((close(leading, 1, 1e-6, 0) || close(leading, 2, 1e-6, 0) || close(leading, 5, 1e-6, 0)));
    for (const Drawn& tick : ticks)
        REQUIRE(close(tick.number, std::round(tick.number / step) * step, 1e-6 * step, 1e-12));
}

Curve curve_of(const std::vector<double>& ys, double error = 0) {
    Curve curve{.style = "tova", .points = {}};
    for (const double y : ys) curve.points.push_back({.y = y, .error = error, .label = "at " + exactly(y)});
    return curve;
}

void require_no_nonsense(const std::string& svg) {
    INFO(svg.substr(0, 2000));
    REQUIRE(thrown_by([&] { Markup::read(svg); }).empty());
    for (const char* word : {"nan", "inf", "NaN", "Inf", ">-0<"}) REQUIRE(svg.find(word) == svg.npos);
}

}  // namespace

TEST_CASE("points and error bars lie where the axes say, inside the box") {
    Random random{4};
    for (const double size : {1e-3, 1.0, 37.0, 5e4}) {
        Curve one = curve_of({}), other = curve_of({});
        for (int i = 0; i < 5; ++i) {
            one.points.push_back({.y = size * (1 + static_cast<double>(random.unit())),
                                  .error = size * 0.2 * static_cast<double>(random.unit())});
            other.points.push_back({.y = size * (1 + 3 * static_cast<double>(random.unit()))});
        }
        Chart chart = chart_of({3, 16, 50, 128, 1000}, {one, other});
        require_points_where_the_axes_say(chart, linear);
        chart.dashed = compare::Tick{0.9 * size, "full"};
        require_points_where_the_axes_say(chart, linear);
        chart.dashed.reset();
        for (Curve& curve : chart.curves)
            for (Point& point : curve.points) point.error = 0, point.y *= 1000 * point.x / size;
        chart.logarithmic_y = true;
        require_points_where_the_axes_say(chart, logarithmic);
    }
}

TEST_CASE("a larger budget lies further right, a larger number higher up") {
    const Chart chart = chart_of({2, 3, 5, 9}, {curve_of({1, 2, 4, 7})});
    const Seen seen(chart);
    const auto circles = seen.circles();
    for (std::size_t i = 0; i + 1 < circles.size(); ++i) {
        REQUIRE(circles[i]->number("cx") < circles[i + 1]->number("cx"));
        REQUIRE(circles[i]->number("cy") > circles[i + 1]->number("cy"));
    }
}

TEST_CASE("a curve's line goes through its points and no others") {
    const Chart chart = chart_of({2, 3, 5}, {curve_of({4, 2, 3}), curve_of({5, 6, 7})});
    const Seen seen(chart);
    for (const Element* curve : all_named(seen.svg, "g")) {
        std::string expected;
        for (const Element* circle : all_named(*curve, "circle"))
            expected +=
                (expected.empty() ? "M" : "L") + circle->attributes.at("cx") + " " + circle->attributes.at("cy");
        REQUIRE(all_named(*curve, "path").at(0)->attributes.at("d") == expected);
    }
}

TEST_CASE("the dashed line lies at its number, all across") {
    Chart chart = chart_of({2, 3, 5}, {curve_of({4, 2, 3})});
    chart.dashed = compare::Tick{1.5, "full cache"};
    const Seen seen(chart);
    const auto dashed = all_of(seen.svg, [](const Element& e) { return e.is("dashed"); });
    REQUIRE(dashed.size() == 1);
    REQUIRE(dashed[0]->number("y1") == dashed[0]->number("y2"));
    REQUIRE(close(dashed[0]->number("y1"), place(seen.y, 1.5, linear), 5 * pixel, 0));
    REQUIRE(dashed[0]->number("x1") == seen.left);
    REQUIRE(dashed[0]->number("x2") == seen.right);
}

TEST_CASE("a linear axis has from two to twelve round numbers, whatever it spans") {
    Random random{9};
    for (int round = 0; round < 300; ++round) {
        const double size = std::pow(10, -4 + 10 * static_cast<double>(random.unit()));
        const double span = size * std::pow(10, -3 * static_cast<double>(random.unit()));
        Chart chart = chart_of({2, 3}, {curve_of({size, size + span})});
        if (random.one_in(2)) chart.dashed = compare::Tick{size, "full"};
        const Seen seen(chart);
        INFO(size << " and " << span << " more");
        REQUIRE(seen.y.size() >= 2);
        REQUIRE(seen.y.size() <= 12);
        require_round(seen.y);
        for (const Drawn& tick : seen.y) REQUIRE((seen.top <= tick.at && tick.at <= seen.bottom));
    }
}

TEST_CASE("a logarithmic axis has from one to twelve powers of two, whatever it spans") {
    Random random{10};
    for (int round = 0; round < 300; ++round) {
        const double least = 5000 * std::exp(10 * static_cast<double>(random.unit()));
        const double most = least * std::exp(std::pow(10, 2 - 3 * static_cast<double>(random.unit())) / 10);
        Chart chart = chart_of({2, 3}, {curve_of({least, most})});
        chart.logarithmic_y = true;
        const Seen seen(chart);
        INFO(least << " to " << most);
        REQUIRE(seen.y.size() >= 1);
        REQUIRE(seen.y.size() <= 12);
        for (const Drawn& tick : seen.y) REQUIRE(std::exp2(std::round(std::log2(tick.number))) == tick.number);
    }
}

TEST_CASE("one point, one budget, equal numbers, no error, huge and tiny numbers: all give a chart that can be read") {
    const std::vector<std::vector<double>> numbers{
        {1},      {3, 3, 3},       {0},         {0, 0},    {1e-9, 2e-9},         {1e-300},
        {1e15},   {1e15, 1e15},    {1e9, 1e-9}, {1e12, 3}, {2e17, 2e17},         {3, std::nextafter(3, 4)},
        {5e-324}, {1e17, 3e17, 2}, {-1, 1},     {-2, -2},  {7, 7 * (1 + 1e-15)}, {1e16, std::nextafter(1e16, 1e17)}};
    for (const auto& ys : numbers)
        for (const double error : {0.0, 1e-9, 1.0}) {
            const std::vector<double> budgets{4, 64, 1'000'000};
            Chart chart = chart_of({budgets.begin(), budgets.begin() + static_cast<std::ptrdiff_t>(ys.size())},
                                   {curve_of(ys, error)});
            for (Curve& curve : chart.curves)
                for (Point& point : curve.points) point.label.clear();
            chart.y_text = [](double number) { return compare::format("%.4g", number); };
            INFO(exactly(ys[0]) << " and " << ys.size() - 1 << " more, +- " << error);
            require_no_nonsense(compare::svg(chart));
            chart.dashed = compare::Tick{ys[0], "full"};
            require_no_nonsense(compare::svg(chart));
        }
}

TEST_CASE("numbers that are none are left out of a chart") {
    constexpr double infinite = std::numeric_limits<double>::infinity();
    constexpr double none = std::numeric_limits<double>::quiet_NaN();
    for (const double bad : {infinite, none}) {
        Chart chart = chart_of({4, 8, 16}, {curve_of({3, bad, 5})});
        for (Point& point : chart.curves[0].points) point.label.clear();
        chart.y_text = [](double number) { return compare::format("%.4g", number); };
        require_no_nonsense(compare::svg(chart));
        REQUIRE(Seen(chart).circles().size() == 2);
        chart.curves[0].points[1] = {.x = 8, .y = 4, .error = bad};
        require_no_nonsense(compare::svg(chart));
        REQUIRE(Seen(chart).circles().size() == 3);
        chart.dashed = compare::Tick{bad, "full"};
        require_no_nonsense(compare::svg(chart));
    }
}

TEST_CASE("labels are text, whatever they hold") {
    const std::string strange = R"(<b>&"'&amp;</svg>)";
    Chart chart = chart_of({4, 8}, {curve_of({1, 2})});
    chart.name = chart.x_label = chart.y_label = strange;
    chart.x_ticks[1].label = "8" + strange;
    chart.curves[0].points[0].label = strange;
    chart.dashed = compare::Tick{1.5, strange};
    const Element svg = Markup::read(compare::svg(chart));
    REQUIRE(svg.attributes.at("aria-label") == strange);
    REQUIRE(all_named(svg, "title").at(0)->text == strange);
    std::size_t shown = 0;
    for (const Element* text : all_named(svg, "text")) shown += text->text == strange || text->text == "8" + strange;
    REQUIRE(shown == 4);
    REQUIRE(all_named(svg, "b").empty());
}

TEST_CASE("a long label is shown whole") {
    Chart chart = chart_of({4, 8}, {curve_of({1, 2})});
    chart.curves[0].points[0].label = chart.x_label = std::string(1000, 'x');
    const Element svg = Markup::read(compare::svg(chart));
    REQUIRE(all_named(svg, "title").at(0)->text == chart.x_label);
    REQUIRE(all_of(svg, [&](const Element& e) { return e.name == "text" && e.text == chart.x_label; }).size() == 1);
}

TEST_CASE("without points there is no chart") {
    REQUIRE(compare::svg(chart_of({}, {})).empty());
    Chart chart = chart_of({4, 8}, {});
    chart.logarithmic_y = true;
    REQUIRE(compare::svg(chart).empty());
}

}  // namespace chart_tests
