// The tasks needle and copy go on from their file.
#include <csignal>
#include <nlohmann/json.hpp>

#include "compare_policies/needle_report.hpp"
#include "tiny_world.hpp"

namespace {

using Json = nlohmann::json;

Json results_in(const std::string& path) {
    Json json = Json::parse(read_bytes(path));
    for (const char* key : {"command", "date"}) json.erase(key);
    return json;
}

const std::string needles = "--task needle --window 256 --needles 2 --policies full,tova --budgets 64 ";

/// What a run that was interrupted would have left: without some of the questions.
Json without(Json json, std::size_t text, const std::string& question) {
    for (Json& row : json.at("rows")) {
        Json& all = row.at(question).at("needles");
        for (std::size_t i = all.size(); i-- > 0;)
            if (all.at(i).at("text") == text) all.erase(i);
    }
    return json;
}

}  // namespace

TEST_CASE("needles that an earlier run asked for are not asked again, and the results are those of one run") {
    const TemporaryFolder folder;
    const std::string whole = folder.path("whole.json"), csv = folder.path("whole.csv"),
                      again = folder.path("again.csv");
    REQUIRE(run_program(needles + "--texts 2 --json " + whole + " --csv " + csv).status == 0);
    Json part = without(Json::parse(read_bytes(whole)), 1, "seen");
    part = without(part, 0, "unseen");
    // A loss made up in what is known shows that it is not measured again.
    part.at("rows").at(1).at("seen").at("needles").at(0).at("nll") = 123.5;
    const std::string json = folder.write("part.json", part.dump());
    const Run run = run_program(needles + "--texts 2 --resume " + json + " --csv " + again);
    INFO(run.err);
    REQUIRE(run.status == 0);
    REQUIRE(contains(run.out, "Going on behind 4 that were asked before."));
    Json after = results_in(json), before = results_in(whole);
    REQUIRE(after.at("rows").at(1).at("seen").at("needles").at(0).at("nll") == 123.5);
    for (Json* results : {&after, &before}) {
        results->at("rows").at(1).at("seen").erase("nll");
        results->at("rows").at(1).at("seen").at("needles").at(0).erase("nll");
    }
    REQUIRE(after == before);

    const std::string copied = folder.write("copied.json", read_bytes(whole));
    const Run complete = run_program(needles + "--texts 2 --resume " + copied + " --csv " + again);
    REQUIRE(contains(complete.out, "Going on behind 8 that"));
    REQUIRE(read_bytes(again) == read_bytes(csv));
    REQUIRE(results_in(copied) == results_in(whole));
}

TEST_CASE("the file of needles is there before the run ends, and a run that is killed goes on") {
    const TemporaryFolder folder;
    const std::string json = folder.path("n.json"), whole = folder.path("whole.json");
    const std::string settings = "--task copy --window 512 --needles 2 --texts 10 --policies full,tova --budgets 64 ";
    const std::vector<std::string> words{"--task",    "copy",    "--window",  "512",        "--needles",
                                         "2",         "--texts", "10",        "--policies", "full,tova",
                                         "--budgets", "64",      "--threads", "1"};
    std::size_t asked = 0;
    for (int round = 0; round < 8 && asked < 20; ++round) {
        std::vector<std::string> all = words;
        all.insert(all.end(), {std::filesystem::exists(json) ? "--resume" : "--json", json});
        Child child("compare_policies", all);
        usleep(700'000);
        child.interrupt(round % 2 == 0 ? SIGKILL : SIGINT);
        child.wait();
        if (!std::filesystem::exists(json)) continue;
        const Json row = Json::parse(read_bytes(json)).at("rows").at(0);
        const std::size_t now = row.at("unseen").at("needles").size();
        REQUIRE(now >= asked);
        asked = now;
    }
    REQUIRE(run_program(settings + (std::filesystem::exists(json) ? "--resume " : "--json ") + json).status == 0);
    REQUIRE(run_program(settings + "--json " + whole).status == 0);
    REQUIRE(results_in(json) == results_in(whole));
}

TEST_CASE("needles of other settings, and files that no such run has written, are refused") {
    const TemporaryFolder folder;
    const std::string json = folder.path("n.json");
    REQUIRE(run_program(needles + "--question seen --texts 1 --json " + json).status == 0);
    const std::string said = ": this run cannot go on from it: its ", common = needles + "--resume " + json + " ";
    require_refused(common + "--question seen --texts 2", said + "texts is 1, here it is 2.");
    require_refused(common + "--question unseen --texts 1", said + "questions is [\"seen\"], here it is [\"unseen\"].");
    require_refused(common + "--question seen --texts 1 --seed 4", said + "seed is 0, here it is 4.");
    require_refused(common + "--question seen --texts 1 --digits 4", said + "digits is 5, here it is 4.");
    const std::string one = needles + "--question seen --texts 1 --resume ";
    require_refused(one + folder.write("empty.json", "{}"), said + "version is nothing");
    Json wrong = Json::parse(read_bytes(json));
    wrong.at("rows").at(0).at("seen").at("needles").at(0).at("fact") = 99;
    require_refused(one + folder.write("wrong.json", wrong.dump()), "this is no JSON file that compare_policies");
    wrong.at("rows").at(0).at("seen") = "much";
    require_refused(one + folder.write("words.json", wrong.dump()), "this is no JSON file that compare_policies");
}
