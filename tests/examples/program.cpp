// The program as its users meet it: arguments, sentences, exit statuses, files.
#include "program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "files.hpp"
#include "plain_decoder.hpp"
#include "support/catch.hpp"
#include "vocabularies.hpp"

extern char** environ;

namespace {

const std::string csv_header = "policy,budget,tokens,nll,ppl,us_per_token,state_bytes";

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

TEST_CASE("without arguments the first line says that the perplexity means nothing, and what to give") {
    const Run run = run_program("");
    REQUIRE(run.status == 0);
    REQUIRE(run.err.empty());
    const std::string first = split(run.out, '\n').at(0);
    for (const char* part : {"means nothing", "--model", "--tokenizer", "--text"}) REQUIRE(contains(first, part));
    for (const char* name :
         {"full", "window", "sink-window", "tova", "tova-head", "h2o", "decayed", "key-norm", "random"})
        REQUIRE(contains(run.out, std::string("\n") + name + " "));
}

TEST_CASE("the help names every option and succeeds") {
    const Run run = run_program("--help");
    REQUIRE(run.status == 0);
    for (const char* option : {"--model", "--tokenizer", "--text", "--window", "--tokens", "--policies", "--budgets",
                               "--csv", "--threads", "--seed"})
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
    require_refused("--window 2", "A window of 2 leaves nothing to score: 3 is the least.");
    require_refused("--tokens 15", "A text of 15 tokens is too short: 16 are the least.");
    require_refused("--policies sink-window --budgets 8,4", "sink-window cannot take a budget of 4");
    require_refused("--budgets 1000000000000", "more than the window of 128");
}

TEST_CASE("model, tokenizer and text come together") {
    const World world;
    require_refused("--model " + world.model, "--model requires --t");
    require_refused("--tokenizer " + world.tokenizer, "--tokenizer requires --model");
    require_refused("--text " + world.text, "--text requires --model");
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

TEST_CASE("an interrupt leaves the rows so far and exits with status 130") {
    // The CSV file is a pipe: the first rows have come when they can be read, and only then the signal is sent.
    const World world;
    const std::string pipe = world.folder.path("pipe"), out = world.folder.path("out"), err = world.folder.path("err");
    REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
    const int rows = open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
    REQUIRE(rows >= 0);

    std::string long_text;
    while (long_text.size() < 100'000) long_text += "abc defg ";
    const std::string text = world.folder.write("long.txt", long_text);
    const std::string program = program_path("compare_policies");
    std::vector<std::string> words{program,  "--model", world.model, "--tokenizer", world.tokenizer,
                                   "--text", text,      "--csv",     pipe};
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

    std::string csv;
    bool sent = false;
    for (;;) {
        pollfd waiting{rows, POLLIN, 0};
        if (poll(&waiting, 1, 120'000) <= 0) break;
        char buffer[4096];
        const ssize_t count = read(rows, buffer, sizeof(buffer));
        if (count <= 0) break;
        csv.append(buffer, static_cast<std::size_t>(count));
        if (!sent && std::count(csv.begin(), csv.end(), '\n') >= 2) {
            kill(child, SIGINT);
            sent = true;
        }
    }
    close(rows);
    int result = 0;
    waitpid(child, &result, 0);
    REQUIRE(sent);
    REQUIRE(WIFEXITED(result));
    REQUIRE(WEXITSTATUS(result) == 130);
    const auto lines = split(csv, '\n');
    REQUIRE(lines.at(0) == csv_header);
    REQUIRE(lines.size() >= 2);
    REQUIRE(lines.size() < 1 + 24);
    for (const std::string& line : lines) REQUIRE(split(line, ',').size() == 7);
    REQUIRE(contains(read_bytes(out), "\nfull "));
    REQUIRE(contains(read_bytes(err), "interrupted"));
}
