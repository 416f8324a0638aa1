// The program as its users meet it: arguments, sentences, exit statuses, files.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tiny_world.hpp"

namespace program_tests {

namespace {

const std::string csv_header =
    "policy,budget,tokens,nll,ppl,state_bytes,nll_error,windows,windows_planned,interrupted,vs_full,vs_full_error,"
    "vs_best,vs_best_error,needs,settings";

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
    require_refused("--policies tova,foo",
                    "--policies: no policy is called 'foo'; known are full, window, sink-window, tova,");
    require_refused("--policies tova,", "no policy is called ''");
    require_refused("--policies 'decayed:decay=2'", "--policies: decay is 2; it must lie between 0 and 1");
    require_refused("--policies tova:scope=head", "scope of tova is 'head'; it takes one of layer, kv_head, model");
    require_refused("--needs foo",
                    "'foo' is nothing that a policy is shown; that is nothing, keys, values, queries, "
                    "outputs, weights, heads");
    require_refused("--policies tova --needs keys", "needs more than --needs says; leave out --needs.");
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
    const TinyWorld world;
    require_refused("--model " + world.model,
                    "this is no GGUF file; for a llama2.c checkpoint give its --tokenizer too");
    require_refused("--tokenizer " + world.tokenizer, "a GGUF file brings its own tokenizer; leave out --tokenizer");
}

TEST_CASE("files that are missing, empty, broken or of another model are refused by name") {
    const TinyWorld world;
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
    const TinyWorld world;
    chmod(world.text.c_str(), 0);
    require_refused(world.arguments(), world.text + ": the file cannot be read");
}

TEST_CASE("a CSV file that cannot be written, or that is one of the inputs, is refused before the run") {
    const TinyWorld world;
    require_refused("--csv " + world.folder.path("absent/rows.csv"), "the file cannot be written");
    require_refused("--csv " + world.folder.path(""), "the file cannot be written");
    require_refused(world.arguments() + "--csv " + world.text, "would overwrite what is read");
    REQUIRE(read_bytes(world.text).size() == 200);
}

TEST_CASE("a refused run does not change an older CSV file") {
    const TinyWorld world;
    const std::string csv = world.folder.write("rows.csv", "older");
    require_refused(world.arguments() + "--policies sink-window --budgets 4 --csv " + csv, "cannot take a budget of 4");
    REQUIRE(read_bytes(csv) == "older");
}

TEST_CASE("the CSV file has its header and one row per pair, budget 0 for full") {
    const TinyWorld world;
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
        REQUIRE(std::stoul(row.at("state_bytes")) > 0);
    }
    REQUIRE(contains(run.out, "sink-window         3            -"));
}

TEST_CASE("any number of threads gives the same rows in the same order") {
    const TinyWorld world;
    const std::string one = world.folder.path("one.csv"), three = world.folder.path("three.csv");
    REQUIRE(run_program(world.arguments() + "--threads 1 --csv " + one).status == 0);
    REQUIRE(run_program(world.arguments() + "--threads 3 --csv " + three).status == 0);
    REQUIRE(repeatable(one) == repeatable(three));
}

TEST_CASE("the seed changes the random policy and nothing else") {
    const TinyWorld world;
    const std::string one = world.folder.path("one.csv"), two = world.folder.path("two.csv");
    const std::string arguments = world.arguments() + "--policies random,tova --budgets 6 ";
    REQUIRE(run_program(arguments + "--seed 1 --csv " + one).status == 0);
    REQUIRE(run_program(arguments + "--seed 2 --csv " + two).status == 0);
    const auto first = repeatable(one), second = repeatable(two);
    REQUIRE(first.at(0) != second.at(0));
    REQUIRE(first.at(1) == second.at(1));
}

TEST_CASE("a budget that never fills gives the perplexity of full") {
    const TinyWorld world;
    const std::string csv = world.folder.path("rows.csv");
    REQUIRE(run_program(world.arguments() + "--budgets 24 --csv " + csv).status == 0);
    const auto rows = read_csv(csv);
    REQUIRE(rows.size() == 9);
    for (const auto& row : rows) REQUIRE(row.at("nll") == rows[0].at("nll"));
}

TEST_CASE("a text shorter than a window shrinks it, and the output says so") {
    const TinyWorld world;
    const Run run = run_program(world.arguments() + "--tokens 16 --policies full");
    REQUIRE(run.status == 0);
    REQUIRE(contains(run.out, "the window shrinks to 17"));
    REQUIRE(contains(run.out, "8 targets"));
    REQUIRE(!contains(run_program(world.arguments() + "--policies full").out, "shrinks"));
}

TEST_CASE("a window beyond the model's context is noted") {
    const TinyWorld world;
    REQUIRE(contains(run_program(world.arguments() + "--window 48 --policies full").out,
                     "the context of the model is 24 positions; a window of 48 goes beyond it"));
}

TEST_CASE("characters outside the vocabulary are counted in a note") {
    const TinyWorld world;
    const std::string text = world.folder.write("strange.txt", "abc?abc!abcabcabcabc\xE2\x82\xAC");
    const Run run = run_program("--model " + world.model + " --tokenizer " + world.tokenizer + " --text " + text +
                                " --policies full");
    REQUIRE(run.status == 0);
    REQUIRE(contains(run.out, "3 characters of the text are not in the vocabulary"));
}

TEST_CASE("nothing but errors goes to standard error where it is not a terminal") {
    const TinyWorld world;
    REQUIRE(run_program(world.arguments()).err.empty());
}

TEST_CASE("a report or a JSON file that cannot be written, or that is one of the inputs, is refused before the run") {
    const TinyWorld world;
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
    const TinyWorld world;
    const std::string file = world.folder.path("file"), roundabout = world.folder.path("./file");
    for (const std::string& other : {file, roundabout}) {
        require_refused(world.arguments() + "--csv " + file + " --json " + other, "file");
        require_refused(world.arguments() + "--csv " + file + " --html " + other, "file");
        require_refused(world.arguments() + "--json " + file + " --html " + other, "file");
    }
}

TEST_CASE("a run that is refused for one of its files does not change the others") {
    const TinyWorld world;
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
    const TinyWorld world;
    for (const std::string option : {"--csv", "--json", "--html"})
        require_refused(world.arguments() + "--policies tova " + option + " /dev/full",
                        "/dev/full: the file cannot be written");
}

}  // namespace program_tests
