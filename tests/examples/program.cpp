// The program as its users meet it: arguments, sentences, exit statuses, files.
#include "program.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "child.hpp"
#include "files.hpp"
#include "markup.hpp"
#include "plain_decoder.hpp"
#include "support/catch.hpp"
#include "vocabularies.hpp"

extern char** environ;

namespace {

const std::string csv_header = "policy,budget,tokens,nll,ppl,us_per_token,state_bytes,nll_error";

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// A tiny model, its tokenizer and a text, in a folder of their own.
struct World {
    TemporaryFolder folder;
    std::string model, tokenizer, text;

    World() {
        model = folder.write("model.bin", tiny_checkpoint().bytes());
        tokenizer = folder.write("tokenizer.bin", tokenizer_file(character_vocabulary(" abcdefg")));
        std::string letters;
        Random random{5};
        while (letters.size() < 200) letters += " abcdefg"[random.below(8)];
        text = folder.write("text.txt", letters);
    }

    std::string arguments() const { return "--model " + model + " --tokenizer " + tokenizer + " --text " + text + " "; }
};

/// Exit status 2, and one sentence that holds `part`.
void require_refused(const std::string& arguments, const std::string& part) {
    const Run run = run_program(arguments);
    INFO(arguments << "\n" << run.err);
    REQUIRE(run.status == 2);
    REQUIRE(contains(run.err, part));
    REQUIRE(run.err.substr(0, 18) == "compare_policies: ");
    REQUIRE(std::count(run.err.begin(), run.err.end(), '\n') == 1);
}

/// The columns that a rerun repeats: all but the time.
std::vector<std::string> repeatable(const std::string& csv) {
    std::vector<std::string> rows;
    for (const auto& row : read_csv(csv))
        rows.push_back(row.at("policy") + " " + row.at("budget") + " " + row.at("tokens") + " " + row.at("nll") + " " +
                       row.at("ppl") + " " + row.at("state_bytes"));
    return rows;
}

}  // namespace

TEST_CASE("without a model, tokenizer or text it is our own model that reads our own story") {
    const Run run = run_program("--tokens 130 --window 64");
    REQUIRE(run.status == 0);
    REQUIRE(run.err.empty());
    REQUIRE(contains(run.out, "english-prose.gguf"));
    REQUIRE(contains(run.out, "story.txt"));
    for (const char* name :
         {"full", "window", "sink-window", "tova", "tova-head", "h2o", "decayed", "key-norm", "random"})
        REQUIRE(contains(run.out, std::string("\n") + name + " "));
}

TEST_CASE("the help names every option and succeeds") {
    const Run run = run_program("--help");
    REQUIRE(run.status == 0);
    for (const char* option : {"--model", "--tokenizer", "--text", "--window", "--tokens", "--policies", "--budgets",
                               "--csv", "--json", "--html", "--map", "--threads", "--seed"})
        REQUIRE(contains(run.out, option));
}

TEST_CASE("arguments that make no sense are refused in one sentence") {
    require_refused(
        "--policies tova,foo",
        "unknown policy 'foo'; known are full, window, sink-window, tova, tova-head, h2o, decayed, key-norm, random");
    require_refused("--budgets 0", "--budgets: '0' is not a whole number from 1 on");
    require_refused("--budgets=-5", "'-5' is not a whole number");
    require_refused("--budgets 8,x", "'x' is not a whole number");
    require_refused("--window 010", "'010' is not a whole number");
    require_refused("--threads 99999999999999999999", "is not a whole number");
    require_refused("--seed -1", "--seed: '-1' is not a whole number from 0 on");
    require_refused("--nonsense", "--nonsense");
    require_refused("--window 2 --tokens 99", "A window of 2 leaves nothing to score: 3 is the least.");
    require_refused("--tokens 15", "A text of 15 tokens is too short: 16 are the least.");
    require_refused("--policies sink-window --budgets 8,4", "sink-window cannot take a budget of 4");
    require_refused("--budgets 1000000000000", "more than the window of 1024");
    require_refused("--map 0", "--map: '0' is not a whole number from 1 on");
    require_refused("--tokens 130 --window 64 --map 3", "There is no window 3 to map: the text has 2.");
}

TEST_CASE("a llama2.c checkpoint needs its tokenizer, a GGUF file brings one") {
    const World world;
    require_refused("--model " + world.model,
                    "this is no GGUF file; for a llama2.c checkpoint give its --tokenizer too");
    require_refused("--tokenizer " + world.tokenizer, "a GGUF file brings its own tokenizer; leave out --tokenizer");
}

TEST_CASE("files that are missing, empty, broken or of another model are refused by name") {
    const World world;
    const std::string absent = world.folder.path("absent"), empty = world.folder.write("empty", "");
    const auto with = [](const std::string& model, const std::string& tokenizer, const std::string& text) {
        return "--model " + model + " --tokenizer " + tokenizer + " --text " + text;
    };
    require_refused(with(absent, world.tokenizer, world.text), absent + ": no such file");
    require_refused(with(world.model, absent, world.text), absent + ": no such file");
    require_refused(with(world.model, world.tokenizer, absent), absent + ": no such file");
    require_refused(with(world.model, world.tokenizer, world.folder.path("")), "this is a folder, not a file");
    require_refused(with(world.model, world.tokenizer, empty), empty + ": the file is empty");
    require_refused(with(empty, world.tokenizer, world.text),
                    empty + ": a checkpoint begins with a header of 28 bytes");
    const std::string whole = read_bytes(world.model);
    const std::string cut = world.folder.write("cut.bin", whole.substr(0, whole.size() - 4));
    require_refused(with(cut, world.tokenizer, world.text), cut + ": by its header the checkpoint has " +
                                                                std::to_string(whole.size()) + " bytes, the file has " +
                                                                std::to_string(whole.size() - 4));
    const std::string other = world.folder.write("other.bin", tokenizer_file(character_vocabulary("abc")));
    require_refused(with(world.model, other, world.text),
                    other + ": the tokenizer has 6 pieces, the checkpoint has a vocabulary of 11");
}

TEST_CASE("a file that may not be read is refused") {
    if (geteuid() == 0) {
        WARN("skipped: root may read everything");
        return;
    }
    const World world;
    chmod(world.text.c_str(), 0);
    require_refused(world.arguments(), world.text + ": the file cannot be read");
}

TEST_CASE("a CSV file that cannot be written, or that is one of the inputs, is refused before the run") {
    const World world;
    require_refused("--csv " + world.folder.path("absent/rows.csv"), "the file cannot be written");
    require_refused("--csv " + world.folder.path(""), "the file cannot be written");
    require_refused(world.arguments() + "--csv " + world.text, "would overwrite what is read");
    REQUIRE(read_bytes(world.text).size() == 200);
}

TEST_CASE("a refused run leaves an older CSV file as it was") {
    const World world;
    const std::string csv = world.folder.write("rows.csv", "older");
    require_refused(world.arguments() + "--policies sink-window --budgets 4 --csv " + csv, "cannot take a budget of 4");
    REQUIRE(read_bytes(csv) == "older");
}

TEST_CASE("the CSV file has its header and one row per pair, budget 0 for full") {
    const World world;
    const std::string csv = world.folder.path("rows.csv");
    const Run run = run_program(world.arguments() + "--csv " + csv);
    REQUIRE(run.status == 0);
    REQUIRE(split(read_bytes(csv), '\n').at(0) == csv_header);
    const auto rows = read_csv(csv);  // context 24: budgets 3, 6, 12; sink-window cannot take 3
    REQUIRE(rows.size() == 1 + 3 * 8 - 1);
    REQUIRE(rows[0].at("policy") == "full");
    REQUIRE(rows[0].at("budget") == "0");
    for (const auto& row : rows) {
        REQUIRE(row.at("tokens") == std::to_string(201 / 23 * 11));
        REQUIRE(row.at("nll").find('.') + 7 == row.at("nll").size());
        REQUIRE(std::stod(row.at("us_per_token")) > 0);
        REQUIRE(std::stoul(row.at("state_bytes")) > 0);
    }
    REQUIRE(contains(run.out, "sink-window         3            -"));
}

TEST_CASE("any number of threads gives the same rows in the same order") {
    const World world;
    const std::string one = world.folder.path("one.csv"), three = world.folder.path("three.csv");
    REQUIRE(run_program(world.arguments() + "--threads 1 --csv " + one).status == 0);
    REQUIRE(run_program(world.arguments() + "--threads 3 --csv " + three).status == 0);
    REQUIRE(repeatable(one) == repeatable(three));
}

TEST_CASE("the seed changes the random policy and nothing else") {
    const World world;
    const std::string one = world.folder.path("one.csv"), two = world.folder.path("two.csv");
    const std::string arguments = world.arguments() + "--policies tova,random --budgets 6 ";
    REQUIRE(run_program(arguments + "--seed 1 --csv " + one).status == 0);
    REQUIRE(run_program(arguments + "--seed 2 --csv " + two).status == 0);
    const auto first = repeatable(one), second = repeatable(two);
    REQUIRE(first.at(0) == second.at(0));
    REQUIRE(first.at(1) != second.at(1));
}

TEST_CASE("a budget that never fills gives the perplexity of full") {
    const World world;
    const std::string csv = world.folder.path("rows.csv");
    REQUIRE(run_program(world.arguments() + "--budgets 24 --csv " + csv).status == 0);
    const auto rows = read_csv(csv);
    REQUIRE(rows.size() == 9);
    for (const auto& row : rows) REQUIRE(row.at("nll") == rows[0].at("nll"));
}

TEST_CASE("a text shorter than a window shrinks it, and the output says so") {
    const World world;
    const Run run = run_program(world.arguments() + "--tokens 16 --policies full");
    REQUIRE(run.status == 0);
    REQUIRE(contains(run.out, "the window shrinks to 17"));
    REQUIRE(contains(run.out, "8 targets"));
    REQUIRE(!contains(run_program(world.arguments() + "--policies full").out, "shrinks"));
}

TEST_CASE("a window beyond the model's context is noted") {
    const World world;
    REQUIRE(contains(run_program(world.arguments() + "--window 48 --policies full").out,
                     "the context of the model is 24 positions; a window of 48 goes beyond it"));
}

TEST_CASE("characters outside the vocabulary are counted in a note") {
    const World world;
    const std::string text = world.folder.write("strange.txt", "abc?abc!abcabcabcabc\xE2\x82\xAC");
    const Run run = run_program("--model " + world.model + " --tokenizer " + world.tokenizer + " --text " + text +
                                " --policies full");
    REQUIRE(run.status == 0);
    REQUIRE(contains(run.out, "3 characters of the text are not in the vocabulary"));
}

TEST_CASE("nothing but errors goes to standard error where nobody watches") {
    const World world;
    REQUIRE(run_program(world.arguments()).err.empty());
}

TEST_CASE("an interrupt leaves the numbers of the windows read so far and exits with status 130") {
    const World world;
    const std::string out = world.folder.path("out"), err = world.folder.path("err"), csv = world.folder.path("csv");
    std::string long_text;
    while (long_text.size() < 2'000'000) long_text += "abc defg ";
    const std::string text = world.folder.write("long.txt", long_text);
    const std::string program = program_path("compare_policies");
    std::vector<std::string> words{program, "--model", world.model, "--tokenizer", world.tokenizer, "--text",
                                   text,    "--csv",   csv};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT, 0600);
    pid_t child = 0;
    REQUIRE(posix_spawn(&child, program.c_str(), &actions, nullptr, arguments.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);

    // It listens for interrupts once it has told what it is going to read; a few windows of 23 tokens take no time.
    while (!contains(read_bytes(out), "Scored")) usleep(10'000);
    usleep(500'000);
    kill(child, SIGINT);
    int result = 0;
    waitpid(child, &result, 0);
    REQUIRE(WIFEXITED(result));
    REQUIRE(WEXITSTATUS(result) == 130);
    REQUIRE(contains(read_bytes(out), "\nfull "));
    REQUIRE(contains(read_bytes(err), "interrupted"));
    const auto rows = read_csv(csv);
    REQUIRE(rows.size() == 24);
    for (const auto& row : rows) {
        REQUIRE(row.at("tokens") == rows[0].at("tokens"));
        REQUIRE(std::stoul(row.at("tokens")) < long_text.size() / 2);
    }
}

TEST_CASE("a report or a JSON file that cannot be written, or that is one of the inputs, is refused before the run") {
    const World world;
    const std::string text = read_bytes(world.text), model = read_bytes(world.model);
    for (const std::string option : {"--html ", "--json "}) {
        require_refused(option + world.folder.path("absent/file"), "absent/file: the file cannot be written");
        require_refused(option + world.folder.path(""), "the file cannot be written");
        for (const std::string& input : {world.text, world.model, world.tokenizer})
            require_refused(world.arguments() + option + input, input + ": the results would overwrite what is read");
        const std::string link = world.folder.path("link" + option.substr(2, 4));
        std::filesystem::create_symlink(world.text, link);
        require_refused(world.arguments() + option + link, link + ": the results would overwrite what is read");
    }
    REQUIRE(read_bytes(world.text) == text);
    REQUIRE(read_bytes(world.model) == model);
}

TEST_CASE("one file cannot take two kinds of results") {
    const World world;
    const std::string file = world.folder.path("file"), roundabout = world.folder.path("./file");
    for (const std::string& other : {file, roundabout}) {
        require_refused(world.arguments() + "--csv " + file + " --json " + other, "file");
        require_refused(world.arguments() + "--csv " + file + " --html " + other, "file");
        require_refused(world.arguments() + "--json " + file + " --html " + other, "file");
    }
}

TEST_CASE("a run that is refused for one of its files leaves the others as they were") {
    const World world;
    const std::string older = world.folder.write("older", "older");
    const std::string absent = world.folder.path("absent/file");
    for (const std::string& bad : {absent, world.text}) {
        require_refused(world.arguments() + "--csv " + older + " --json " + bad, bad);
        require_refused(world.arguments() + "--csv " + older + " --html " + bad, bad);
        require_refused(world.arguments() + "--json " + older + " --html " + bad, bad);
    }
    REQUIRE(read_bytes(older) == "older");
}

TEST_CASE("a full disk is an error, for each kind of results") {
    if (access("/dev/full", W_OK) != 0) {
        WARN("skipped: there is no /dev/full");
        return;
    }
    const World world;
    for (const std::string option : {"--csv", "--json", "--html"})
        require_refused(world.arguments() + "--policies tova " + option + " /dev/full",
                        "/dev/full: the file cannot be written");
}

namespace {

nlohmann::json json_of(const std::string& arguments, const World& world) {
    const std::string json = world.folder.path("results.json");
    const Run run = run_program(arguments + " --json " + json);
    INFO(run.err);
    REQUIRE(run.status == 0);
    REQUIRE(read_bytes(json).back() == '\n');
    return nlohmann::json::parse(read_bytes(json));
}

}  // namespace

TEST_CASE("the JSON file holds every row of the table, with the numbers of the CSV file") {
    const World world;
    const std::string csv = world.folder.path("rows.csv");
    const auto json = json_of(world.arguments() + "--seed 7 --scalar bf16 --map 2 --csv " + csv, world);
    REQUIRE(json.at("model").at("file") == "model.bin");
    REQUIRE(json.at("model").at("layers") == 2);
    REQUIRE(json.at("model").at("query_heads") == 4);
    REQUIRE(json.at("model").at("kv_heads") == 2);
    REQUIRE(json.at("model").at("head_dim") == 4);
    REQUIRE(json.at("model").at("vocabulary") == 11);
    REQUIRE(json.at("model").at("context") == 24);
    REQUIRE(json.at("text") == nlohmann::json{{"file", "text.txt"}, {"tokens", 201}});
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
            REQUIRE(row.size() == 3);
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
        for (const auto& [key, column, digits] :
             {std::tuple{"nll", "nll", 6}, std::tuple{"perplexity", "ppl", 5}, std::tuple{"nll_error", "nll_error", 6},
              std::tuple{"us_per_token", "us_per_token", 3}}) {
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

TEST_CASE("of a single window there is no error, and all programs can read what there is") {
    const World world;
    const std::string html = world.folder.path("report.html");
    const auto json = json_of(world.arguments() + "--tokens 25 --html " + html, world);
    REQUIRE(json.at("windows") == 1);
    for (const auto& row : json.at("rows")) {
        if (row.contains("refusal")) continue;
        REQUIRE(row.at("nll_error") == 0);
        REQUIRE(row.at("window_nll").size() == 1);
    }
    const Element page = Markup::read(read_bytes(html), Markup::Kind::html);
    REQUIRE(all_named(page, "circle").size() == 3 * 23);
    REQUIRE(all_of(page, [](const Element& e) { return e.is("error"); }).empty());
}

TEST_CASE("the smallest window scores one token behind two, which no budget can take away") {
    const World world;
    const auto json =
        json_of(world.arguments() + "--window 3 --policies full,window,tova,random --budgets 1,2,3", world);
    REQUIRE(json.at("windows") == 100);
    for (const auto& row : json.at("rows")) {
        REQUIRE(row.at("targets") == 100);
        REQUIRE(row.at("nll") == json.at("rows").at(0).at("nll"));
    }
}

TEST_CASE("far more threads than windows are as good as one") {
    const World world;
    const auto one = json_of(world.arguments() + "--budgets 6 --threads 1", world);
    const auto many = json_of(world.arguments() + "--budgets 6 --threads 999999999999999999", world);
    REQUIRE(one.at("map") == many.at("map"));
    for (std::size_t row = 0; row < one.at("rows").size(); ++row)
        REQUIRE(one.at("rows").at(row).at("window_nll") == many.at("rows").at(row).at("window_nll"));
}

TEST_CASE("a text shorter than a window gives a report of the shrunken window") {
    const World world;
    const std::string html = world.folder.path("report.html");
    const auto json = json_of(world.arguments() + "--window 500 --html " + html, world);
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
    const World world;
    const std::string html = world.folder.path("report.html");
    const auto json = json_of(world.arguments() + "--policies full --html " + html, world);
    REQUIRE(json.at("rows").size() == 1);
    const Element page = Markup::read(read_bytes(html), Markup::Kind::html);
    REQUIRE(all_named(page, "svg").empty());
    REQUIRE(all_named(page, "select").empty());
    REQUIRE(all_named(page, "tr").size() == 2);
}

TEST_CASE("a model whose numbers overflow is measured, and every file can be read") {
    const World world;
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

TEST_CASE("an interrupt within the first window leaves files that say so: nothing was scored") {
    const World world;
    std::string long_text;
    while (long_text.size() < 60'000) long_text += "abc defg ";
    const std::string text = world.folder.write("long.txt", long_text), csv = world.folder.path("csv"),
                      json = world.folder.path("json"), html = world.folder.path("html");
    Child child("compare_policies", {"--model", world.model, "--tokenizer", world.tokenizer, "--text", text, "--window",
                                     "60000", "--budgets", "8,30000", "--csv", csv, "--json", json, "--html", html});
    std::string out;
    while (!contains(out, "Scored")) {
        const std::string more = child.read(1);
        REQUIRE(!more.empty());
        out += more;
    }
    usleep(500'000);
    child.interrupt();
    out += child.read(1'000'000);
    REQUIRE(child.wait() == 130);
    REQUIRE(contains(out, "policy         budget   perplexity"));
    REQUIRE(!contains(out, "\nfull "));
    REQUIRE(read_bytes(csv) == csv_header + "\n");
    const auto results = nlohmann::json::parse(read_bytes(json));
    REQUIRE(results.at("rows").size() == 1 + 2 * 8);
    for (const auto& row : results.at("rows")) REQUIRE(!row.contains("nll"));
    REQUIRE(results.at("map").at("runs").empty());  // half a window says little of what survives one
    const Element page = Markup::read(read_bytes(html), Markup::Kind::html);
    REQUIRE(all_named(page, "circle").empty());
    REQUIRE(all_named(page, "tr").size() == 1);
}
