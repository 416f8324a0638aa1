// The files of results: JSON beside CSV, and a report that can be read.
#include <cmath>
#include <nlohmann/json.hpp>

#include "markup.hpp"
#include "tiny_world.hpp"

namespace result_files_tests {

namespace {

nlohmann::json json_of(const std::string& arguments, const TinyWorld& world) {
    const std::string json = world.folder.path("results.json");
    const Run run = run_program(arguments + " --json " + json);
    INFO(run.err);
    REQUIRE(run.status == 0);
    REQUIRE(read_bytes(json).back() == '\n');
    return nlohmann::json::parse(read_bytes(json));
}

}  // namespace

TEST_CASE("the JSON file holds every row of the table, with the numbers of the CSV file") {
    const TinyWorld world;
    const std::string csv = world.folder.path("rows.csv");
    const auto json = json_of(world.arguments() + "--seed 7 --scalar bf16 --map 2 --survival --csv " + csv, world);
    REQUIRE(json.at("model").at("file") == "model.bin");
    REQUIRE(json.at("model").at("layers") == 2);
    REQUIRE(json.at("model").at("query_heads") == 4);
    REQUIRE(json.at("model").at("kv_heads") == 2);
    REQUIRE(json.at("model").at("head_dim") == 4);
    REQUIRE(json.at("model").at("vocabulary") == 11);
    REQUIRE(json.at("model").at("context") == 24);
    REQUIRE(json.at("text").at("file") == "text.txt");
    REQUIRE(json.at("text").at("tokens") == 201);
    REQUIRE(json.at("interrupted") == false);
    REQUIRE(json.at("windows_read") == nlohmann::json{1, 2, 3, 4, 5, 6, 7, 8});
    REQUIRE(json.at("window") == 24);
    REQUIRE(json.at("windows") == 201 / 23);
    REQUIRE(json.at("seed") == 7);
    REQUIRE(json.at("scalar") == "bf16");
    REQUIRE(json.at("map").at("window") == 2);
    REQUIRE(json.at("map").at("tokens").size() == 23);

    const auto rows = read_csv(csv);
    std::size_t next = 0, refused = 0;
    for (const auto& row : json.at("rows")) {
        INFO(row.dump());
        if (row.contains("refusal")) {
            ++refused;
            REQUIRE(row.size() == 5);
            REQUIRE(row.at("policy") == "sink-window");
            REQUIRE(row.at("budget") == 3);
            REQUIRE(contains(row.at("refusal"), "4 sinks"));
            continue;
        }
        const auto& told = rows.at(next++);
        REQUIRE(row.at("policy") == told.at("policy"));
        REQUIRE((row.at("budget").is_null() ? "0" : row.at("budget").dump()) == told.at("budget"));
        REQUIRE(row.at("targets").dump() == told.at("tokens"));
        REQUIRE(row.at("state_bytes").dump() == told.at("state_bytes"));
        for (const auto& [key, column, digits] : {std::tuple{"nll", "nll", 6}, std::tuple{"perplexity", "ppl", 5},
                                                  std::tuple{"nll_error", "nll_error", 6}}) {
            char text[64];
            std::snprintf(text, sizeof(text), "%.*f", digits, row.at(key).get<double>());
            REQUIRE(told.at(column) == text);
        }
        double sum = 0;
        for (const auto& loss : row.at("window_nll")) sum += loss.get<double>();
        REQUIRE(row.at("window_nll").size() == 201 / 23);
        REQUIRE(std::fabs(sum / (201 / 23) - row.at("nll").get<double>()) < 1e-12);
    }
    REQUIRE(next == rows.size());
    REQUIRE(refused == 1);
    REQUIRE(json.at("rows").size() == 1 + 8 * 3);
    REQUIRE(json.at("rows").at(0).at("budget").is_null());

    std::vector<std::string> runs, measured;
    for (const auto& run : json.at("map").at("runs"))
        runs.push_back(run.at("policy").get<std::string>() + " " + run.at("budget").dump());
    for (const auto& row : json.at("rows"))
        if (!row.contains("refusal"))
            measured.push_back(row.at("policy").get<std::string>() + " " + row.at("budget").dump());
    REQUIRE(runs == measured);
}

TEST_CASE("survival times are written where they are asked for, and the report has them in any case") {
    const TinyWorld world;
    const std::string html = world.folder.path("report.html"), file = world.folder.path("results.json");
    const auto small = json_of(world.arguments() + "--html " + html, world);
    REQUIRE(small.at("map") == nlohmann::json{{"window", 1}});
    REQUIRE(contains(read_bytes(html), "<select id=\"layer\">"));
    const std::string again = world.folder.path("again.html");
    const Run run = run_program(world.arguments() + "--resume " + file + " --html " + again);
    REQUIRE(run.status == 0);
    REQUIRE(contains(run.out, "Going on behind 7 windows"));  // one is read again, for its survival times
    REQUIRE(contains(read_bytes(again), "<select id=\"layer\">"));
    REQUIRE(json_of(world.arguments(), world).at("rows") == small.at("rows"));
    require_refused(world.arguments() + "--survival", "written into a file: give a --json beside --survival.");
}

TEST_CASE("a single window has no error, and all programs can read its files") {
    const TinyWorld world;
    const std::string html = world.folder.path("report.html");
    const auto json = json_of(world.arguments() + "--tokens 25 --html " + html, world);
    REQUIRE(json.at("windows") == 1);
    for (const auto& row : json.at("rows")) {
        if (row.contains("refusal")) continue;
        REQUIRE(row.at("nll_error").is_null());
        REQUIRE(row.at("window_nll").size() == 1);
    }
    const Element page = Markup::read(read_bytes(html), Markup::Kind::html);
    REQUIRE(all_named(page, "circle").size() == 2 * 23);
    REQUIRE(all_of(page, [](const Element& e) { return e.is("error"); }).empty());
}

TEST_CASE("the smallest window scores one token behind two, which no budget can take away") {
    const TinyWorld world;
    const auto json =
        json_of(world.arguments() + "--window 3 --policies full,window,tova,random --budgets 1,2,3", world);
    REQUIRE(json.at("windows") == 100);
    for (const auto& row : json.at("rows")) {
        REQUIRE(row.at("targets") == 100);
        REQUIRE(row.at("nll") == json.at("rows").at(0).at("nll"));
    }
}

TEST_CASE("far more threads than windows are as good as one") {
    const TinyWorld world;
    const auto one = json_of(world.arguments() + "--budgets 6 --survival --threads 1", world);
    const auto many = json_of(world.arguments() + "--budgets 6 --survival --threads 999999999999999999", world);
    REQUIRE(one.at("map") == many.at("map"));
    for (std::size_t row = 0; row < one.at("rows").size(); ++row)
        REQUIRE(one.at("rows").at(row).at("window_nll") == many.at("rows").at(row).at("window_nll"));
}

TEST_CASE("a text shorter than a window gives a report of the shrunken window") {
    const TinyWorld world;
    const std::string html = world.folder.path("report.html");
    const auto json = json_of(world.arguments() + "--window 500 --survival --html " + html, world);
    REQUIRE(json.at("window") == 202);
    REQUIRE(json.at("windows") == 1);
    REQUIRE(json.at("map").at("tokens").size() == 201);
    const Element page = Markup::read(read_bytes(html), Markup::Kind::html);
    REQUIRE(all_named(page, "script").size() == 2);
    require_refused(world.arguments() + "--tokens 15", "A text of 15 tokens is too short: 16 are the least.");
    require_refused(world.arguments() + "--window 500 --budgets 203", "more than the window of 202");
    require_refused(world.arguments() + "--window 500 --map 2", "There is no window 2 to map: the text has 1.");
}

TEST_CASE("full alone gives a report without curves and without a map") {
    const TinyWorld world;
    const std::string html = world.folder.path("report.html");
    const auto json = json_of(world.arguments() + "--policies full --html " + html, world);
    REQUIRE(json.at("rows").size() == 1);
    const Element page = Markup::read(read_bytes(html), Markup::Kind::html);
    REQUIRE(all_named(page, "svg").empty());
    REQUIRE(all_named(page, "select").empty());
    REQUIRE(all_named(*all_named(page, "table").at(0), "tr").size() == 2);
}

TEST_CASE("a model whose numbers overflow is measured, and every file can be read") {
    const TinyWorld world;
    PlainCheckpoint overflowing = tiny_checkpoint();
    for (float& x : overflowing.head) x *= 3e38f;
    const std::string model = world.folder.write("overflowing.bin", overflowing.bytes()),
                      html = world.folder.path("report.html");
    const auto json = json_of(
        "--model " + model + " --tokenizer " + world.tokenizer + " --text " + world.text + " --html " + html, world);
    for (const auto& row : json.at("rows")) REQUIRE((row.contains("refusal") || row.at("nll").is_null()));
    const Element page = Markup::read(read_bytes(html), Markup::Kind::html);
    for (const Element* svg : all_named(page, "svg"))
        for (const Element* e : all_of(*svg, [](const Element& any) { return any.name != "title"; }))
            for (const auto& [name, value] : e->attributes) {
                INFO(name << "=" << value);
                REQUIRE(!contains(value, "nan"));
                REQUIRE(!contains(value, "inf"));
            }
}

}  // namespace result_files_tests
