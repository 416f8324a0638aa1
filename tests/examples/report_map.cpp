// The report's map of what is remembered: its letters are the survival times.
#include "program.hpp"
#include "report_world.hpp"
#include "world.hpp"

namespace report_map_tests {

using namespace report;

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
    REQUIRE(layers.front() == "0");
    REQUIRE(layers.back() == "31");
    const auto shades = shades_of(root);
    REQUIRE(shades.size() == 40);
    for (const auto& run : shades) {
        REQUIRE(run.size() == layers.size());
        for (const auto& letters : run) REQUIRE(letters.get<std::string>().size() == 1024);
    }
}

TEST_CASE("a report of long windows omits layers, never tokens") {
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
    REQUIRE(layers == std::vector<std::string>{"0", "1", "2"});
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
    REQUIRE(all_named(*all_named(root, "table").at(0), "tr").size() == 2);
}

TEST_CASE("a report holds the same survival times as the JSON file of its run") {
    const World world;
    const std::string text = world.folder.write("text.txt", std::string(100, 'a') + "bcdefg gfedcb abc"),
                      html = world.folder.path("report.html"), json = world.folder.path("results.json");
    const Run run = run_program("--model " + world.model + " --tokenizer " + world.tokenizer + " --text " + text +
                                " --window 40 --budgets 6,12 --map 3 --survival --html " + html + " --json " + json);
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

}  // namespace report_map_tests
