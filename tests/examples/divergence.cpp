// Charts of what is far apart, close together, or in one place.
#include <cmath>

#include "compare_policies/ranking.hpp"
#include "compare_policies/report_charts.hpp"
#include "report_world.hpp"

namespace divergence_tests {

using namespace report;

namespace {

using compare::Chart;
using compare::Point;

Results two_policies(double diverged) {
    Results results = results_of(2, {4, 16}, words(20));
    results.cells = {measured("full", 0, {3, 3}), measured("window", 4, {diverged, diverged + 0.1}),
                     measured("tova", 4, {3.4, 3.5}), measured("window", 16, {3.5, 3.5}),
                     measured("tova", 16, {3.1, 3.2})};
    results.survival.assign(5, Survival());
    return results;
}

/// The circles of a policy from left to right.
std::vector<const Element*> points(const Element& svg, const std::string& policy) {
    const auto curves = all_of(svg, [&](const Element& e) { return e.is(policy); });
    return all_named(*curves.at(0), "circle");
}

}  // namespace

TEST_CASE("a policy that diverges does not flatten the others, and the picture says that its axis is logarithmic") {
    for (const double diverged : {3.3, 5.7}) {  // +35 %, +1390 %
        const std::string text = compare::detail::perplexity_chart(two_policies(diverged));
        const Element svg = Markup::read(text);
        REQUIRE((text.find("logarithmic") != std::string::npos) == (diverged > 5));
        const auto tova = points(svg, "tova");
        REQUIRE(tova.size() == 2);
        REQUIRE(tova[1]->number("cy") - tova[0]->number("cy") > 12);
    }
}

TEST_CASE("what no axis can hold is an arrow at the upper edge, and the picture says so") {
    const std::string text = compare::detail::perplexity_chart(two_policies(60));
    const Element svg = Markup::read(text);
    const auto arrows = all_named(svg, "polygon");
    REQUIRE(arrows.size() == 1);
    REQUIRE(all_named(*arrows[0], "title").at(0)->text.find("window, 4: ") == 0);
    REQUIRE(text.find("out of the picture") != std::string::npos);
    const auto tova = points(svg, "tova");
    REQUIRE(tova[1]->number("cy") - tova[0]->number("cy") > 8);
    for (const Element* circle : all_named(svg, "circle")) {
        REQUIRE(circle->number("cy") >= 14);
        REQUIRE(circle->number("cy") <= 252);
    }
    REQUIRE(compare::detail::perplexity_chart(two_policies(4.5)).find("out of the picture") == std::string::npos);
}

TEST_CASE("the bar of an error larger than its number stays in a logarithmic picture") {
    Results results = two_policies(4.7);
    results.cells[1].score->window_nll = {2, 7.4};
    const Element svg = Markup::read(compare::detail::perplexity_chart(results));
    const auto bars = all_of(svg, [](const Element& e) { return e.is("error"); });
    REQUIRE(bars.size() == 3);
    for (const Element* bar : bars)
        for (const char* end : {"y1", "y2"}) {
            REQUIRE(bar->number(end) >= 14);
            REQUIRE(bar->number(end) <= 252);
        }
}

TEST_CASE("labels of budgets that lie close together do not overlap") {
    Random random{3};
    for (int round = 0; round < 100; ++round) {
        Chart chart{.name = "n", .x_label = "x", .y_label = "y", .x_ticks = {}, .curves = {{"tova", {}}}};
        chart.y_text = compare::detail::exact_text;
        for (int i = 0; i < 12; ++i) {
            const double budget = static_cast<double>(1 + random.below(round % 2 == 0 ? 100 : 100'000));
            chart.x_ticks.push_back({budget, compare::grouped(static_cast<std::size_t>(budget))});
            chart.curves[0].points.push_back({.x = budget, .y = 1 + static_cast<double>(random.unit())});
        }
        const Element svg = Markup::read(compare::svg(chart));
        double taken = 0;
        std::size_t labels = 0;
        for (const Element* text : all_named(svg, "text")) {
            if (text->attributes.at("text-anchor") != "middle" || text->attributes.count("x") == 0 || text->text == "x")
                continue;
            const double half = 3.3 * static_cast<double>(text->text.size());
            REQUIRE(text->number("x") - half >= taken);
            taken = text->number("x") + half;
            ++labels;
        }
        REQUIRE(labels >= 2);
        REQUIRE(all_named(svg, "circle").size() == 12);
    }
}

TEST_CASE("curves that coincide can be told apart: by dashes, and by points of different sizes") {
    Results results = results_of(2, {4, 16}, words(20));
    for (Cell& cell : results.cells) cell.score->window_nll = {3, 3, 3};
    const Element svg = Markup::read(compare::detail::perplexity_chart(results));
    std::set<std::string> radii, dashes;
    std::size_t curves = 0;
    double last = 100;
    for (const Element* curve : all_of(svg, [](const Element& e) { return e.is("curve"); })) {
        const double radius = all_named(*curve, "circle").at(0)->number("r");
        REQUIRE(radius < last);
        last = radius;
        radii.insert(all_named(*curve, "circle").at(0)->attributes.at("r"));
        ++curves;
    }
    REQUIRE(curves == 8);
    REQUIRE(radii.size() == 8);
    const std::string css = compare::detail::line_styles(compare::policies_of(results.cells));
    std::size_t at = 0;
    while ((at = css.find("stroke-dasharray:", at)) != css.npos)
        dashes.insert(css.substr(at, css.find(';', at) - at)), ++at;
    REQUIRE(dashes.size() == 7);  // and one without
}

}  // namespace divergence_tests
