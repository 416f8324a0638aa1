// The report as a browser gets it: one page, which needs nothing else, breaks on nothing, and says what was measured.
#include "program.hpp"
#include "report_world.hpp"

namespace report_tests {

using namespace report;

TEST_CASE("a report is one well-formed page that asks for nothing from elsewhere") {
    const std::string page = compare::page(results_of(3, {4, 16, 64}, words(100)));
    const Element root = read_page(page);
    REQUIRE(valid_utf8(page));
    REQUIRE(page.find("{{") == page.npos);
    REQUIRE(page.find("}}") == page.npos);
    require_self_contained(page);
    REQUIRE(all_named(root, "svg").size() == 2);
    for (const Element* svg : all_named(root, "svg"))
        REQUIRE(all_named(*svg, "circle").size() + all_named(*svg, "polygon").size() == 8 * 3);
    REQUIRE(tokens_shown(root).size() == 100);
}

/// Whether a style sheet says something of a class.
static bool has_rule(const std::string& style, const std::string& name) {
    for (const char behind : {' ', ',', '.', ':', '{'})
        if (style.find("." + name + behind) != style.npos) return true;
    return false;
}

TEST_CASE("every class that a report uses has a style, and every identifier is there once") {
    const std::string page = compare::page(results_of(2, {4, 16}, words(20)));
    const Element root = read_page(page);
    const std::string style = all_named(root, "style").at(0)->text;
    std::set<std::string> identifiers;
    for (const Element* e : all_of(root, [](const Element&) { return true; })) {
        if (e->attributes.count("id") != 0) REQUIRE(identifiers.insert(e->attributes.at("id")).second);
        if (e->attributes.count("class") == 0 || e->name == "select") continue;
        for (const std::string& name : split(e->attributes.at("class"), ' ')) {
            INFO(name);
            REQUIRE(has_rule(style, name));
        }
    }
    for (const std::string& policy : llama::usual_policies())
        if (policy != "full") {
            const std::string colour = "--" + policy + ": #";
            const std::size_t by_day = style.find(colour), by_night = style.find(colour, by_day + 1);
            REQUIRE(by_night != style.npos);
            REQUIRE(style.find(colour, by_night + 1) == style.npos);
            for (const std::size_t at : {by_day, by_night}) REQUIRE(style[at + colour.size() + 6] == ';');
        }
}

TEST_CASE("whatever tokens and files are called, a report shows it as text") {
    const std::vector<std::string> strange{"",
                                           "</script>",
                                           "<script>alert(1)</script>",
                                           "<!--",
                                           "]]>",
                                           "<",
                                           "&",
                                           "&amp;",
                                           "\"",
                                           "'",
                                           "\n",
                                           "\n\n",
                                           " ",
                                           "{{table}}",
                                           "{{",
                                           "}}",
                                           "</span></div>",
                                           "\xE2\x82\xAC",
                                           "\\u003c",
                                           "%s%n"};
    Results results = results_of(2, {4, 16}, strange);
    results.text = R"(<b>&"'{{table}}.txt)";
    results.model = "</p>{{memory}}<script>.gguf";
    const std::string page = compare::page(results);
    const Element root = read_page(page);
    auto expected = strange;
    expected[0] = "\u2039BOS\u203A";
    REQUIRE(tokens_shown(root) == expected);
    REQUIRE(all_named(root, "title").at(0)->text.find(results.text) != std::string::npos);
    const auto subject = all_of(root, [](const Element& e) { return e.name == "p" && e.is("soft"); });
    REQUIRE(subject.at(0)->text.find(results.text) != std::string::npos);
    REQUIRE(subject.at(0)->text.find(results.model) != std::string::npos);
    REQUIRE(all_named(root, "table").size() == 2);
    REQUIRE(all_named(root, "script").size() == 2);
    REQUIRE(all_named(root, "b").size() == 7);  // those of the ramp
}

TEST_CASE("bytes that are not UTF-8 are shown as numbers in tokens and as U+FFFD in the names of files") {
    const std::vector<std::string> broken{"",         "\xE2\x82", "a\xFF",        "\xAC",
                                          "\xC0\x80", "\xF0",     "\xED\xA0\x80", "\xF0\x9F\x98"};
    Results results = results_of(2, {4}, broken);
    REQUIRE(valid_utf8(compare::page(results)));
    const auto shown = tokens_shown(read_page(compare::page(results)));
    REQUIRE(shown.size() == broken.size());
    for (std::size_t i = 1; i < shown.size(); ++i) REQUIRE(shown[i].find("\u2039") != std::string::npos);
    results.text = "caf\xE9.txt";
    results.model = "mod\xE8le.gguf";
    REQUIRE(valid_utf8(compare::page(results)));
}

TEST_CASE("the rows of a report are those of the table, and the best of each budget is bold") {
    Results results = results_of(2, {4, 16}, words(20));
    results.cells[3] = Cell{.policy = "tova", .budget = 4, .refusal = "no"};
    const Element root = read_page(compare::page(results));
    const auto rows = all_named(*all_named(root, "table").at(0), "tr");
    REQUIRE(rows.size() == 1 + results.cells.size());
    for (std::size_t i = 0; i < results.cells.size(); ++i) {
        const Cell& cell = results.cells[i];
        const auto& data = rows[i + 1]->children;
        REQUIRE(data.size() == rows[0]->children.size());
        REQUIRE(data.at(0).text == cell.policy);
        REQUIRE(data.at(1).text == (cell.budget == 0 ? "all" : std::to_string(cell.budget)));
        REQUIRE(data.at(2).text == (cell.budget == 0 ? "" : cell.budget == 4 ? "19 %" : "76.2 %"));  // of 21
        if (!cell.score) continue;
        REQUIRE(close(std::stod(data.at(3).text), cell.score->perplexity(), 6e-4, 0));
        if (cell.budget != 0) {
            const compare::Score& full = *results.cells[0].score;
            const double ratio = std::exp(cell.score->nll() - full.nll());
            REQUIRE(close(std::stod(data.at(4).text), 100 * (ratio - 1), 0.06, 0));
            REQUIRE(data.at(5).text.substr(0, 3) == "\u00B1 ");
            REQUIRE(close(std::stod(data.at(5).text.substr(3)), 100 * ratio * cell.score->error_against(full).value(),
                          0.06, 0));
        }
        bool best = cell.budget != 0;
        for (const Cell& other : results.cells)
            best &= other.budget != cell.budget || !other.score || other.score->nll() >= cell.score->nll();
        REQUIRE(data.at(3).is("best") == best);
    }
}

TEST_CASE("numbers on the axis of perplexity differ where perplexities hardly do") {
    Results results = results_of(2, {4, 16}, words(20));
    Random random{8};
    for (Cell& cell : results.cells) cell.score->window_nll = {3.6 + 1e-5 * static_cast<double>(random.unit())};
    const Element root = read_page(compare::page(results));
    const auto svgs = all_named(root, "svg");
    std::set<std::string> labels;
    std::size_t ticks = 0;
    for (const Element* text : all_named(*svgs.at(0), "text"))
        if (text->attributes.at("text-anchor") == "end") ++ticks, labels.insert(text->text);
    REQUIRE(ticks >= 2);
    REQUIRE(labels.size() == ticks);
}

TEST_CASE("a report can be read where a model has no perplexity at all") {
    Results results = results_of(2, {4, 16}, words(20));
    for (const double none : {std::nan(""), HUGE_VAL, 800.0}) {
        for (Cell& cell : results.cells) cell.score->window_nll = {none, none, none};
        const Element root = read_page(compare::page(results));
        for (const Element* svg : all_named(root, "svg"))
            for (const Element* e : all_of(*svg, [](const Element&) { return true; }))
                for (const auto& [name, value] : e->attributes) {
                    INFO(name << "=" << value);
                    REQUIRE(value.find("nan") == value.npos);
                    REQUIRE(value.find("inf") == value.npos);
                }
    }
}

}  // namespace report_tests
