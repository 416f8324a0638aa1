// Several texts in one run: windows are taken from each in turn, and the report says from which.
#include "compare_policies/texts.hpp"

#include <nlohmann/json.hpp>

#include "compare_policies/by_text.hpp"
#include "report_world.hpp"
#include "support/close.hpp"
#include "tiny_world.hpp"

namespace {

using compare::TextPart;
using compare::Texts;
using Numbers = std::vector<std::size_t>;
using Json = nlohmann::json;

std::vector<compare::Token> count_from(std::size_t first, std::size_t count) {
    std::vector<compare::Token> tokens(count);
    for (std::size_t i = 0; i < count; ++i) tokens[i] = first + i;
    return tokens;
}

/// Another text of the tiny tokenizer's letters.
std::string letters(std::size_t count, std::uint64_t seed) {
    std::string text;
    Random random{seed};
    while (text.size() < count) text += " abcdefg"[random.below(8)];
    return text;
}

Json json_of(const std::string& arguments, const TinyWorld& world) {
    const std::string file = world.folder.path("run.json");
    const Run run = run_program(arguments + " --json " + file);
    INFO(run.err);
    REQUIRE(run.status == 0);
    return Json::parse(read_bytes(file));
}

}  // namespace

TEST_CASE("windows are taken from each text in turn, and the ends that fill none stand behind them") {
    const Texts texts({{"a", 9}, {"b", 4}, {"c", 6}}, {count_from(10, 9), count_from(20, 4), count_from(30, 6)},
                      {.window = 4, .bos = true});
    REQUIRE(texts.parts[0].windows == Numbers{0, 3, 5});
    REQUIRE(texts.parts[1].windows == Numbers{1});
    REQUIRE(texts.parts[2].windows == Numbers{2, 4});
    REQUIRE(texts.tokens ==
            Numbers{10, 11, 12, 20, 21, 22, 30, 31, 32, 13, 14, 15, 33, 34, 35, 16, 17, 18, /* ends */ 23});
    REQUIRE(texts.ends == 1);
    REQUIRE(compare::Windows{.window = 4, .tokens = 19, .bos = true, .ends = 1}.count() == 6);
    REQUIRE(compare::Windows{.window = 4, .tokens = 19, .bos = true, .ends = 1}.dropped() == 1);
}

TEST_CASE("ends that would fill windows together fill none") {
    const Texts texts({{"a", 5}, {"b", 5}}, {count_from(0, 5), count_from(50, 5)}, {.window = 3, .bos = false});
    REQUIRE(texts.ends == 4);
    REQUIRE(compare::Windows{.window = 3, .tokens = 10, .bos = false, .ends = 4}.count() == 2);
}

TEST_CASE("one text stays as it is, and a text of several that fills no window is refused") {
    const Texts one({{"a", 2}}, {count_from(7, 2)}, {.window = 4, .bos = true});
    REQUIRE(one.tokens == Numbers{7, 8});
    REQUIRE(one.parts[0].windows.empty());
    REQUIRE(compare::told_of_texts(one.parts).empty());
    REQUIRE(compare::window_named(one.parts, 1) == "2 of the text,");
    REQUIRE(thrown_by([] {
                Texts({{"a", 9}, {"b", 2}}, {count_from(0, 9), count_from(0, 2)}, {.window = 4, .bos = true});
            }) == "The text b of 2 tokens fills no window of 4: leave it out, or give a smaller --window.");
}

TEST_CASE("texts are told with their windows") {
    const std::vector<TextPart> parts{{"a.txt", 2000, {0, 2}}, {"b.txt", 900, {1}}};
    REQUIRE(compare::names_of(parts) == "a.txt, b.txt");
    REQUIRE(compare::told_of_texts(parts) ==
            "Texts, a window of each in turn: a.txt, 2,000 tokens, 2 windows; b.txt, 900 tokens, 1 window.");
    REQUIRE(compare::window_named(parts, 1) == "2, from b.txt,");
    REQUIRE(compare::window_named(parts, 2) == "3, from a.txt,");
}

TEST_CASE("what is lost in each text is the mean over its own windows") {
    compare::Results results = report::results_of(1, {2}, report::words(40));
    REQUIRE(by_text(results).empty());
    results.parts = {{"a.txt", 80, {0, 2}}, {"b.txt", 40, {1}}};
    results.cells = {report::measured("full", 0, {1, 2, 3}), report::measured("tova", 5, {1.1, 2.5, 3.3}),
                     report::measured("h2o", 5, {1.1, 2.1, 3.1})};
    using Lines = std::vector<std::string>;
    REQUIRE(by_text(results) ==
            Lines{"a.txt, 2 windows: full cache 7.39; above it at 5 tokens: h2o +10.5 %, tova +22.1 %.",
                  "b.txt, 1 window: full cache 7.39; above it at 5 tokens: h2o +10.5 %, tova +64.9 %."});
    const std::string page = compare::page(results);
    REQUIRE(contains(page, "b.txt, 1 window: full cache 7.39"));
    results.windows_read = {0, 2};  // interrupted
    results.cells = {report::measured("full", 0, {1, 3}), report::measured("tova", 5, {1.1, 3.3})};
    REQUIRE(by_text(results) == Lines{"a.txt, 2 windows: full cache 7.39; above it at 5 tokens: tova +22.1 %."});
}

TEST_CASE("a run of two texts loses in each window what runs of each alone lose there") {
    const TinyWorld world;
    const std::string other = world.folder.write("other.txt", letters(100, 9)), html = world.folder.path("report.html");
    const std::string settings = "--policies full,tova --budgets 6 ";
    const Json first = json_of(world.arguments() + settings, world),
               second = json_of(
                   "--model " + world.model + " --tokenizer " + world.tokenizer + " --text " + other + " " + settings,
                   world),
               both = json_of(world.arguments() + "--text " + other + " --html " + html + " " + settings, world);
    REQUIRE(first.at("texts").is_null());
    REQUIRE(both.at("text").at("file") == "text.txt, other.txt");
    REQUIRE(both.at("texts").size() == 2);
    REQUIRE(both.at("texts").at(1).at("file") == "other.txt");
    REQUIRE(both.at("texts").at(1).at("windows") == Json{2, 4, 6, 8});
    REQUIRE(both.at("windows") == 8 + 4);
    for (const auto& [text, alone] : {std::pair(0, &first), std::pair(1, &second)})
        for (std::size_t row = 0; row < 2; ++row) {
            std::size_t own = 0;
            for (const std::size_t window : both.at("texts").at(text).at("windows"))
                REQUIRE(both.at("rows").at(row).at("window_nll").at(window - 1) ==
                        alone->at("rows").at(row).at("window_nll").at(own++));
        }
    REQUIRE(contains(read_bytes(html), "Window 1, from text.txt, twice."));
    const Run told = run_program(world.arguments() + "--text " + other + " " + settings);
    REQUIRE(
        contains(told.out, "; other.txt, 101 tokens, 4 windows. Together, 302 tokens. Windows of 24: 12 (26 tokens"));
    REQUIRE(contains(told.out, "\nother.txt, 4 windows: full cache "));
    const Json cut = json_of(world.arguments() + "--tokens 50 --text " + other + " " + settings, world);
    REQUIRE(cut.at("windows") == 4);
}

TEST_CASE("what reads one text, or would write over one of several, is refused") {
    const TinyWorld world;
    const std::string other = world.folder.write("other.txt", letters(100, 9)),
                      two = world.arguments() + "--text " + other + " ";
    require_refused(two + "--task needle", "--task needle reads one --text: give each of the 2 a run of its own.");
    require_refused(two + "--csv " + other, other + ": the results would overwrite what is read");
    require_refused(two + "--window 150", "The text other.txt of 101 tokens fills no window of 150");
    require_refused(two + "--text " + world.folder.path("absent"), "absent: no such file");
}
