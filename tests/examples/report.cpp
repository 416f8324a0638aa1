// The report as a browser gets it: one page, which needs nothing else, breaks on nothing, and says what was measured.
#include "compare_policies/page.hpp"

#include <nlohmann/json.hpp>
#include <set>

#include "files.hpp"
#include "markup.hpp"
#include "program.hpp"
#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/random.hpp"
#include "world.hpp"

namespace {

using compare::Cell;
using compare::Results;
using compare::Survival;

/// Lanes that drop what a test tells them to.
struct ScriptedLane {
    std::vector<msrnn::Slot> gone;

    const std::vector<msrnn::Slot>& victims() const { return gone; }
    msrnn::Position position(msrnn::Slot slot) const { return msrnn::Position(static_cast<std::int64_t>(slot)); }
};
struct ScriptedState {
    msrnn::Shape sizes;
    std::vector<std::vector<ScriptedLane>> lanes;  // [layer][KV head]

    const msrnn::Shape& shape() const { return sizes; }
    std::size_t lanes_per_layer() const { return sizes.kv_heads; }
    const ScriptedLane& lane(std::size_t layer, std::size_t kv_head) const { return lanes[layer][kv_head]; }
};

/// Every token leaves at a step of its own choice, or never.
Survival random_survival(std::size_t layers, std::size_t kv_heads, std::size_t tokens, std::uint64_t seed) {
    ScriptedState state{.sizes = {.layers = layers, .query_heads = kv_heads, .kv_heads = kv_heads, .head_dim = 2},
                        .lanes = {layers, std::vector<ScriptedLane>(kv_heads)}};
    Random random{seed};
    std::vector<std::vector<std::vector<msrnn::Slot>>> leaving(tokens);  // [step][lane]
    for (auto& step : leaving) step.resize(layers * kv_heads);
    for (std::size_t token = 0; token < tokens; ++token)
        for (std::size_t lane = 0; lane < layers * kv_heads; ++lane) {
            const std::size_t ahead = random.below(1 + random.below(random.one_in(2) ? 9 : tokens));
            if (token + ahead < tokens && !random.one_in(4))
                leaving[token + ahead][lane].push_back(msrnn::Slot(static_cast<std::uint32_t>(token)));
        }
    Survival survival(tokens);
    for (std::size_t step = 0; step < tokens; ++step) {
        for (std::size_t lane = 0; lane < layers * kv_heads; ++lane)
            state.lanes[lane / kv_heads][lane % kv_heads].gone = leaving[step][lane];
        survival.watch(state, step);
    }
    return survival;
}

Cell measured(const std::string& policy, std::size_t budget, std::vector<double> nll) {
    return {
        .policy = policy,
        .budget = budget,
        .score = compare::Score{
            .targets = 10, .window_nll = std::move(nll), .microseconds = 12.34, .state_bytes = 1000 + budget * 640}};
}

/// All policies at `budgets`, and full; `tokens` of them are mapped.
Results results_of(std::size_t layers, const std::vector<std::size_t>& budgets, std::vector<std::string> tokens) {
    Results results{.model = "model.gguf",
                    .text = "text.txt",
                    .config = {},
                    .windows = {.window = tokens.size() + 1, .tokens = 3 * tokens.size()},
                    .settings = {},
                    .cells = {measured("full", 0, {2, 3, 2.5})},
                    .mapped_tokens = std::move(tokens),
                    .survival = {}};
    results.config.layers = layers;
    results.config.query_heads = results.config.kv_heads = 2;
    Random random{3};
    const auto loss = [&](std::size_t budget) { return 2 + 20.0 / static_cast<double>(budget) * (1 + random.unit()); };
    for (const std::size_t budget : budgets)
        for (const std::string& policy : llama::known_policies())
            if (policy != llama::no_bound)
                results.cells.push_back(measured(policy, budget, {loss(budget), loss(budget), loss(budget)}));
    results.survival.assign(results.cells.size(), random_survival(layers, 2, results.mapped_tokens.size(), 7));
    return results;
}

std::vector<std::string> words(std::size_t count) {
    std::vector<std::string> tokens{""};
    while (tokens.size() < count) tokens.push_back(" w" + std::to_string(tokens.size()));
    return tokens;
}

Element read_page(const std::string& page) { return Markup::read(page, Markup::Kind::html); }

/// The data that the page's script reads.
nlohmann::json shades_of(const Element& page) {
    const auto data = all_of(page, [](const Element& e) {
        return e.name == "script" && e.attributes.count("type") != 0 && e.attributes.at("type") == "application/json";
    });
    REQUIRE(data.size() == 1);
    return nlohmann::json::parse(data[0]->text);
}

/// The texts of the first map's tokens.
std::vector<std::string> tokens_shown(const Element& page) {
    std::vector<std::string> tokens;
    const auto maps = all_of(page, [](const Element& e) { return e.is("map"); });
    for (const Element& token : maps.at(0)->children) tokens.push_back(token.text);
    return tokens;
}

std::vector<std::string> choices(const Element& page, const std::string& id) {
    std::vector<std::string> names;
    for (const Element* select : all_named(page, "select"))
        if (select->attributes.count("id") != 0 && select->attributes.at("id") == id)
            for (const Element& option : select->children) names.push_back(option.text);
    return names;
}

void require_self_contained(const std::string& page) {
    for (const char* word : {"http:", "https:", "//", " src=", "@import", "url(", "<link", "<iframe", "fetch("}) {
        INFO(word);
        REQUIRE(page.find(word) == page.npos);
    }
}

/// One letter against the steps that lanes held a token: half doublings of 1 + their mean, to the nearest; upper case
/// where half of the lanes or more still held it.
void require_letter(char letter, const std::vector<std::size_t>& steps, std::size_t stayed) {
    double sum = 0;
    for (const std::size_t lane : steps) sum += static_cast<double>(lane);
    const double mean = sum / static_cast<double>(steps.size());
    const bool upper = 'A' <= letter && letter <= 'Z';
    const int halves = letter - (upper ? 'A' : 'a');
    REQUIRE(upper == (2 * stayed >= steps.size()));
    REQUIRE(halves >= 0);
    REQUIRE(halves <= 25);
    REQUIRE(std::pow(2, (halves - 0.5 - 1e-9) / 2) <= 1 + mean);
    REQUIRE(1 + mean <= std::pow(2, (halves + 0.5 + 1e-9) / 2));
}

}  // namespace

TEST_CASE("a report is one well-formed page that asks for nothing from elsewhere") {
    const std::string page = compare::page(results_of(3, {4, 16, 64}, words(100)));
    const Element root = read_page(page);
    REQUIRE(valid_utf8(page));
    REQUIRE(page.find("{{") == page.npos);
    REQUIRE(page.find("}}") == page.npos);
    require_self_contained(page);
    REQUIRE(all_named(root, "svg").size() == 3);
    for (const Element* svg : all_named(root, "svg")) REQUIRE(all_named(*svg, "circle").size() == 8 * 3);
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
    for (const std::string& policy : llama::known_policies())
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
    REQUIRE(all_named(root, "table").size() == 1);
    REQUIRE(all_named(root, "script").size() == 2);
    REQUIRE(all_named(root, "b").size() == 7);  // those of the ramp
}

TEST_CASE("bytes that are no UTF-8 become U+FFFD, in tokens and in the names of files") {
    const std::vector<std::string> broken{"", "\xE2\x82", "\xAC", "a\xFF", "\xC0\x80", "\xED\xA0\x80", "\xF0\x9F\x98"};
    Results results = results_of(2, {4}, broken);
    REQUIRE(valid_utf8(compare::page(results)));
    const auto shown = tokens_shown(read_page(compare::page(results)));
    REQUIRE(shown.size() == broken.size());
    for (std::size_t i = 1; i < shown.size(); ++i) REQUIRE(shown[i].find("\uFFFD") != std::string::npos);
    results.text = "caf\xE9.txt";
    results.model = "mod\xE8le.gguf";
    REQUIRE(valid_utf8(compare::page(results)));
}

TEST_CASE("a report of 32 layers, 40 runs and 1,024 tokens stays below two megabytes") {
    auto tokens = words(1024);
    for (std::size_t i = 1; i < tokens.size(); ++i) tokens[i] = i % 3 == 0 ? "\"\"\"\"" : " international";
    const Results results = results_of(32, {16, 32, 64, 128, 256}, tokens);
    REQUIRE(results.cells.size() == 41);
    const std::string page = compare::page(results);
    REQUIRE(page.size() < 2'000'000);
    const Element root = read_page(page);
    const auto layers = choices(root, "layer");
    REQUIRE(layers.size() >= 16);
    REQUIRE(layers.front() == "1");
    REQUIRE(layers.back() == "32");
    const auto shades = shades_of(root);
    REQUIRE(shades.size() == 40);
    for (const auto& run : shades) {
        REQUIRE(run.size() == layers.size());
        for (const auto& letters : run) REQUIRE(letters.get<std::string>().size() == 1024);
    }
}

TEST_CASE("a report of long windows leaves out layers, never tokens") {
    const Results results = results_of(4, {16, 32, 64, 128, 256}, words(16'384));
    const std::string page = compare::page(results);
    REQUIRE(page.size() < 2'000'000);
    REQUIRE(tokens_shown(read_page(page)).size() == 16'384);
}

TEST_CASE("the letters of a report are the half doublings of the survival times") {
    const Results results = results_of(3, {4, 16}, words(300));
    const Element root = read_page(compare::page(results));
    const auto shades = shades_of(root);
    const auto layers = choices(root, "layer");
    REQUIRE(layers == std::vector<std::string>{"1", "2", "3"});
    REQUIRE(shades.size() == 16);
    std::set<char> used;
    for (std::size_t i = 1; i < results.cells.size(); ++i) {
        const auto& run = shades.at(results.cells[i].policy + " " + std::to_string(results.cells[i].budget));
        const Survival& survival = results.survival[i];
        for (std::size_t layer = 0; layer < 3; ++layer) {
            const auto letters = run.at(layer).get<std::string>();
            REQUIRE(letters.size() == 300);
            for (std::size_t token = 0; token < 300; ++token) {
                std::size_t stayed = 0;
                std::vector<std::size_t> steps;
                for (std::size_t lane = 0; lane < 2; ++lane) {
                    steps.push_back(survival.steps(layer, lane, token));
                    stayed += survival.stayed(layer, lane, token);
                }
                require_letter(letters[token], steps, stayed);
                used.insert(letters[token]);
            }
        }
    }
    REQUIRE(used.size() > 20);
}

TEST_CASE("what the page's menus offer is what its data holds") {
    const Element root = read_page(compare::page(results_of(5, {4, 16, 64}, words(100))));
    const auto shades = shades_of(root);
    std::set<std::string> keys, offered;
    for (const auto& [key, letters] : shades.items()) keys.insert(key);
    const auto selects = all_of(root, [](const Element& e) { return e.name == "select" && e.is("policy"); });
    REQUIRE(selects.size() == 2);
    REQUIRE(selects[0]->children.size() == selects[1]->children.size());
    for (const Element& policy : selects[0]->children)
        for (const std::string& budget : choices(root, "budget")) offered.insert(policy.text + " " + budget);
    REQUIRE(offered == keys);
    for (const Element* select : all_named(root, "select"))
        REQUIRE(std::count_if(select->children.begin(), select->children.end(),
                              [](const Element& option) { return option.attributes.count("selected") != 0; }) == 1);
}

TEST_CASE("where no run forgets, a report has no map") {
    Results results = results_of(2, {4}, words(20));
    results.cells.resize(1);
    results.survival.resize(1);
    const std::string page = compare::page(results);
    const Element root = read_page(page);
    REQUIRE(all_named(root, "script").empty());
    REQUIRE(all_of(root, [](const Element& e) { return e.is("map"); }).empty());
    REQUIRE(page.find("What is remembered") == page.npos);
    REQUIRE(all_named(root, "tr").size() == 2);
}

TEST_CASE("the rows of a report are those of the table, and the best of each budget is bold") {
    Results results = results_of(2, {4, 16}, words(20));
    results.cells[3] = Cell{.policy = "tova", .budget = 4, .refusal = "no"};
    const Element root = read_page(compare::page(results));
    const auto rows = all_named(root, "tr");
    REQUIRE(rows.size() == 1 + results.cells.size());
    for (std::size_t i = 0; i < results.cells.size(); ++i) {
        const Cell& cell = results.cells[i];
        const auto& data = rows[i + 1]->children;
        REQUIRE(data.size() == rows[0]->children.size());
        REQUIRE(data.at(0).text == cell.policy);
        REQUIRE(data.at(1).text == (cell.budget == 0 ? "all" : std::to_string(cell.budget)));
        if (!cell.score) continue;
        REQUIRE(close(std::stod(data.at(2).text), cell.score->perplexity(), 6e-4, 0));
        if (cell.budget != 0) {
            const compare::Score& full = *results.cells[0].score;
            const double ratio = std::exp(cell.score->nll() - full.nll());
            REQUIRE(close(std::stod(data.at(3).text), 100 * (ratio - 1), 0.06, 0));
            REQUIRE(data.at(4).text.substr(0, 3) == "\u00B1 ");
            REQUIRE(
                close(std::stod(data.at(4).text.substr(3)), 100 * ratio * cell.score->error_against(full), 0.06, 0));
        }
        bool best = cell.budget != 0;
        for (const Cell& other : results.cells)
            best &= other.budget != cell.budget || !other.score || other.score->nll() >= cell.score->nll();
        REQUIRE(data.at(2).is("best") == best);
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

TEST_CASE("a report holds the same survival times as the JSON file of its run") {
    const World world;
    const std::string text = world.folder.write("text.txt", std::string(100, 'a') + "bcdefg gfedcb abc"),
                      html = world.folder.path("report.html"), json = world.folder.path("results.json");
    const Run run = run_program("--model " + world.model + " --tokenizer " + world.tokenizer + " --text " + text +
                                " --window 40 --budgets 6,12 --map 3 --html " + html + " --json " + json);
    INFO(run.err);
    REQUIRE(run.status == 0);
    const auto map = nlohmann::json::parse(read_bytes(json)).at("map");
    const Element root = read_page(read_bytes(html));
    const auto shades = shades_of(root);
    REQUIRE(shades.size() == 16);
    for (const auto& run_map : map.at("runs")) {
        if (run_map.at("budget").is_null()) continue;
        const auto& letters = shades.at(run_map.at("policy").get<std::string>() + " " + run_map.at("budget").dump());
        REQUIRE(letters.size() == run_map.at("layers").size());
        for (std::size_t layer = 0; layer < letters.size(); ++layer)
            for (std::size_t token = 0; token < 39; ++token) {
                std::size_t stayed = 0;
                std::vector<std::size_t> steps;
                for (const auto& lane : run_map.at("layers").at(layer)) {
                    steps.push_back(lane.at("survived").at(token));
                    const auto at_end = lane.at("stayed").get<std::set<std::size_t>>();
                    stayed += at_end.count(token);
                }
                require_letter(letters.at(layer).get<std::string>().at(token), steps, stayed);
            }
    }
    const auto shown = tokens_shown(root);
    REQUIRE(shown.size() == map.at("tokens").size());
    for (std::size_t i = 1; i < shown.size(); ++i) REQUIRE(shown[i] == map.at("tokens").at(i));
}
