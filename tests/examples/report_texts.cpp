// What a report says in words: the answer, how much was read, how to repeat the numbers, and texts of any script.
#include "compare_policies/answer.hpp"
#include "compare_policies/spans.hpp"
#include "llama/running.hpp"
#include "program.hpp"
#include "report_world.hpp"
#include "tiny_world.hpp"

namespace report_texts_tests {

using namespace report;

namespace {

/// The texts of all elements of a class.
std::vector<std::string> said(const Element& page, const std::string& style) {
    std::vector<std::string> texts;
    for (const Element* e : all_of(page, [&](const Element& any) { return any.is(style); })) texts.push_back(e->text);
    return texts;
}

std::vector<Cell> four_policies() {
    return {measured("full", 0, {2, 2, 2}),         measured("window", 8, {3, 3, 3}),
            measured("tova", 8, {2.2, 2.3, 2.1}),   measured("h2o", 8, {2.25, 2.2, 2.2}),
            measured("decayed", 16, {2, 2.1, 2.2}), measured("decayed", 4, {4, 4, 4.5})};
}

}  // namespace

TEST_CASE("the answer names the best policy at an eighth of the window, and those within two standard errors of it") {
    REQUIRE(
        compare::answer(four_policies(), 64) ==
        "At 8 tokens (1/8 of the window) tova costs the least of 3 policies: +22.1 % +- 7.1 against the full cache; "
        "within two standard errors of it: h2o +24.2 % +- 2.1.");
    auto cells = four_policies();
    cells[3].score->window_nll = {2.5, 2.6, 2.4};
    REQUIRE(contains(compare::answer(cells, 64), "; no other is within two standard errors of it."));
    REQUIRE(contains(compare::answer(cells, 100), "At 8 tokens (8 % of the window)"));
    REQUIRE(contains(compare::answer(cells, 128), "At 16 tokens (1/8 of the window) decayed costs +10.5 % \u00B1") ==
            false);
    REQUIRE(compare::answer(cells, 128, "\u00B1") ==
            "At 16 tokens (1/8 of the window) decayed costs +10.5 % \u00B1 6.4 against the full cache.");
    REQUIRE(contains(compare::answer(cells, 20), "At 4 tokens (1/5 of the window) decayed"));
}

TEST_CASE("without full, with one window, or with nothing measured the answer says what it can") {
    auto cells = four_policies();
    cells.erase(cells.begin());
    REQUIRE(contains(compare::answer(cells, 64), "tova costs the least of 3 policies: a perplexity of 9.03;"));
    for (Cell& cell : cells) cell.score->window_nll.resize(1);
    REQUIRE(contains(compare::answer(cells, 64), "; one window tells nothing of the error."));
    for (Cell& cell : cells) cell.score->window_nll = {std::nan("")};
    REQUIRE(compare::answer(cells, 64).empty());
    for (Cell& cell : cells) cell.score.reset();
    REQUIRE(compare::answer(cells, 64).empty());
    REQUIRE(compare::answer({}, 64).empty());
    REQUIRE(compare::answer({measured("full", 0, {2, 2})}, 64).empty());
}

TEST_CASE("a report begins with the answer") {
    const Results results = results_of(2, {4, 16}, words(127));
    const auto answers = said(read_page(compare::page(results)), "answer");
    REQUIRE(answers.size() == 1);
    REQUIRE(answers[0] == compare::answer(results.cells, results.windows.window, "\u00B1"));
    REQUIRE(contains(answers[0], "At 16 tokens (1/8 of the window)"));
}

TEST_CASE("a report says how many windows were read where some are missing, and nothing where none is") {
    Results results = results_of(2, {4, 16}, words(20));
    REQUIRE(said(read_page(compare::page(results)), "interrupted").empty());
    results.windows_read.pop_back();
    const Element page = read_page(compare::page(results));
    REQUIRE(said(page, "interrupted") == std::vector<std::string>{"Interrupted: 2 of 3 windows were read."});
    REQUIRE(contains(said(page, "soft").at(0), "2 of 3 windows of 21"));
}

TEST_CASE("of each group that needs the same the best is told, where there are several groups") {
    auto cells = four_policies();
    REQUIRE(compare::best_by_needs(cells, 64).empty());
    for (Cell& cell : cells) cell.needs = "weights";
    REQUIRE(compare::best_by_needs(cells, 64).empty());
    for (Cell& cell : cells)
        if (cell.policy != "tova") cell.needs = "nothing";
    const std::string said = compare::best_by_needs(cells, 64);
    INFO(said);
    REQUIRE(said.starts_with("The best at 8 tokens, by what must be shown: "));
    REQUIRE(contains(said, "weights: tova +22.1 %"));
    REQUIRE(contains(said, "nothing: "));
}

TEST_CASE("a report states command, version, date, threads and the settings of each policy") {
    const TinyWorld world;
    const std::string html = world.folder.path("report.html");
    REQUIRE(run_program(world.arguments() + "--threads 3 --seed 5 --budgets 6,12 --html '" + html + "'").status == 0);
    const Element root = read_page(read_bytes(html));
    std::map<std::string, std::string> told;
    for (const Element* row : all_named(*all_named(root, "table").at(1), "tr"))
        told[row->children.at(0).text] = row->children.at(1).text;
    REQUIRE(command_shown(root) ==
            "compare_policies " + world.arguments() + "--threads 3 --seed 5 --budgets 6,12 --html " + html);
    REQUIRE(told.at("version") == "msrnn " + llama::version());
    REQUIRE(told.at("date").substr(0, 2) == "20");
    REQUIRE(contains(told.at("date"), " UTC"));
    REQUIRE(told.at("threads").substr(0, 2) == "3,");
    REQUIRE(told.at("begin of a text") == "BOS: on, as the kind of tokenizer has it.");
    REQUIRE(told.at("decayed") == "needs weights; settings: decay=0.9,recent=half,scope=kv_head");
    REQUIRE(told.at("sink-window") == "needs nothing; settings: sinks=4");
    REQUIRE(told.at("window") == "needs nothing; settings: none");
    REQUIRE(told.at("random") == "needs nothing; settings: seed=5");
    REQUIRE(told.at("tova-head") == "needs weights; settings: scope=kv_head");
}

TEST_CASE("a line of a report breaks a command behind words and commas, not at hyphens") {
    Results results = results_of(2, {4, 16}, {"", "a", "b"});
    results.command = "compare_policies --policies full,recommended-keys --text 'a <b>,c'";
    const Element root = read_page(compare::page(results));
    REQUIRE(parts_of_command(root) == std::vector<std::string>{"compare_policies", "--policies", "full,",
                                                               "recommended-keys", "--text", "'a", "<b>,", "c'"});
    REQUIRE(command_shown(root) == results.command);
    REQUIRE(all_named(root, "code").at(0)->text == "     ");
}

TEST_CASE("a command is quoted so that a shell can run it again") {
    std::vector<std::string> words{"/usr/bin/generate", "--prompt", "it's two words", "", "a*b", "plain-1.5=/x,y"};
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    REQUIRE(llama::command_of(static_cast<int>(pointers.size()), pointers.data()) ==
            R"(generate --prompt 'it'\''s two words' '' 'a*b' plain-1.5=/x,y)");
}

TEST_CASE("tokens that are one character only together are shown as one span") {
    const std::string text = "Gr\u00FC\u00DFe, \u4E16\u754C! \U0001F600";
    std::vector<std::string> tokens{""};
    for (const char byte : text) tokens.emplace_back(1, byte);
    const Results results = results_of(2, {4, 16}, tokens);
    const std::string page = compare::page(results);
    REQUIRE(!contains(page, "\uFFFD"));
    const Element root = read_page(page);
    const auto shown = tokens_shown(root);
    REQUIRE(shown == std::vector<std::string>{"\u2039BOS\u203A", "G", "r", "\u00FC", "\u00DF", "e", ",", " ", "\u4E16",
                                              "\u754C", "!", " ", "\U0001F600"});
    for (const auto& run : shades_of(root))
        for (const auto& letters : run) REQUIRE(letters.get<std::string>().size() == shown.size());
}

TEST_CASE("bytes of an incomplete character, cut by a window for instance, are shown as numbers") {
    REQUIRE(compare::shown("\u4E16\xE4\xB8") == "\u4E16\u2039E4 B8\u203A");
    REQUIRE(compare::shown("\x96!") == "\u203996\u203A!");
    REQUIRE(compare::shown("a\xC0\x80z\xFF") == "a\u2039C0 80\u203Az\u2039FF\u203A");
    REQUIRE(compare::shown("").empty());
    const std::string page = compare::page(results_of(2, {4}, {"", "\x96", "a", "\xE4"}));
    REQUIRE(!contains(page, "\uFFFD"));
    REQUIRE(tokens_shown(read_page(page)) ==
            std::vector<std::string>{"\u2039BOS\u203A", "\u203996\u203A", "a", "\u2039E4\u203A"});
}

TEST_CASE("a span is shaded by all of its tokens") {
    const Results results = results_of(1, {4}, {"", "a", "\xE4", "\xB8", "\x96", "b"});
    const auto shades = shades_of(read_page(compare::page(results)));
    const Survival& survival = results.survival[1];
    std::size_t stayed = 0;
    std::vector<std::size_t> steps;
    for (std::size_t token = 2; token < 5; ++token)
        for (std::size_t lane = 0; lane < 2; ++lane) {
            steps.push_back(survival.steps(0, lane, token));
            stayed += survival.stayed(0, lane, token);
        }
    require_letter(shades.at("window 4").at(0).get<std::string>().at(2), steps, stayed);
}

TEST_CASE("the spans of a text, wherever it is cut, join to the whole text, and cut characters are joined") {
    Random random{12};
    const std::vector<std::string> characters{"a",    "\u00E9", "\u4E16",   "\U0001F600",
                                              "\xFF", "\x80",   "\xE4\xB8", "\xC3"};
    for (int round = 0; round < 300; ++round) {
        std::string text;
        for (int i = 0; i < 20; ++i) text += characters[random.below(round % 2 == 0 ? 4 : characters.size())];
        std::vector<std::string> tokens;
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t length = 1 + random.below(3);
            tokens.push_back(text.substr(at, length));
            at += length;
        }
        std::string back;
        std::size_t counted = 0;
        for (const compare::Span& span : compare::spans_of(tokens)) {
            REQUIRE(span.first == counted);
            counted += span.count;
            back += span.bytes;
            if (round % 2 == 0) REQUIRE(valid_utf8(span.bytes));
        }
        REQUIRE(counted == tokens.size());
        REQUIRE(back == text);
    }
}

TEST_CASE("a text that begins without BOS shows its first token in the report") {
    Results results = results_of(2, {4}, {"a", "b", "c"});
    results.windows.bos = false;
    REQUIRE(tokens_shown(read_page(compare::page(results))) == std::vector<std::string>{"a", "b", "c"});
}

}  // namespace report_texts_tests
