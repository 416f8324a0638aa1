// Which rows are measured, and how they are shown.
#include "compare_policies/comparison.hpp"

#include "compare_policies/report.hpp"
#include "files.hpp"
#include "support/catch.hpp"

namespace {

using compare::Cell;
using compare::Choice;

std::vector<std::string> names(const std::vector<Cell>& cells) {
    std::vector<std::string> listed;
    for (const Cell& cell : cells) listed.push_back(cell.policy + " " + std::to_string(cell.budget));
    return listed;
}

Cell measured(const std::string& policy, std::size_t budget, double nll) {
    return {.policy = policy,
            .budget = budget,
            .score = compare::Score{.targets = 10, .nll = nll, .microseconds = 12.34, .state_bytes = 56789}};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("the known policies are those of the issue, in its order") {
    REQUIRE(llama2c::known_policies() == std::vector<std::string>{"full", "window", "sink-window", "tova", "tova-head",
                                                                  "h2o", "decayed", "key-norm", "random"});
}

TEST_CASE("default budgets are fractions of the window, those below 2 and duplicates dropped") {
    using Budgets = std::vector<std::size_t>;
    REQUIRE(compare::default_budgets(512) == Budgets{16, 32, 64, 128, 256});
    REQUIRE(compare::default_budgets(256) == Budgets{8, 16, 32, 64, 128});
    REQUIRE(compare::default_budgets(33) == Budgets{2, 4, 8, 16});
    REQUIRE(compare::default_budgets(9) == Budgets{2, 4});
    REQUIRE(compare::default_budgets(3).empty());
}

TEST_CASE("by default every policy meets every budget, and full comes once") {
    const auto cells = compare::plan({}, 256, 0);
    REQUIRE(cells.size() == 1 + 8 * 5);
    REQUIRE(cells.front().policy == "full");
    REQUIRE(cells.front().budget == 0);
    REQUIRE(compare::runs(cells) == cells.size());
}

TEST_CASE("lists keep the order of the user, and duplicates are dropped") {
    const Choice choice{.policies = {"tova", "window", "full", "tova"}, .budgets = {16, 4, 16}};
    REQUIRE(names(compare::plan(choice, 32, 0)) ==
            std::vector<std::string>{"full 0", "tova 16", "window 16", "tova 4", "window 4"});
}

TEST_CASE("a pair that cannot be is a dash by default") {
    const auto cells = compare::plan({.policies = {"sink-window"}}, 64, 0);
    REQUIRE(names(cells) == std::vector<std::string>{"sink-window 2", "sink-window 4", "sink-window 8",
                                                     "sink-window 16", "sink-window 32"});
    REQUIRE(contains(cells[1].refusal, "4 sinks"));
    REQUIRE(cells[2].refusal.empty());
    REQUIRE(compare::runs(compare::plan({.budgets = {3}}, 64, 0)) == 8);
}

TEST_CASE("a pair that cannot be is an error where both of its names were given") {
    const Choice choice{.policies = {"tova", "sink-window"}, .budgets = {8, 4}};
    const std::string said = thrown_by([&] { compare::plan(choice, 64, 0); });
    REQUIRE(contains(said, "sink-window cannot take a budget of 4 ("));
    REQUIRE(contains(said, "4 sinks"));
}

TEST_CASE("where nothing can be measured, that is an error") {
    REQUIRE(thrown_by([] { compare::plan({.policies = {"sink-window"}}, 8, 0); }) ==
            "None of the policies can take any of the budgets of a window of 8 tokens.");
    REQUIRE(!thrown_by([] { compare::plan({.policies = {"tova"}}, 3, 0); }).empty());
    REQUIRE(names(compare::plan({}, 3, 0)) == std::vector<std::string>{"full 0"});
}

TEST_CASE("a budget beyond the window is an error") {
    REQUIRE(names(compare::plan({.policies = {"tova"}, .budgets = {64}}, 64, 0)).size() == 1);
    REQUIRE(thrown_by([] { compare::plan({.budgets = {65}}, 64, 0); }) ==
            "A budget of 65 is more than the window of 64 tokens: nothing would ever be evicted.");
}

TEST_CASE("long numbers are grouped by thousands") {
    REQUIRE(compare::grouped(0) == "0");
    REQUIRE(compare::grouped(999) == "999");
    REQUIRE(compare::grouped(1000) == "1,000");
    REQUIRE(compare::grouped(12034005) == "12,034,005");
}

TEST_CASE("the table shows the change against full, stars the best of a budget, and dashes what cannot be") {
    const std::vector<Cell> cells{
        measured("full", 0, std::log(4.0)), measured("window", 4, std::log(6.0)), measured("tova", 4, std::log(5.0)),
        Cell{.policy = "sink-window", .budget = 4, .refusal = "no"}, Cell{.policy = "random", .budget = 4}};
    const std::string expected =
        "policy         budget   perplexity       vs full   us/token   state bytes\n"
        "full              all        4.000             -       12.3        56,789\n"
        "\n"
        "window              4        6.000       +50.0 %       12.3        56,789\n"
        "tova                4        5.000 *     +25.0 %       12.3        56,789\n"
        "sink-window         4            -             -          -             -\n"
        "\n"
        "* the best of its budget\n";
    REQUIRE(compare::table(cells) == expected);
}

TEST_CASE("the CSV file holds the rows in the order of the table, each as soon as its turn has come") {
    const TemporaryFolder folder;
    const std::string path = folder.path("rows.csv");
    const std::string first = "policy,budget,tokens,nll,ppl,us_per_token,state_bytes\n";
    const std::string full = "full,0,10,1.000000,2.71828,12.340,56789\n",
                      tova = "tova,8,10,2.000000,7.38906,12.340,56789\n";
    std::vector<Cell> cells{Cell{.policy = "full"}, Cell{.policy = "sink-window", .budget = 4, .refusal = "no"},
                            Cell{.policy = "window", .budget = 8}, measured("tova", 8, 2)};
    compare::CsvFile csv(path);
    REQUIRE(read_bytes(path) == first);
    csv.write_in_order(cells);
    REQUIRE(read_bytes(path) == first);
    cells[0] = measured("full", 0, 1);
    csv.write_in_order(cells);
    REQUIRE(read_bytes(path) == first + full);
    csv.write_rest(cells);
    REQUIRE(read_bytes(path) == first + full + tova);
}
