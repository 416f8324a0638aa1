// Runs that are interrupted: their files say how much was read, and another run goes on from there.
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "compare_policies/text.hpp"
#include "tiny_world.hpp"

namespace interrupted_tests {

namespace {

using Json = nlohmann::json;

/// Words of the tiny tokenizer.
std::string long_text(std::size_t bytes) {
    std::string text;
    Random random{7};
    while (text.size() < bytes) text += " abcdefg"[random.below(8)];
    return text;
}

/// A run of compare_policies on a text of its own, and where its results go.
struct Trial {
    TinyWorld world;
    std::string text, csv = world.folder.path("rows.csv"), json = world.folder.path("run.json"),
                      html = world.folder.path("report.html");

    explicit Trial(std::size_t bytes) : text(world.folder.write("long.txt", long_text(bytes))) {}

    std::vector<std::string> words(const std::vector<std::string>& more) const {
        std::vector<std::string> words{"--model", world.model, "--tokenizer", world.tokenizer, "--text", text};
        words.insert(words.end(), more.begin(), more.end());
        return words;
    }
    Run run(const std::string& more) const {
        std::string line;
        for (const std::string& word : words({})) line += word + " ";
        return run_program(line + more);
    }
};

std::string read_until(Child& child, const std::string& word) {
    std::string out;
    while (!contains(out, word)) {
        const std::string more = child.read(1);
        REQUIRE(!more.empty());
        out += more;
    }
    return out;
}

/// All that a rerun repeats: not the command, the date, and the threads.
Json results_in(const std::string& path) {
    Json json = Json::parse(read_bytes(path));
    for (const char* key : {"command", "date", "threads"}) json.erase(key);
    return json;
}

}  // namespace

TEST_CASE("after an interrupt the files hold the windows read so far and say so, and the status is 130") {
    for (const int signal : {SIGINT, SIGTERM}) {
        const Trial trial(2'000'000);
        Child child("compare_policies", trial.words({"--csv", trial.csv, "--json", trial.json, "--html", trial.html}));
        std::string out = read_until(child, "BOS: ");
        usleep(700'000);
        child.interrupt(signal);
        out += child.read(1'000'000);
        REQUIRE(child.wait() == 130);
        REQUIRE(contains(out, "\nfull "));

        const Json json = Json::parse(read_bytes(trial.json));
        const std::size_t read = json.at("windows_read").size(), planned = json.at("windows").get<std::size_t>();
        REQUIRE(read > 0);
        REQUIRE(read < planned);
        REQUIRE(json.at("interrupted") == true);
        for (const Json& row : json.at("rows"))
            if (!row.contains("refusal")) REQUIRE(row.at("window_nll").size() == read);
        const auto rows = read_csv(trial.csv);
        REQUIRE(rows.size() == 24);
        for (const auto& row : rows) {
            REQUIRE(row.at("interrupted") == "1");
            REQUIRE(row.at("windows") == std::to_string(read));
            REQUIRE(row.at("windows_planned") == std::to_string(planned));
            REQUIRE(row.at("tokens") == std::to_string(read * 11));
        }
        const std::string sentence =
            "Interrupted: " + compare::grouped(read) + " of " + compare::grouped(planned) + " windows were read.";
        REQUIRE(contains(out, sentence));
        REQUIRE(contains(read_bytes(trial.html), "class=\"interrupted\">" + sentence));
    }
}

TEST_CASE("an interrupt before the first window writes no table and no file, and changes no older file") {
    const Trial trial(60'000);
    trial.world.folder.write("rows.csv", "older");
    Child child("compare_policies", trial.words({"--window", "60000", "--budgets", "8,30000", "--csv", trial.csv,
                                                 "--json", trial.json, "--html", trial.html}));
    std::string out = read_until(child, "BOS: ");
    usleep(300'000);
    child.interrupt();
    out += child.read(1'000'000);
    REQUIRE(child.wait() == 130);
    REQUIRE(!contains(out, "policy"));
    REQUIRE(read_bytes(trial.csv) == "older");
    REQUIRE(!std::filesystem::exists(trial.json));
    REQUIRE(!std::filesystem::exists(trial.html));
}

TEST_CASE("a run that is killed again and again and goes on has the results of one that is not") {
    const Trial trial(150'000);
    const std::string settings = "--policies full,window,sink-window,tova,random --window 24 --seed 3 --map 900 ",
                      whole_json = trial.world.folder.path("whole.json"),
                      whole_csv = trial.world.folder.path("whole.csv");
    REQUIRE(trial.run(settings + "--threads 2 --json " + whole_json + " --csv " + whole_csv).status == 0);

    const auto begin = trial.words({"--policies", "full,window,sink-window,tova,random", "--window", "24", "--seed",
                                    "3", "--map", "900", "--threads", "2"});
    Random random{std::uint64_t{static_cast<unsigned>(getpid())}};
    std::size_t read = 0, killed = 0, grew = 0;
    for (int round = 0; round < 12; ++round) {
        auto words = begin;
        words.insert(words.end(), {read == 0 ? "--json" : "--resume", trial.json});
        Child child("compare_policies", words);
        usleep(static_cast<useconds_t>(100'000 + random.below(400'000)));
        child.interrupt(round % 3 == 0 ? SIGKILL : round % 3 == 1 ? SIGINT : SIGTERM);
        killed += child.wait() != 0;
        if (!std::filesystem::exists(trial.json)) continue;
        const std::size_t now = Json::parse(read_bytes(trial.json)).at("windows_read").size();
        REQUIRE(now >= read);
        grew += now > read;
        read = now;
    }
    INFO("killed " << killed << " times, " << read << " windows read");
    REQUIRE(killed > 0);
    REQUIRE(grew > 0);
    REQUIRE(read > 0);
    REQUIRE(trial.run(settings + "--resume " + trial.json + " --csv " + trial.csv).status == 0);
    REQUIRE(read_bytes(trial.csv) == read_bytes(whole_csv));
    REQUIRE(results_in(trial.json) == results_in(whole_json));
}

TEST_CASE("at any moment of a run the JSON file is whole, and it grows") {
    const Trial trial(400'000);
    Child child("compare_policies", trial.words({"--budgets", "6", "--json", trial.json}));
    std::set<std::size_t> seen;
    for (int look = 0; look < 600 && seen.size() < 5; ++look) {
        usleep(5'000);
        if (!std::filesystem::exists(trial.json)) continue;
        const std::string text = read_bytes(trial.json);
        REQUIRE(Json::accept(text));
        seen.insert(Json::parse(text).at("windows_read").size());
    }
    REQUIRE(seen.size() >= 5);
    REQUIRE(seen.count(0) == 0);
}

TEST_CASE("going on from a run that was complete gives its results again") {
    const Trial trial(300);
    const std::string settings = "--budgets 6 --json " + trial.json;
    REQUIRE(trial.run(settings).status == 0);
    const Json before = results_in(trial.json);
    const std::string again = trial.world.folder.path("again.json");
    const Run run = trial.run("--budgets 6 --resume " + trial.json + " --json " + again);
    REQUIRE(run.status == 0);
    REQUIRE(contains(run.out, "Going on behind 13 windows"));
    REQUIRE(results_in(again) == before);
}

TEST_CASE("a run with other settings is refused in a sentence that names the first of them") {
    const Trial trial(300);
    REQUIRE(trial.run("--policies full,tova --budgets 6,12 --json " + trial.json).status == 0);
    const std::string inputs = "--model " + trial.world.model + " --tokenizer " + trial.world.tokenizer,
                      common = " --resume " + trial.json;
    const std::string same = inputs + " --text " + trial.text + " --policies full,tova",
                      begin = trial.json + ": this run cannot go on from it: its ";
    require_refused(same + " --budgets 6,12 --window 20" + common, begin + "window is 24, here it is 20.");
    require_refused(same + " --budgets 6" + common, begin + "runs is");
    require_refused(same + ",h2o --budgets 6,12" + common, begin + "runs is");
    require_refused(same + " --budgets 6,12 --seed 1" + common, begin + "seed is 0, here it is 1.");
    require_refused(same + " --budgets 6,12 --scalar int8" + common, begin + "scalar is \"f32\", here it is \"int8\".");
    require_refused(same + " --budgets 6,12 --bos off" + common, begin + "bos is true, here it is false.");
    require_refused(same + " --budgets 6,12 --map 2" + common, begin + "map window is 1, here it is 2.");
    require_refused(same + " --budgets 6,12 --tokens 250" + common, begin + "text fingerprint is");
    trial.world.folder.write("long.txt", long_text(299) + "g");
    require_refused(same + " --budgets 6,12" + common, begin + "text fingerprint is");
    PlainCheckpoint changed = tiny_checkpoint();
    changed.wo.back() += 0.001f;
    trial.world.folder.write("model.bin", changed.bytes());
    require_refused(same + " --budgets 6,12" + common, begin + "model fingerprint is");
}

TEST_CASE("what no run has written is refused") {
    const Trial trial(300);
    const std::string arguments = trial.world.arguments() + "--budgets 6 ";
    REQUIRE(run_program(arguments + "--survival --json " + trial.json).status == 0);
    const std::string good = read_bytes(trial.json), said = "this is no JSON file that compare_policies has written";
    require_refused(arguments + "--resume " + trial.world.folder.path("absent"), "absent: no such file");
    require_refused(arguments + "--resume /dev/zero", "this is no regular file");
    require_refused(arguments + "--resume " + trial.text, said);
    require_refused(arguments + "--resume " + trial.world.folder.write("cut", good.substr(0, good.size() / 2)), said);
    require_refused(arguments + "--resume " + trial.world.folder.write("empty", "{}"), "cannot go on from it");
    Json json = Json::parse(good);
    json.at("windows_read").push_back(99);
    require_refused(arguments + "--resume " + trial.world.folder.write("more", json.dump()), said);
    json = Json::parse(good);
    json.at("windows_read").at(0) = 0;
    require_refused(arguments + "--resume " + trial.world.folder.write("none", json.dump()), said);
    json = Json::parse(good);
    json.at("map").at("runs").at(0).at("layers").at(0).at(0).at("survived").push_back(1);
    require_refused(arguments + "--resume " + trial.world.folder.write("map", json.dump()), said);
    json = Json::parse(good);
    json.at("rows").at(1).at("window_nll") = "much";
    require_refused(arguments + "--resume " + trial.world.folder.write("text", json.dump()), said);
}

}  // namespace interrupted_tests
